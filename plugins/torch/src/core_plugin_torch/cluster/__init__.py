"""Weights as codes into small tables of values, found by k-means, and packed bit by bit."""
