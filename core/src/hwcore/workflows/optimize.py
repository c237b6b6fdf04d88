"""The main job: try what the installed plugins can do, check it, hand back the fastest."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cache as once
from pathlib import Path

from pydantic import JsonValue

from hwcore._version import __version__
from hwcore.artifacts import Cache, sha256_json
from hwcore.artifacts.cache import DiskFull, describe
from hwcore.contract import (
    CONTRACT_VERSION,
    Artifact,
    Cancelled,
    Dataset,
    HwcoreError,
    Plan,
    PluginError,
    Sensitivity,
    Target,
    ToleranceExceeded,
    UserError,
)
from hwcore.host import PluginHost, local_cpu
from hwcore.measure import check_length
from hwcore.pipeline import Pipeline
from hwcore.workflows.choice import choose
from hwcore.workflows.data import DataRequest, open_data
from hwcore.workflows.environment import environment
from hwcore.workflows.mixed import mixed_trials
from hwcore.workflows.output import add_file, check_output, output_folder, write_output
from hwcore.workflows.picture import PICTURE, draw
from hwcore.workflows.plans import find_recipes, make_plans
from hwcore.workflows.reporter import Reporter, Silent
from hwcore.workflows.rows import check_rows, too_few_rows
from hwcore.workflows.sensitivity import KIND, measured
from hwcore.workflows.source import named, open_source
from hwcore.workflows.study import (
    STUDY,
    Goal,
    Study,
    StudyFile,
    Trial,
    locked,
)
from hwcore.workflows.trials import Trials


@dataclass(frozen=True)
class OptimizeRequest:
    """What the user asks for. Defaults are those of the command line."""

    model: str
    data: DataRequest | None = None
    out: Path | None = None
    study: Path | None = None
    """Folder of the study; by default one in the cache, found again by model, data and goal."""
    max_drop: float = 0.01
    rows: int | None = None
    """Rows of the ``test`` role to judge on; by default all, and no more than 2000."""
    batch_sizes: tuple[int, ...] = (1, 8)
    length: int | None = None
    """Tokens per row when timing; by default the data's own lengths."""
    rounds: int = 15
    threads: int | None = None
    seed: int = 0
    recipes: tuple[str, ...] = ()
    """Names of bundled recipes, or recipe files; all bundled ones by default."""
    revision: str | None = None
    trust_remote_code: bool = False
    step_seconds: float | None = 3600.0
    """A step that takes longer is stopped and its plan given up."""
    again: bool = False
    """Retry plans that failed, and time all of them anew."""


@dataclass
class Outcome:
    """What came of it: the study, and where everything is."""

    study: StudyFile
    folder: Path
    out: Path | None
    picture: Path
    front: tuple[str, ...] = field(default=())


def optimize(
    request: OptimizeRequest,
    host: PluginHost,
    cache: Cache,
    *,
    reporter: Reporter | None = None,
) -> Outcome:
    """Run the job. See `OptimizeRequest`; ``host`` decides which plugins may be used.

    Raises `ToleranceExceeded` when no plan is proven accurate enough (nothing is written to
    ``out`` then, the study is kept), `UserError` for bad input, and `PluginError` when the
    reference itself does not run, or no other plan. One plan's failure is a record in the study.
    """
    reporter = reporter or Silent()
    _check(request)
    recipes = find_recipes(request.recipes, host)
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
                hint="Optimize the original; `hwcore bench` compares finished results.",
            )
        check_length(source.component().signature, request.length)
        data = None
        if request.data is not None:
            with reporter.work("read the data") as progress:
                data = open_data(
                    request.data,
                    source,
                    cache,
                    seed=request.seed,
                    test_rows=request.rows,
                    progress=progress,
                )
            check_rows(request.data.path, data, request.rows)
        few = too_few_rows(data, source, request.rows, request.max_drop)
        if few is not None:
            reporter.log(few, "warning")
        device = local_cpu()
        target = Target.of(device)
        threads = request.threads or device.cores
        plans, left_out = make_plans(
            recipes, source=source, target=target, data=data, host=host, seed=request.seed
        )
        fresh = StudyFile(
            hwcore_version=__version__,
            source=_describe_source(request.model, source),
            data=_describe_data(data),
            goal=Goal(
                max_drop=request.max_drop,
                batch_sizes=request.batch_sizes,
                length=request.length,
                rows=request.rows,
                seed=request.seed,
            ),
            target=target,
            device=device,
            environment=environment(host, threads),
            left_out=left_out,
            trials=tuple(
                Trial(id=_trial_id(plan, data, host, request, threads), plan=plan, baseline=not i)
                for i, plan in enumerate(plans)
            ),
        )
        folder = request.study or cache.path("studies", _study_key(fresh))
        held.enter_context(locked(folder))
        if request.study is None:
            # A listing does without it; that the disk is full will show in the study itself.
            with suppress(OSError):
                describe(folder, _about(request))
        study = Study.open(folder, fresh)
        study.save()
        pipeline = held.enter_context(
            Pipeline(host, cache, reference=source, target=target, data=data)
        )
        trials = Trials(study, host, cache, pipeline, source, data, request.rows, reporter)
        trials.build(again=request.again)
        trials.evaluate()
        study.mix(
            mixed_trials(
                study.file.trials,
                request.max_drop,
                host,
                ask=once(lambda: _sensitivity(request, source, data, host, cache, reporter)),
                made=lambda record: cache.artifact(record.key),
                id_of=lambda plan: _trial_id(plan, data, host, request, threads),
            )
        )
        trials.build(again=False)
        trials.evaluate()
        trials.measure(
            batch_sizes=request.batch_sizes,
            length=request.length,
            rounds=request.rounds,
            again=request.again,
        )
        return _finish(request, study, trials, source, reporter)


