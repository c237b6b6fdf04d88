"""What compression costs in accuracy and gives in speed, on real models and labelled data."""
