"""What a plugin's extra asks for and is not installed, told from metadata alone."""

from __future__ import annotations

import importlib_metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hwcore.contract import PluginError
from hwcore.host.records import PluginRecord
from hwcore.host.text import did_you_mean


def installed_version(distribution: str) -> str | None:
    """The installed version of a distribution; ``None`` when it is not there."""
    try:
        return importlib_metadata.version(distribution)
    except importlib_metadata.PackageNotFoundError:
        return None


def missing_requirements(record: PluginRecord, extra: str | None) -> list[str]:
    """Requirements of the plugin's distribution, with ``extra``, that are not met here.

    Extras of requirements (``hwcore[transformers]``) are followed; further requirements of
    requirements are pip's to keep. Each entry is a PEP 508 requirement such as ``nncf>=2.19``.
    Raises `PluginError` when the distribution has no such extra, or is not installed here.
    """
    try:
        distribution = importlib_metadata.distribution(record.distribution)
    except importlib_metadata.PackageNotFoundError as error:
        raise PluginError(
            f"its distribution {record.distribution} is not installed here",
            plugin=record.name,
            version=record.version,
        ) from error
    offered = [
        canonicalize_name(name) for name in distribution.metadata.get_all("Provides-Extra", [])
    ]
    if extra is not None and canonicalize_name(extra) not in offered:
        raise PluginError(
            f"its manifest asks for the extra {extra!r}, which its distribution "
            f"{record.distribution} does not have{did_you_mean(extra, offered)}",
            plugin=record.name,
            version=record.version,
        )
    missing: dict[str, None] = {}
    seen: set[tuple[str, str]] = set()
    pending = [(record.distribution, extra or "")]
    while pending:
        name, wanted = pending.pop()
        if (canonicalize_name(name), canonicalize_name(wanted)) in seen:
            continue
        seen.add((canonicalize_name(name), canonicalize_name(wanted)))
        for requirement in _requirements(name, wanted):
            version = installed_version(requirement.name)
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                missing[_plain(requirement)] = None
            else:
                pending += [(requirement.name, nested) for nested in requirement.extras]
    return sorted(missing)


def _requirements(distribution: str, extra: str) -> list[Requirement]:
    lines = importlib_metadata.distribution(distribution).requires or []
    requirements = [Requirement(line) for line in lines]
    return [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": extra})]


def _plain(requirement: Requirement) -> str:
    """The requirement without its marker, as one gives it to pip."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"
