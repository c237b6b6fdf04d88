"""PyTorch for hwcore: transformers models as their authors wrote them, run eagerly."""
