"""How much accuracy a compressed model loses on held-out reviews, with the bound that counts."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from bench.compression.classifier import CACHE, SEED, TOKENS, splits
from hwcore.artifacts import Cache
from hwcore.contract import Artifact, Dataset, Target
from hwcore.evaluate import Answers, Quality, answers, judge, load_answers, save_answers
from hwcore.host import PluginHost, discover, local_cpu
from hwcore.pipeline import runner_for
from hwcore.workflows.data import DataRequest, open_data
from hwcore.workflows.source import open_source

BATCH = 32
ROWS = 10_000
"""Of the held-out reviews: enough for a bound half a point above a loss."""


def quality(candidate: Path, reference: Path) -> Quality:
    """Accuracy of both, and the drop with its one-sided 95 % bound.

    Answers are kept by what gave them, so that a second run computes none.
    """
    cache = Cache(CACHE)
    with ExitStack() as held:
        host = held.enter_context(PluginHost(discover()))
        source = open_source(str(reference), cache, held)
        data = open_data(
            DataRequest(
                splits()[1],
                text_column="review",
                label_column="sentiment",
                max_length=TOKENS,
                rows={"test": ROWS},
            ),
            source,
            cache,
            seed=SEED,
        )
        pair = [
            _answers(artifact, data, host)
            for artifact in (open_source(str(candidate), cache, held), source)
        ]
        return judge(*pair, data.info.metric)


def _answers(artifact: Artifact, data: Dataset, host: PluginHost) -> Answers:
    folder = CACHE / "answers"
    folder.mkdir(parents=True, exist_ok=True)
    key = f"{artifact.digest} {data.digest}"
    path = folder / f"{artifact.digest[:16]}-{data.digest[:16]}.npz"
    found = load_answers(path, key)
    if found is not None:
        return found
    target = Target.of(local_cpu())
    step = runner_for(artifact, target, host)
    if step is None:
        raise SystemExit(f"no plugin runs {artifact.root} here")
    with host.run(
        step.plugin, artifact, capability=step.capability, options=step.options, target=target
    ) as model:
        found = answers(model, data, batch_size=BATCH)
    save_answers(path, key, found)
    return found
