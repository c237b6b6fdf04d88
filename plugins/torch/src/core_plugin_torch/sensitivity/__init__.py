"""What each layer costs in accuracy and weighs in time, one layer treated at a time."""
