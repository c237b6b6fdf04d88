"""The numbers this project promises, behind ``make bench``."""
