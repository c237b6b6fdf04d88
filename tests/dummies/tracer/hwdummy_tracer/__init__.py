"""A third party's hook wrapper: it has no capability, and runs around other plugins' hooks."""

from __future__ import annotations

import os
import time

from hwcore.contract import hookimpl

TRACE: list[tuple[str, str, int]] = []
"""Hook, capability and process of every call."""


@hookimpl(wrapper=True)
def export(capability):
    if os.environ.get("HWDUMMY_TRACER") == "fail":
        raise OSError("the trace file is full")
    start = time.perf_counter()
    draft = yield
    TRACE.append(("export", capability, os.getpid()))
    return draft.model_copy(
        update={"facts": {**draft.facts, "traced": time.perf_counter() > start}}
    )


@hookimpl(wrapper=True)
def run(capability):
    runner = yield
    TRACE.append(("run", capability, os.getpid()))
    if os.environ.get("HWDUMMY_TRACER") == "replace":
        return TracedRunner(runner)
    if os.environ.get("HWDUMMY_TRACER") == "fail-after":
        raise OSError("the trace file is full")
    return runner


class TracedRunner:
    def __init__(self, runner):
        self.runner = runner
        self.signature = runner.signature

    def __call__(self, inputs, outputs=None):
        TRACE.append(("call", "", os.getpid()))
        return self.runner(inputs, outputs)

    def close(self):
        TRACE.append(("close", "", os.getpid()))
