"""A plugin's runner in the process it lives in, its answers checked. Both doors use it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from hwcore.contract import Array, Arrays, HwcoreError, PluginError, Runner, Signature
from hwcore.data.dtypes import numpy_dtype
from hwcore.host.faults import blame, blamed_on, complete
from hwcore.host.rss import peak_rss


class HostedModel:
    """A `hwcore.host.door.ModelHandle` without a door."""

    def __init__(self, runner: object, plugin: str, version: str, load_seconds: float) -> None:
        """Raises `PluginError` when ``runner`` is not one."""
        if not isinstance(runner, Runner):
            kind = "nothing" if runner is None else type(runner).__name__
            raise PluginError(
                f"it returned {kind} and not a runner",
                hint="A runner has signature, __call__ and close.",
            )
        signature = runner.signature
        if not isinstance(signature, Signature):
            raise PluginError(f"its runner's signature is {type(signature).__name__}")
        self.signature = signature
        self.load_seconds = load_seconds
        self._runner = runner
        self._plugin = plugin
        self._version = version
        self._names = tuple(spec.name for spec in signature.outputs)
        self._declared = {
            spec.name: (numpy_dtype(spec.dtype), len(spec.shape)) for spec in signature.outputs
        }
        self._closed = False

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        try:
            result = self._runner(inputs, outputs)
        except HwcoreError as error:
            if isinstance(error, PluginError):
                complete(error, self._plugin, self._version, "run")
            raise
        except (Exception, SystemExit) as error:
            raise blame(error, self._plugin, self._version, "run") from error
        wanted = self._names if outputs is None else outputs
        if type(result) is not dict or len(result) != len(wanted):
            self._refuse(result, wanted)
        for name in wanted:
            array = result.get(name)
            if not isinstance(array, np.ndarray):
                self._refuse(result, wanted)
            declared = self._declared.get(name)  # None: a name that only the runner knows
            if declared is not None and declared != (array.dtype, array.ndim):
                self._refuse_array(name, array)
        return result

    def time_calls(self, inputs: Sequence[Arrays], calls: int) -> list[int]:
        """Nanoseconds of each call; only the runner is on the clock."""
        runner, clock, count = self._runner, time.perf_counter_ns, len(inputs)
        nanoseconds = [0] * calls
        with blamed_on(self._plugin, self._version, "run"):
            for i in range(calls):
                arrays = inputs[i % count]
                start = clock()
                runner(arrays)
                nanoseconds[i] = clock() - start
        return nanoseconds

    def peak_rss(self) -> int:
        """Most bytes that were ever resident in this process."""
        return peak_rss()

    def cancel(self) -> None:
        """Nothing to do: a call that runs on the caller's thread ends when the plugin ends it."""

    def close(self) -> None:
        """Close the runner. Doing so again does nothing."""
        if self._closed:
            return
        self._closed = True
        with blamed_on(self._plugin, self._version, "run"):
            self._runner.close()

    def fault(self, message: str) -> PluginError:
        """An error of the plugin's runner."""
        return PluginError(message, plugin=self._plugin, version=self._version, hook="run")

    def _refuse_array(self, name: str, array: Array) -> NoReturn:
        dtype, rank = self._declared[name]
        raise self.fault(
            f"its runner returned {name!r} as {array.dtype} of {array.ndim} dimensions, declared "
            f"as {dtype} of {rank}"
        )

    def _refuse(self, result: object, wanted: Sequence[str]) -> NoReturn:
        if isinstance(result, dict):
            got = ", ".join(f"{name} ({type(value).__name__})" for name, value in result.items())
        else:
            got = type(result).__name__
        expected = ", ".join(wanted)
        raise self.fault(f"its runner returned {got or 'nothing'}, expected arrays {expected}")
