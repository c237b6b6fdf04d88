"""Check that a work hook made what its capability promises."""

from __future__ import annotations

from hwcore.contract import Artifact, Capability, Draft, PluginError, Produces, Target, Traits


def check_draft(draft: Draft, row: Capability, source: Artifact, target: Target) -> None:
    """Raise `PluginError` that says which promise of its capability the draft breaks."""
    promised = row.output
    if promised is None:
        raise PluginError(f"{row.id} promises no output, and made a draft")
    if draft.format != promised.format:
        raise PluginError(
            f"it made the format {draft.format!r}; {row.id} promises {promised.format!r}"
        )
    expected = promised_traits(promised, source.traits, target)
    wrong = [
        trait
        for trait in ("quantization", "stage", "bound_to")
        if getattr(draft.traits, trait) != getattr(expected, trait)
    ]
    if not set(draft.traits.op_domains) <= set(expected.op_domains):
        wrong.append("op_domains")
    if wrong:
        trait = wrong[0]
        raise PluginError(
            f"its draft says {trait} {getattr(draft.traits, trait)!r}; "
            f"{row.id} promises {getattr(expected, trait)!r}",
            hint="The manifest's output and the draft's traits must agree.",
        )
    sparsity = draft.traits.sparsity
    if row.hook != "sparsify" and sparsity not in (None, source.traits.sparsity):
        raise PluginError(
            f"its draft says sparsity {sparsity!r}, which its source has not",
            hint="Zeros are claimed by the sparsify step that makes them.",
        )
    zeros = sparsity is not None and sparsity.share > 0
    if row.hook == "sparsify" and not zeros and not _has_fewer_parameters(draft, source):
        raise PluginError(
            "it sparsified, and its draft's traits say nothing of sparsity",
            hint="Say which share of the weights is zero, or by `parameters` what is gone.",
        )


def _has_fewer_parameters(draft: Draft, source: Artifact) -> bool:
    """True where parts were taken out of a model, rather than set to zero."""
    now, before = (facts.get("parameters") for facts in (draft.facts, source.manifest.facts))
    return isinstance(now, int) and isinstance(before, int) and now < before


def promised_traits(promised: Produces, source: Traits, target: Target) -> Traits:
    """The traits that a capability makes of a source's: what it leaves out is inherited.

    The word ``none`` stands for unset, as in `hwcore.contract.Pattern`. Operator domains are
    those that may occur: a model that needs fewer keeps the promise.
    """
    changes: dict[str, object] = {}
    for trait in ("quantization", "stage"):
        value = getattr(promised, trait)
        if value is not None:
            changes[trait] = None if value == "none" else value
    if promised.op_domains is not None:
        changes["op_domains"] = promised.op_domains
    if promised.bound:
        changes["bound_to"] = target.fingerprint
    return source.model_copy(update=changes)
