"""One step on its own: export, quantize, sparsify or compile, into a folder the user names."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from hwcore.artifacts import Cache
from hwcore.contract import (
    Artifact,
    Capability,
    Dataset,
    Options,
    Plan,
    Step,
    Target,
    UserError,
    WorkHook,
)
from hwcore.host import PluginHost, local_cpu
from hwcore.pipeline import Executed, Pipeline, bind_steps, mismatch, stage_of, trains
from hwcore.workflows.data import DataRequest, open_data
from hwcore.workflows.output import check_output, output_folder, write_output
from hwcore.workflows.reporter import Reporter, Silent, show
from hwcore.workflows.source import open_source


@dataclass(frozen=True)
class StepRequest:
    """A step to run on a model or an artifact."""

    hook: WorkHook
    model: str
    out: Path
    plugin: str | None = None
    """May be left out where one installed plugin does this."""
    capability: str | None = None
    options: Options = field(default_factory=dict)
    data: DataRequest | None = None
    seed: int = 0
    revision: str | None = None
    trust_remote_code: bool = False
    recover: bool = False
    """Fine-tune with the data, distilling from the original: a capability that trains."""
    reference: str | None = None
    """The original model; ``None`` where it is the one that the step is run on."""


def run_step(
    request: StepRequest, host: PluginHost, cache: Cache, *, reporter: Reporter | None = None
) -> tuple[Artifact, Executed]:
    """Run the step, check its result, write it to ``out``. Raises like `optimize`."""
    reporter = reporter or Silent()
    check_output(request.out)
    if request.plugin is not None:
        host.record(request.plugin)  # says what there is instead, before the model is read
    if request.recover and request.data is None:
        raise UserError(
            "--recover learns from your data, and there is no --data",
            hint="Name a file with rows like the model's real inputs.",
        )
    with ExitStack() as held:
        source = open_source(
            request.model,
            cache,
            held,
            revision=request.revision,
            trust_remote_code=request.trust_remote_code,
        )
        reference = source
        if request.reference is not None:
            reference = open_source(
                request.reference, cache, held, trust_remote_code=request.trust_remote_code
            )
        data = None
        if request.data is not None:
            wanted = replace(request.data, train=request.recover)
            with reporter.work("read the data") as progress:
                data = open_data(wanted, source, cache, seed=request.seed, progress=progress)
        target = Target.of(local_cpu())
        plugin = request.plugin or _only_plugin(request, source, host)
        step = Step(
            hook=request.hook,
            plugin=plugin,
            capability=(
                _that_trains(request, plugin, source, target, data, host)
                if request.recover
                else request.capability
            ),
            options=request.options,
        )
        bound = bind_steps((step,), source=source, target=target, data=data, host=host)
        if isinstance(bound, str):
            raise UserError(
                f"{request.model} cannot be put through this step: {bound}",
                hint=f"`hwcore plugins info {step.plugin}` lists what the plugin does.",
            )
        plan = Plan(
            name=f"{request.hook}-{step.plugin}",
            source=source.digest,
            target=target,
            work=bound,
            run=None,
            seed=request.seed,
        )
        pipeline = held.enter_context(
            Pipeline(host, cache, reference=reference, source=source, target=target, data=data)
        )
        with (
            reporter.work(str(bound[0])) as progress,
            host.listening(show(reporter, progress)),
        ):
            executed = pipeline.execute(plan)
        with output_folder(request.out) as folder:
            write_output(folder, executed.artifact, source, None)
        return executed.artifact, executed


def _that_trains(
    request: StepRequest,
    plugin: str,
    source: Artifact,
    target: Target,
    data: Dataset | None,
    host: PluginHost,
) -> str:
    """The capability for ``--recover``. Raises `UserError` where there is none, or several are."""
    rows = [row for row in host.record(plugin).capabilities if _is_for(row, request)]
    named = [row for row in rows if request.capability in (None, row.id)]
    if not named:
        what = request.capability or request.hook
        raise UserError(
            f"{plugin} has no {what} that recovers by training",
            hint=f"It has {', '.join(row.id for row in rows) or 'none'}; or leave --recover out.",
        )
    stage, task = stage_of(source), source.task
    fitting = [
        row for row in named if mismatch(row, stage, task=task, target=target, data=data) is None
    ]
    if len(fitting) > 1:
        names = ", ".join(row.id for row in fitting)
        raise UserError(
            f"{request.hook} {plugin} --recover could be any of {names}",
            hint="Name one with --capability.",
        )
    return (fitting or named)[0].id  # one that does not fit is told of when it is bound


def _is_for(row: Capability, request: StepRequest) -> bool:
    return row.hook == request.hook and (trains(row) or not request.recover)


def _only_plugin(request: StepRequest, source: Artifact, host: PluginHost) -> str:
    """The one installed plugin with a row for this; `UserError` when there are none or several."""
    hook = request.hook
    names = [
        record.name
        for record in host.records
        if record.usable and record.manifest is not None
        for row in record.manifest.capabilities
        if _is_for(row, request) and any(p.format == source.format for p in row.inputs)
    ]
    distinct = sorted(set(names))
    if len(distinct) == 1:
        return distinct[0]
    if not distinct:
        how = ", and recover it by training" if request.recover else ""
        raise UserError(
            f"no installed plugin can {hook} a {source.format} model{how}",
            hint="`hwcore plugins list` shows what is installed and why the rest is not usable.",
        )
    raise UserError(
        f"{', '.join(distinct)} can all {hook} a {source.format} model",
        hint=f"Choose one: --plugin {distinct[0]}.",
    )
