"""The ``ctx`` a hook is handed, in whatever process the plugin lives in."""

from __future__ import annotations

import threading

from hwcore.contract import Artifact, Dataset, Predict, UserError
from hwcore.contract.context import Level
from hwcore.host.cancel import CancelToken
from hwcore.host.events import Sink


class HookContext:
    """`hwcore.contract.Context` of one call. Safe to use from several threads.

    ``dataset`` and ``source`` are the step's: what `score` reads, and whose signature its
    batches are made for.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        seed: int = 0,
        threads: int = 1,
        dataset: Dataset | None = None,
        source: Artifact | None = None,
        token: CancelToken | None = None,
    ) -> None:
        self.sink = sink
        self.token = CancelToken() if token is None else token
        self._seed = seed
        self._threads = threads
        self._dataset = dataset
        self._source = source
        self._lock = threading.Lock()
        self._fraction = -1.0

    @property
    def seed(self) -> int:
        """Seed of every random choice of this step."""
        return self._seed

    @property
    def threads(self) -> int:
        """Threads this step may use."""
        return self._threads

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far the step is; what does not grow, or is no number, is ignored."""
        fraction = min(max(float(fraction), 0.0), 1.0)
        with self._lock:
            if not fraction > self._fraction:
                return
            self._fraction = fraction
        self.sink.progress(fraction, message)

    def cancelled(self) -> bool:
        """True once the step should stop."""
        return self.token.is_set()

    def log(self, message: str, level: Level = "info") -> None:
        """A line for the user's log."""
        self.sink.log(message, level)

    def score(self, predict: Predict) -> float:
        """The user's metric of ``predict`` over the dataset's ``tune`` role; higher is better."""
        if self._dataset is None:
            raise UserError(
                "this step scores a model and was given no dataset",
                hint="Give the step data with labelled rows of the role tune.",
            )
        from hwcore.data.metrics import score  # numpy, which most steps' parents do without

        # What is scored takes what the source took: the same inputs, dtypes and sizes.
        component = self._source.manifest.components.get("model") if self._source else None
        signature = component.signature if component else None
        return score(self._dataset, predict, signature=signature)
