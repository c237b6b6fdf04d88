"""Pruning.

Mathematics: ``patterns``, ``importance``, ``shares``, ``statistics``, ``sparsegpt``, ``units``.
On a torch module: ``layers`` says which of its layers, ``methods`` how one is pruned,
``layerwise`` goes through the module block by block, and ``prune`` puts zeros into it;
``structure`` says where heads and channels are, and ``structured`` takes them out.
"""
