"""A plugin whose steps do what the pipeline must accept, and what it must refuse."""
