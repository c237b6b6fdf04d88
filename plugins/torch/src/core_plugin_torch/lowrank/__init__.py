"""Linear layers as products of two smaller ones, by truncated singular value decomposition."""
