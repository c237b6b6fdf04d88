"""Intel Neural Compressor, as a plugin of hwcore."""
