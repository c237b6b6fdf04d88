"""BERT encoders on numpy, as a plugin of hwcore."""
