"""The oracle: runs a step's result beside what it was made from, and says whether it may pass."""

from __future__ import annotations

from hwcore.contract import Artifact, Capability, PlannedStep, PluginError, Target
from hwcore.host import LoadedModel, PluginHost
from hwcore.pipeline.checks import Check, check_lossless, check_lossy, check_signature
from hwcore.pipeline.planning import runner_for


class Oracle:
    """Checks the results of steps for one target. Keeps the reference model loaded once it is."""

    def __init__(self, host: PluginHost, *, reference: Artifact, target: Target) -> None:
        self._host = host
        self._reference = reference
        self._target = target
        self._reference_runner: LoadedModel | None = None

    def close(self) -> None:
        """Free the reference model."""
        if self._reference_runner is not None:
            self._reference_runner.close()
            self._reference_runner = None

    def check(
        self, row: Capability, artifact: Artifact, source: Artifact, *, prefer: tuple[str, ...]
    ) -> Check:
        """Check what the capability made of ``source``, with runners of ``prefer`` where they do.

        Raises `ToleranceExceeded` and `PluginError` where the result breaks the promise.
        """
        check_signature(artifact, source)
        child = self._load(artifact, prefer)
        if child is None:
            return Check(
                status="unchecked",
                detail=f"no installed plugin can run {artifact.format} losslessly here",
            )
        with child:
            if not row.lossless:
                return check_lossy(child, artifact, source)
            return self._compare(child, artifact, source, prefer)

    def _compare(
        self, child: LoadedModel, artifact: Artifact, source: Artifact, prefer: tuple[str, ...]
    ) -> Check:
        parent = self._parent(source, prefer)
        if parent is None:
            return Check(
                status="unchecked",
                detail=f"no installed plugin can run {source.format} to compare with",
            )
        try:
            return check_lossless(child, parent, artifact, source)
        except PluginError:
            self.close()  # the reference's process may be the one that died; the next plan needs it
            raise
        finally:
            if parent is not self._reference_runner:
                parent.close()

    def _parent(self, source: Artifact, prefer: tuple[str, ...]) -> LoadedModel | None:
        if source.digest != self._reference.digest:
            return self._load(source, prefer)
        if self._reference_runner is None:
            self._reference_runner = self._load(source, prefer)
        return self._reference_runner

    def _load(self, artifact: Artifact, prefer: tuple[str, ...]) -> LoadedModel | None:
        step: PlannedStep | None = runner_for(artifact, self._target, self._host, prefer=prefer)
        if step is None:
            return None
        return self._host.run(
            step.plugin,
            artifact,
            capability=step.capability,
            options=step.options,
            target=self._target,
        )
