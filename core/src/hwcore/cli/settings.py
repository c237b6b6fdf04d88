"""What the options before the command decide, and the objects that every command starts with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hwcore.artifacts import Cache
    from hwcore.host import Discovery, PluginHost
    from hwcore.workflows.reporter import Reporter


@dataclass(frozen=True)
class Settings:
    """Options given before the command."""

    no_plugins: bool = False
    cache_dir: Path | None = None
    debug: bool = False

    def cache(self) -> Cache:
        """The cache folder, made if need be."""
        from hwcore.artifacts import Cache

        if self.cache_dir is None:
            return Cache()
        return Cache(self.cache_dir, setting="--cache-dir")

    def discover(self) -> Discovery:
        """What is installed, as far as it may be used."""
        from hwcore.host import allowed_by_environment, discover

        return discover(allow=allowed_by_environment(), enabled=not self.no_plugins)

    def host(
        self,
        *,
        threads: int | None = None,
        seconds: float | None = None,
        door: Literal["worker", "in-process"] = "worker",
    ) -> PluginHost:
        """The plugin host; close it."""
        from hwcore.host import Limits, PluginHost
        from hwcore.workflows.threads import checked_threads

        return PluginHost(
            self.discover(),
            door=door,
            limits=Limits(seconds=seconds, threads=checked_threads(threads)),
        )


def reporter(*, quiet: bool) -> Reporter:
    """Bars on a terminal, plain lines elsewhere, nothing when the user wants none."""
    from hwcore.workflows.reporter import Once, Silent

    if quiet:
        return Silent()
    from hwcore.cli.progress import Bars, Lines, is_terminal

    return Once(Bars() if is_terminal() else Lines())
