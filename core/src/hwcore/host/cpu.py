"""This machine's CPU as a device, told from text files: nothing is loaded or run for it."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

from hwcore.contract import Device
from hwcore.host.cgroup import cpu_quota, memory_limit

_FLAGS = {
    # x86, as /proc/cpuinfo spells them.
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "avx512_fp16": "avx512_fp16",
    "avx_vnni": "avx_vnni",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
    # Arm: the kernel's hwcap names.
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "sve": "sve",
    "bf16": "bf16",
}
"""The kernel's name of each flag that decides what a model gains, and ours."""

_MACOS_SWITCHES = {
    "hw.optional.avx2_0": "avx2",
    "hw.optional.avx512f": "avx512f",
    "hw.optional.arm.FEAT_DotProd": "dotprod",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
}

_INT8_DOT = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "dotprod", "i8mm"})
"""Any of these multiplies int8 pairs and adds them up in 32 bits without saturating between."""

_VENDORS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD", "0x41": "Arm", "0x61": "Apple"}


def with_umbrella(features: set[str]) -> tuple[str, ...]:
    """Features, sorted, with ``vnni`` added where any instruction set does int8 dot products."""
    umbrella = {"vnni"} if features & _INT8_DOT else set()
    return tuple(sorted(features | umbrella))


def parse_cpuinfo(text: str) -> tuple[str, str, tuple[str, ...]]:
    """Name, vendor and features from the text of ``/proc/cpuinfo``; what is not told is empty.

    On a machine with unlike cores a feature counts only when every core has it.
    """
    fields: dict[str, str] = {}
    common: set[str] | None = None
    for line in text.splitlines():
        key, _, value = line.partition(":")
        key, value = key.strip(), value.strip()
        fields.setdefault(key, value)
        if key in ("flags", "Features"):
            flags = set(value.split())
            common = flags if common is None else common & flags
    code = fields.get("vendor_id") or fields.get("CPU implementer", "")
    known = {ours for flag, ours in _FLAGS.items() if flag in (common or ())}
    return fields.get("model name", ""), _VENDORS.get(code, code), with_umbrella(known)


def parse_sysctl(text: str) -> tuple[str, str, tuple[str, ...]]:
    """Name, vendor and features from the output of macOS's ``sysctl``; as `parse_cpuinfo`."""
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    name = fields.get("machdep.cpu.brand_string", "")
    vendor = "Apple" if name.startswith("Apple") else "Intel" if "Intel" in name else ""
    known = {ours for switch, ours in _MACOS_SWITCHES.items() if fields.get(switch) == "1"}
    return name, vendor, with_umbrella(known)


def available_cores() -> int:
    """Cores this process may use: its affinity, or less where a cgroup's quota says so."""
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def memory_bytes() -> int:
    """Memory this process may use: the machine's, or less where a cgroup says so."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = memory_limit()
    return physical if limit is None else min(physical, limit)


@cache
def _description() -> tuple[str, str, tuple[str, ...]]:
    """Name, vendor, features: what does not change while this process lives."""
    if sys.platform == "darwin":
        names = ["machdep.cpu.brand_string", *_MACOS_SWITCHES]
        # A name this machine does not know is left out of the output, with a non-zero status.
        done = subprocess.run(
            ["/usr/sbin/sysctl", *names], capture_output=True, text=True, check=False
        )
        return parse_sysctl(done.stdout)
    cpuinfo = Path("/proc/cpuinfo")
    return parse_cpuinfo(cpuinfo.read_text()) if cpuinfo.exists() else ("", "", ())


def local_cpu() -> Device:
    """The CPU this process runs on, as far as this process may use it. Takes about 1 ms."""
    name, vendor, features = _description()
    return Device(
        id="cpu",
        kind="cpu",
        name=name or platform.processor() or platform.machine(),
        vendor=vendor,
        features=features,
        memory_bytes=memory_bytes(),
        cores=available_cores(),
    )
