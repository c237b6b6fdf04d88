from __future__ import annotations

import os
from pathlib import Path

import pytest

from hwcore.host import Limits, available_cores, local_cpu
from hwcore.host.cgroup import cpu_quota, memory_limit
from hwcore.host.cpu import parse_cpuinfo, parse_sysctl

# Lines of /proc/cpuinfo as recorded, flags shortened to those of interest and a few beside.
EPYC_9B45 = """\
processor	: 0
vendor_id	: AuthenticAMD
model name	: AMD EPYC 9B45
flags		: fpu sse2 avx avx2 fma avx512f avx512dq avx512_bf16 avx_vnni avx512_vnni avx512_bitalg

processor	: 1
vendor_id	: AuthenticAMD
model name	: AMD EPYC 9B45
flags		: fpu sse2 avx avx2 fma avx512f avx512dq avx512_bf16 avx_vnni avx512_vnni avx512_bitalg
"""
SAPPHIRE_RAPIDS = """\
processor	: 0
vendor_id	: GenuineIntel
model name	: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags		: avx avx2 avx512f avx512_vnni avx_vnni avx512_bf16 avx512_fp16 amx_bf16 amx_int8
"""
HASWELL = """\
processor	: 0
vendor_id	: GenuineIntel
model name	: Intel(R) Xeon(R) CPU E5-2673 v3 @ 2.40GHz
flags		: sse4_2 avx f16c rdrand avx2 bmi2
"""
GRAVITON_3 = """\
processor	: 0
BogoMIPS	: 2100.00
Features	: fp asimd evtstrm aes sha2 crc32 asimdhp asimddp sve asimdfhm bf16 i8mm svebf16 svei8mm
CPU implementer	: 0x41
CPU architecture: 8
CPU part	: 0xd40
"""
BIG_LITTLE = """\
processor	: 0
Features	: fp asimd aes
CPU implementer	: 0x41

processor	: 4
Features	: fp asimd aes asimddp
CPU implementer	: 0x41
"""
M2 = """\
machdep.cpu.brand_string: Apple M2
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_I8MM: 1
hw.optional.arm.FEAT_BF16: 1
"""
INTEL_MAC = """\
machdep.cpu.brand_string: Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz
hw.optional.avx2_0: 1
hw.optional.avx512f: 0
"""


@pytest.mark.parametrize(
    ("text", "name", "vendor", "features"),
    [
        (
            EPYC_9B45,
            "AMD EPYC 9B45",
            "AMD",
            ("avx2", "avx512_bf16", "avx512_vnni", "avx512f", "avx_vnni", "vnni"),
        ),
        (
            SAPPHIRE_RAPIDS,
            "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
            "Intel",
            (
                "amx_bf16",
                "amx_int8",
                "avx2",
                "avx512_bf16",
                "avx512_fp16",
                "avx512_vnni",
                "avx512f",
                "avx_vnni",
                "vnni",
            ),
        ),
        (HASWELL, "Intel(R) Xeon(R) CPU E5-2673 v3 @ 2.40GHz", "Intel", ("avx2",)),
        (GRAVITON_3, "", "Arm", ("bf16", "dotprod", "i8mm", "sve", "vnni")),
        (BIG_LITTLE, "", "Arm", ()),
        ("", "", "", ()),
    ],
)
def test_cpuinfo(text: str, name: str, vendor: str, features: tuple[str, ...]) -> None:
    assert parse_cpuinfo(text) == (name, vendor, features)


def test_sysctl() -> None:
    assert parse_sysctl(M2) == ("Apple M2", "Apple", ("bf16", "dotprod", "i8mm", "vnni"))
    assert parse_sysctl(INTEL_MAC)[1:] == ("Intel", ("avx2",))


def test_the_local_cpu_is_what_this_process_may_use() -> None:
    device = local_cpu()
    assert (device.id, device.kind) == ("cpu", "cpu")
    assert device.name
    assert 1 <= device.cores <= (os.cpu_count() or 1)
    assert device.memory_bytes > 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity_bounds_the_cores() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available_cores() == 1
        assert local_cpu().cores == 1
        assert Limits().thread_count == 1
    finally:
        os.sched_setaffinity(0, before)


def test_version_2_groups_bound_by_the_tightest_above(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/system.slice/job\n")
    write(tmp_path, "sys/fs/cgroup/system.slice/job/cpu.max", "max 100000\n")
    write(tmp_path, "sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n")
    write(tmp_path, "sys/fs/cgroup/system.slice/job/memory.max", "1073741824\n")
    write(tmp_path, "sys/fs/cgroup/system.slice/memory.max", "max\n")
    assert cpu_quota(tmp_path) == 1.5
    assert memory_limit(tmp_path) == 1 << 30


def test_version_1_groups(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n1:name=s:/\n")
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n")
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    write(tmp_path, "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "2147483648\n")
    write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert cpu_quota(tmp_path) == 0.5
    assert memory_limit(tmp_path) == 2 << 30


def test_without_groups_nothing_is_bounded(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert memory_limit(tmp_path) is None
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "max 100000\n")
    assert cpu_quota(tmp_path) is None


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
