"""After the conversion: what the graph does not use goes, and what is stored twice is shared."""

from __future__ import annotations

import hashlib

import torch


def drop_unused(module: torch.fx.GraphModule) -> None:
    """Remove parameters and buffers that no node reads: weights from before they were rounded."""
    read = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    held = [*module.named_parameters(remove_duplicate=False)]
    held += module.named_buffers(remove_duplicate=False)
    for name, _ in held:
        if name not in read:
            owner, _, attribute = name.rpartition(".")
            delattr(module.get_submodule(owner), attribute)


def share_equal(module: torch.fx.GraphModule) -> None:
    """Let buffers of the same numbers be one: layers that share a weight were rounded apart."""
    first: dict[tuple[torch.dtype, torch.Size, bytes], str] = {}
    for name, tensor in list(module.named_buffers(remove_duplicate=False)):
        raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        key = tensor.dtype, tensor.shape, hashlib.sha256(raw).digest()
        kept = first.setdefault(key, name)
        if kept != name:
            for node in module.graph.nodes:
                if node.op == "get_attr" and node.target == name:
                    node.target = kept
    module.recompile()
