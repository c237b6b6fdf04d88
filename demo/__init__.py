"""The demonstration behind ``make demo``: a real classifier, made here, then optimized."""