def _sensitivity(
    request: OptimizeRequest,
    source: Artifact,
    data: Dataset | None,
    host: PluginHost,
    cache: Cache,
    reporter: Reporter,
) -> Sensitivity | None:
    """What each layer costs, as the first plugin that measures it says; ``None`` where none can.

    That one fails is told, and no reason to give the other plans up.
    """
    record = next((r for r in host.records if r.usable and KIND in r.hooks), None)
    if record is None or data is None:
        return None
    try:
        return measured(
            record,
            source,
            data,
            host,
            cache,
            model=named(request.model),
            options={},
            seed=request.seed,
            reporter=reporter,
        ).sensitivity
    except (Cancelled, DiskFull):
        raise
    except HwcoreError as error:
        reporter.log(f"no mixed plan is proposed: {error.message}", "warning")
        return None


def _finish(
    request: OptimizeRequest, study: Study, trials: Trials, source: Artifact, reporter: Reporter
) -> Outcome:
    choice = choose(study.file.trials, request.max_drop)
    study.update(recommended=choice.recommended, verdict=choice.verdict, out=None)
    picture = study.folder / PICTURE
    draw(study.file, choice.front, picture)
    if not choice.worked:
        raise PluginError(choice.verdict, hint=choice.hint)
    if choice.recommended is None:
        raise ToleranceExceeded(choice.verdict, hint=choice.hint)
    out = request.out
    if out is not None:
        trial = study.file.trial(choice.recommended)
        with reporter.work(f"write {out}"), output_folder(out) as folder:
            write_output(folder, trials.artifact(trial), source, trial.plan)
            study.update(out=str(out.absolute()))
            add_file(folder, study.folder / STUDY)
            add_file(folder, picture)
    return Outcome(study.file, study.folder, out, picture, choice.front)


def _check(request: OptimizeRequest) -> None:
    if not 0 <= request.max_drop < 1:
        raise UserError(
            f"--max-drop is {request.max_drop:g}, expected a share from 0 to below 1",
            hint="0.01 allows a loss of one point: from 0.85 to 0.84, say.",
        )
    if request.rows is not None and request.rows < 2:
        raise UserError(
            f"--rows is {request.rows}, and a bound needs at least 2",
            hint="Leave it out to judge on all held-out rows.",
        )
    if request.out is not None:
        check_output(request.out)


def _trial_id(
    plan: Plan, data: Dataset | None, host: PluginHost, request: OptimizeRequest, threads: int
) -> str:
    versions: dict[str, JsonValue] = {}
    for step in [*plan.work, *((plan.run,) if plan.run else ())]:
        record = host.record(step.plugin)
        versions[step.plugin] = {"version": record.version, **record.library_versions()}
    return sha256_json(
        {
            "plan": plan.model_dump(mode="json", exclude={"summary", "target"}),
            "target": plan.target.fingerprint,
            "versions": versions,
            "data": data.digest if data is not None else None,
            "rows": request.rows,
            "batch_sizes": list(request.batch_sizes),
            "length": request.length,
            "rounds": request.rounds,
            "threads": threads,
            "contract": CONTRACT_VERSION,
        }
    )


def _study_key(study: StudyFile) -> str:
    return sha256_json(
        {
            "source": study.source["digest"],
            "data": study.data["digest"] if study.data else None,
            "target": study.target.fingerprint,
        }
    )


def _about(request: OptimizeRequest) -> str:
    """What a study in the cache is of, for its listing."""
    judged = f"on {request.data.path.absolute()}" if request.data else "without data"
    return f"study of {named(request.model)} {judged}"


def _describe_source(model: str, source: Artifact) -> dict[str, JsonValue]:
    facts = source.manifest.facts
    return {
        "model": model,
        "path": str(source.root),
        "digest": source.digest,
        "task": source.task,
        "size_bytes": source.size_bytes,
        **{key: facts[key] for key in ("model_type", "parameters", "revision") if key in facts},
    }


def _describe_data(data: Dataset | None) -> dict[str, JsonValue] | None:
    if data is None:
        return None
    return {
        "path": str(data.path),
        "digest": data.digest,
        "rows": dict(data.info.rows.items()),
        "metric": data.info.metric.name if data.info.metric else None,
    }
