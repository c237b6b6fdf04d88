"""Time, throughput and memory of candidates, each in its own process, in interleaved rounds."""

from hwcore.measure.interleaved import Measured, Ratio, Timing, measure
from hwcore.measure.workload import Workload, check_length, workloads

__all__ = ["Measured", "Ratio", "Timing", "Workload", "check_length", "measure", "workloads"]
