"""What each layer of a model costs in accuracy and weighs in time, measured once and kept."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, ValidationError

from hwcore._version import __version__
from hwcore.artifacts import Cache, sha256_json
from hwcore.artifacts.cache import describe
from hwcore.artifacts.store import write_atomic
from hwcore.contract import (
    CONTRACT_VERSION,
    Artifact,
    Dataset,
    Device,
    Options,
    Sensitivity,
    Target,
    UserError,
    Value,
)
from hwcore.host import PluginHost, PluginRecord, check_options, local_cpu
from hwcore.workflows.data import DataRequest, open_data
from hwcore.workflows.heatmap import PICTURE, draw
from hwcore.workflows.reporter import Reporter, Silent, show
from hwcore.workflows.source import named, open_source

FILE = "sensitivity.json"
KIND = "sensitivity"
"""The folder of the cache, and the hook."""


@dataclass(frozen=True)
class SensitivityRequest:
    """What the user asks for. Defaults are those of the command line."""

    model: str
    data: DataRequest | None
    plugin: str | None = None
    """May be left out where one installed plugin does this."""
    options: Options = field(default_factory=dict)
    out: Path | None = None
    seed: int = 0
    revision: str | None = None
    trust_remote_code: bool = False


class SensitivityFile(Value):
    """``sensitivity.json``."""

    schema_version: Literal[1] = 1
    hwcore_version: str
    model: str
    source: str
    """Digest of the model."""
    data: str
    """Digest of the dataset."""
    plugin: str
    plugin_version: str
    libraries: dict[str, str]
    options: Options
    device: Device
    sensitivity: Sensitivity


def sensitivity(
    request: SensitivityRequest,
    host: PluginHost,
    cache: Cache,
    *,
    reporter: Reporter | None = None,
) -> SensitivityFile:
    """Measure, or find what was measured; write file and picture to ``out``, if there is one.

    Raises `UserError` for bad input, and as `hwcore.host.PluginHost.call` does.
    """
    reporter = reporter or Silent()
    record = plugin_for(host, request.plugin)  # says what there is, before the model is read
    check_options(record, KIND, request.options)
    if request.data is None:
        raise UserError(
            "what a layer costs is judged on your rows, and there is no --data",
            hint="Name a file with rows like the model's real inputs.",
        )
    if request.out is not None and request.out.exists() and not request.out.is_dir():
        raise UserError(f"{request.out} is a file", hint="Name a folder with --out.")
    with ExitStack() as held:
        with reporter.work("read the model"):
            source = open_source(
                request.model,
                cache,
                held,
                revision=request.revision,
                trust_remote_code=request.trust_remote_code,
            )
        if source.format != "transformers":
            raise UserError(
                f"{request.model} is {source.format}, not a transformers model",
                hint="Name the original: layers are treated one by one in that.",
            )
        with reporter.work("read the data") as progress:
            data = open_data(request.data, source, cache, seed=request.seed, progress=progress)
        found = measured(
            record,
            source,
            data,
            host,
            cache,
            model=named(request.model),
            options=request.options,
            seed=request.seed,
            reporter=reporter,
        )
    if request.out is not None:
        with reporter.work(f"write {request.out}"):
            _write(found, request.out)
    return found


def plugin_for(host: PluginHost, name: str | None = None) -> PluginRecord:
    """The plugin of that name, or the only one that measures. Raises `UserError`."""
    records = [record for record in host.records if record.usable and KIND in record.hooks]
    names = ", ".join(record.name for record in records)
    if name is not None:
        record = host.record(name)
        if record not in records:
            raise UserError(
                f"plugin {name} does not measure sensitivity",
                hint=f"Those that do: {names or 'none of the installed ones'}.",
            )
        return record
    if not records:
        raise UserError(
            "no installed plugin measures sensitivity", hint="pip install core-plugin-torch"
        )
    if len(records) > 1:
        raise UserError(
            f"{names} all measure sensitivity", hint=f"Choose one: --plugin {records[0].name}."
        )
    return records[0]


def measured(
    record: PluginRecord,
    source: Artifact,
    data: Dataset,
    host: PluginHost,
    cache: Cache,
    *,
    model: str,
    options: Options,
    seed: int,
    reporter: Reporter,
) -> SensitivityFile:
    """What the plugin found, from the cache where it was asked the same before."""
    from hwcore.data import visible

    device = local_cpu()
    target = Target.of(device)
    libraries = record.library_versions()
    key = _key(record, libraries, source, data, target, options, seed)
    with cache.making(key):
        known = _known(cache, key)
        if known is not None:
            return known.model_copy(update={"model": model})
        with (
            reporter.work(f"treat one layer at a time ({record.name})") as progress,
            host.listening(show(reporter, progress)),
        ):
            found = host.sensitivity(
                record.name,
                source=source,
                options=options,
                data=visible(data),
                target=target,
                seed=seed,
            )
        made = SensitivityFile(
            hwcore_version=__version__,
            model=model,
            source=source.digest,
            data=data.digest,
            plugin=record.name,
            plugin_version=record.version,
            libraries=libraries,
            options=options,
            device=device,
            sensitivity=found,
        )
        with cache.workspace() as work:
            write_atomic(work / FILE, made.model_dump_json(indent=1).encode())
            describe(work, f"sensitivity of {model} on {data.path}")
            cache.commit(work, KIND, key)
        return made


def _known(cache: Cache, key: str) -> SensitivityFile | None:
    """What was measured before; a file that cannot be read is removed."""
    folder = cache.path(KIND, key)
    if not folder.exists():
        return None
    cache.use(KIND, key)
    try:
        return SensitivityFile.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        cache.discard(KIND, key)
        return None


def _key(
    record: PluginRecord,
    libraries: dict[str, str],
    source: Artifact,
    data: Dataset,
    target: Target,
    options: Options,
    seed: int,
) -> str:
    """Everything that the answer depends on, as in the key of a step."""
    versions: dict[str, JsonValue] = {"version": record.version, **libraries}
    return sha256_json(
        {
            "hook": KIND,
            "plugin": record.name,
            "versions": versions,
            "source": source.digest,
            "data": data.digest,
            "target": target.fingerprint,
            "options": options,
            "seed": seed,
            "contract": CONTRACT_VERSION,
        }
    )


def _write(found: SensitivityFile, out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomic(out / FILE, found.model_dump_json(indent=1).encode())
        draw(
            found.sensitivity,
            out / PICTURE,
            title=f"{Path(found.model).name} on {found.device.name}",
        )
    except OSError as error:
        raise UserError(
            f"{out} cannot be written: {error.strerror}", hint="Name another folder with --out."
        ) from error
