"""Makes small plugins, and hosts of them, for tests."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

from hwcore.contract import Artifact, ArtifactManifest, Dataset, Draft, Target
from hwcore.host import Discovery, Event, LoadedModel, LogEvent, PluginHost, ProgressEvent

DUMMIES = Path(__file__).parent


class Events(list[Event]):
    """Collects events."""

    @property
    def lines(self) -> list[str]:
        return [e.message for e in self if isinstance(e, LogEvent) and e.stream == "log"]

    @property
    def output(self) -> list[str]:
        return [e.message for e in self if isinstance(e, LogEvent) and e.stream == "output"]

    @property
    def warnings(self) -> list[str]:
        return [e.message for e in self if isinstance(e, LogEvent) and e.level == "warning"]

    @property
    def fractions(self) -> list[float]:
        return [e.fraction for e in self if isinstance(e, ProgressEvent)]


class Bench:
    """A host, and calls of it with whatever does not matter filled in."""

    def __init__(self, discovery: Discovery, arguments: dict[str, Any]) -> None:
        self.host = PluginHost(discovery, **arguments)

    def export(self, source: Artifact, out: Path, **options: Any) -> Artifact:
        """By the numpy dummy."""
        out.mkdir()
        draft = self.host.call(
            "export",
            "numpy",
            source=source,
            capability="linear",
            options=options,
            data=None,
            target=Target(),
            reference=source,
            out=out,
            seed=7,
        )
        return artifact_of(draft, out)

    def linear(self, source: Artifact, out: Path, **options: Any) -> LoadedModel:
        """The numpy dummy's model, loaded."""
        made = self.export(source, out, **options)
        return self.host.run("numpy", made, capability="numpy", options={}, target=Target())

    def work(
        self, source: Artifact, how: str, *, data: Dataset | None = None, **options: Any
    ) -> Draft:
        """A step of the unruly dummy."""
        return self.host.call(
            "quantize",
            "unruly",
            source=source,
            capability="work",
            options={"how": how, **options},
            data=data,
            target=Target(),
            reference=source,
            out=source.path,
        )

    def run(self, source: Artifact, how: str, **options: Any) -> LoadedModel:
        """A model of the unruly dummy."""
        return self.host.run(
            "unruly",
            source.model_copy(
                update={"manifest": source.manifest.model_copy(update={"format": "unruly"})}
            ),
            capability="run",
            options={"how": how, **options},
            target=Target(),
        )


def artifact_of(draft: Draft, out: Path) -> Artifact:
    manifest = ArtifactManifest(
        format=draft.format,
        task="feature-extraction",
        traits=draft.traits,
        components=draft.components,
        facts=draft.facts,
        files={},
    )
    return Artifact(path=out, manifest=manifest)


def write_plugin(
    root: Path,
    name: str,
    *,
    manifest: str | None = None,
    code: str = "",
    distribution: str | None = None,
    version: str = "1.0",
    entry_point: str | None = None,
    metadata: str = "",
) -> Path:
    """A plugin in a folder of its own, which is returned: package, dist-info, manifest.

    ``manifest`` is what comes after the four keys that every manifest has, or all of it when
    it begins with ``name``.
    """
    package = f"hwdummy_{name.replace('-', '_')}"
    distribution = distribution or f"hwdummy-{name}"
    folder = root / distribution
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("")
    (folder / package / "plugin.py").write_text(code)
    if manifest is not None:
        if not manifest.lstrip().startswith("name"):
            manifest = (
                f'name = "{name}"\nvendor = "v"\nsummary = "s"\ncontract = ">=1,<2"\n{manifest}'
            )
        (folder / package / "hwcore-plugin.toml").write_text(manifest)
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{metadata}"
    )
    point = entry_point or f"{package}.plugin"
    (info / "entry_points.txt").write_text(f"[hwcore.plugins]\n{name} = {point}\n")
    return folder


def plugin_name(folder: Path) -> str:
    """The name of the plugin in a dummy's folder."""
    points = configparser.ConfigParser()
    points.read(next(folder.glob("*.dist-info/entry_points.txt")))
    return next(iter(points["hwcore.plugins"]))
