"""The plugin host: calls the plugin that was chosen, through a door, with wrappers around it."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hwcore.contract import (
    Artifact,
    Cancelled,
    Capability,
    Dataset,
    Device,
    Draft,
    HwcoreError,
    Options,
    PluginError,
    Runner,
    Sensitivity,
    Target,
    UserError,
    WorkHook,
)
from hwcore.host.cancel import CancelToken
from hwcore.host.cpu import local_cpu
from hwcore.host.doors import DoorKind, door_opener
from hwcore.host.drafts import check_draft
from hwcore.host.events import EventSink, OnEvent
from hwcore.host.faults import LoadFailed, complete
from hwcore.host.hints import mend
from hwcore.host.limits import Limits
from hwcore.host.model import LoadedModel
from hwcore.host.options import check_options
from hwcore.host.proxy import HostContext
from hwcore.host.records import Discovery, PluginRecord
from hwcore.host.switchboard import Switchboard
from hwcore.host.text import listing


class PluginHost:
    """Calls plugins' hooks. Safe to use from several threads.

    ``door`` says where plugins live: each in a process of its own, or in this one. Limits of
    seconds and memory hold for workers only. ``on_event`` is told of progress and log lines, in
    the thread that called or in one of the host's: of the host's methods it may call `cancel`
    and `close` only. ``interpreter`` is the Python that workers run, ``grace`` the seconds a
    worker has between a cancel and its end.
    """

    def __init__(
        self,
        discovery: Discovery,
        *,
        door: DoorKind = "worker",
        limits: Limits | None = None,
        on_event: OnEvent | None = None,
        interpreter: str = sys.executable,
        grace: float = 2.0,
    ) -> None:
        limits = limits or Limits()
        self._records = {record.name: record for record in discovery.records}
        self._discovery = discovery
        self._limits = limits
        self._on_event = on_event
        self._lock = threading.RLock()
        self._tokens: set[CancelToken] = set()
        self._models: weakref.WeakSet[LoadedModel] = weakref.WeakSet()
        self._switchboard = Switchboard(
            discovery.usable, door_opener(door, limits, interpreter, grace)
        )
        # A host that is forgotten, or alive at exit, ends its workers too.
        self._finalizer = weakref.finalize(self, self._switchboard.close)

    @property
    def records(self) -> tuple[PluginRecord, ...]:
        """Every plugin, in the state it is in by now."""
        return tuple(self._records.values())

    def record(self, name: str) -> PluginRecord:
        """The usable plugin of that name.

        Raises `UserError`: with the nearest name when there is none, with its state and the
        reason when it cannot be used.
        """
        self._discovery.record(name)
        record = self._records[name]
        if not record.usable:
            raise UserError(
                f"plugin {name} is {record.state}: {record.reason}",
                hint="`hwcore doctor` shows the state of every plugin, and what would help.",
            )
        return record

    def devices(self) -> list[Device]:
        """The local CPU, then what plugins report, each id once.

        A plugin that fails is a warning, and the reason in its record.
        """
        self._check_open()
        devices = {"cpu": local_cpu()}
        for record in self.records:
            if not (record.usable and record.manifest and record.manifest.devices):
                continue
            try:
                with self._context(record, "devices") as ctx:
                    reported = self._ask("devices", record, None, ctx, {})
            except Cancelled:
                raise
            except HwcoreError as error:
                self._warn(record, "devices", str(error))
                if self._records[record.name].usable:
                    self._update(record.name, reason=str(error))
                continue
            for device in reported[0]:
                devices.setdefault(device.id, device)
        return list(devices.values())

    def call(
        self,
        hook: WorkHook,
        plugin: str,
        *,
        source: Artifact,
        capability: str,
        options: Options,
        data: Dataset | None,
        target: Target,
        reference: Artifact,
        out: Path,
        seed: int = 0,
    ) -> Draft:
        """Have a plugin do one step: files into ``out``, which is there and empty.

        Raises `UserError` for an unknown plugin, capability or option; `PluginError` when the
        plugin fails, dies, takes longer than the limit or does not do what its manifest says;
        `Cancelled` after `cancel`; and errors of the contract that the plugin itself raises.
        """
        record, row = self._prepare(hook, plugin, capability, options, target)
        arguments = {
            "source": source,
            "capability": capability,
            "options": options,
            "data": data,
            "target": target,
            "reference": reference,
            "out": out,
        }
        with self._context(record, hook, seed=seed, data=data, source=source) as ctx:
            draft: Draft = self._ask(hook, record, row, ctx, arguments)
        with self._naming(record, hook, row):
            check_draft(draft, row, source, target)
        return draft

    def sensitivity(
        self,
        plugin: str,
        *,
        source: Artifact,
        options: Options,
        data: Dataset,
        target: Target,
        seed: int = 0,
    ) -> Sensitivity:
        """Have a plugin measure what each layer costs. Raises as `call` does.

        ``data`` must have no ``test`` rows: see `hwcore.data.visible`.
        """
        self._check_open()
        record = self.record(plugin)
        if "sensitivity" not in record.hooks:
            raise UserError(
                f"plugin {plugin} does not measure sensitivity",
                hint=f"Those that do: {listing(r.name for r in self.records if _measures(r))}.",
            )
        check_options(record, "sensitivity", options)
        arguments = {"source": source, "options": options, "data": data, "target": target}
        with self._context(record, "sensitivity", seed=seed, data=data, source=source) as ctx:
            found: Sensitivity = self._ask("sensitivity", record, None, ctx, arguments)
        return found

    def run(
        self,
        plugin: str,
        artifact: Artifact,
        *,
        capability: str,
        options: Options,
        target: Target,
    ) -> LoadedModel:
        """Have a plugin load an artifact. Raises as `call` does."""
        record, row = self._prepare("run", plugin, capability, options, target)
        arguments = {
            "artifact": artifact,
            "capability": capability,
            "options": options,
            "target": target,
        }
        with self._context(record, "run") as ctx, self._naming(record, "run", row):
            model = self._as_model(self._ask("run", record, row, ctx, arguments), ctx)
        model.on_fault = lambda error: self._complete(error, record, "run", row)
        with self._lock:
            self._models.add(model)
        return model

    def cancel(self) -> None:
        """Stop the calls in flight, from another thread: they raise `Cancelled`.

        A worker that does not stop within the grace is killed; in process, the call ends when
        the plugin looks at ``ctx.cancelled()``. Later calls are not affected.
        """
        with self._lock:
            tokens, models = list(self._tokens), list(self._models)
        for token in tokens:
            token.set()
        for model in models:
            model.cancel()

    @contextmanager
    def listening(self, on_event: OnEvent) -> Iterator[None]:
        """Send the events of calls that begin in this block to ``on_event`` instead."""
        before, self._on_event = self._on_event, on_event
        try:
            yield
        finally:
            self._on_event = before

    def close(self) -> None:
        """Close every model and end every worker. Doing so again does nothing."""
        with self._lock:
            models = list(self._models)
        for model in models:
            model.close()
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _prepare(
        self, hook: WorkHook, plugin: str, capability: str, options: Options, target: Target
    ) -> tuple[PluginRecord, Capability]:
        """Everything that can be said before the plugin's code is touched."""
        self._check_open()
        record = self.record(plugin)
        row = record.capability(capability, hook)
        check_options(record, capability, options)
        for caveat in row.caveats:
            if caveat.applies(target):
                self._warn(record, hook, caveat.text)
        return record, row

    def _ask(
        self,
        hook: str,
        record: PluginRecord,
        row: Capability | None,
        ctx: HostContext,
        arguments: dict[str, Any],
    ) -> Any:
        """Call one hook of one plugin; complete its errors, keep its record."""
        try:
            with self._naming(record, hook, row):
                self._load_wrappers(hook)
                result = self._switchboard.ask(hook, record, ctx, arguments)
        except Exception as error:
            if ctx.token.is_set():  # whatever it is that the plugin made of the wish to stop
                raise _cancelled(record, hook) from error
            if isinstance(error, LoadFailed):
                self._update(record.name, state="broken", reason=_reason(error))
            raise
        if ctx.token.is_set():
            raise _cancelled(record, hook)
        self._update(record.name, state="loaded")
        return result

    @contextmanager
    def _context(
        self,
        record: PluginRecord,
        hook: str,
        *,
        seed: int = 0,
        data: Dataset | None = None,
        source: Artifact | None = None,
    ) -> Iterator[HostContext]:
        """The ``ctx`` of one call, which `cancel` reaches while it lasts."""
        ctx = HostContext(
            EventSink(record.name, hook, self._on_event),
            seed=seed,
            threads=self._limits.thread_count,
            dataset=data,
            source=source,
        )
        with self._lock:
            self._tokens.add(ctx.token)
        try:
            yield ctx
        except BaseException:
            if ctx.model is not None:  # loaded, and then a wrapper failed
                ctx.model.close()
            raise
        finally:
            with self._lock:
                self._tokens.discard(ctx.token)

    @contextmanager
    def _naming(self, record: PluginRecord, hook: str, row: Capability | None) -> Iterator[None]:
        """Complete a plugin's errors: which plugin and hook, and how to mend it."""
        try:
            yield
        except PluginError as error:
            self._complete(error, record, hook, row)
            raise

    def _complete(
        self, error: PluginError, record: PluginRecord, hook: str | None, row: Capability | None
    ) -> None:
        blamed = self._records.get(error.plugin or "", record)  # a wrapper may be at fault
        hint = mend(blamed, row if blamed.name == record.name else None, self.records)
        complete(error, record.name, record.version, hook, hint=hint)

    def _as_model(self, result: object, ctx: HostContext) -> LoadedModel:
        """The model, with calls going to what a wrapper of ``run`` replaced it by, if one did."""
        if isinstance(result, LoadedModel):
            return result
        if ctx.model is None or not isinstance(result, Runner):
            raise PluginError(
                f"a hook wrapper made a {type(result).__name__} of the runner", hook="run"
            )
        return LoadedModel(ctx.model, before=result)

    def _load_wrappers(self, hook: str) -> None:
        for record, error in self._switchboard.load_wrappers(hook):
            if error is None:
                self._update(record.name, state="loaded")
                continue
            self._complete(error, record, None, None)
            self._update(record.name, state="broken", reason=_reason(error))
            self._warn(record, hook, f"{hook} goes on without this plugin's wrapper: {error}")

    def _check_open(self) -> None:
        if not self._finalizer.alive:
            raise UserError("the plugin host is closed", hint="Make a new one.")

    def _warn(self, record: PluginRecord, hook: str, message: str) -> None:
        EventSink(record.name, hook, self._on_event).log(message, "warning")

    def _update(self, name: str, **changes: Any) -> None:
        with self._lock:
            self._records[name] = replace(self._records[name], **changes)


def _measures(record: PluginRecord) -> bool:
    return record.usable and "sensitivity" in record.hooks


def _cancelled(record: PluginRecord, hook: str) -> Cancelled:
    return Cancelled(f"{hook} of plugin {record.name} was cancelled")


def _reason(error: PluginError) -> str:
    """An error as the reason of a record: a sentence, and how to do without the plugin."""
    return f"{error.reason.rstrip('.')}. {error.hint}"
