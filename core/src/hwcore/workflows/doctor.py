"""What this machine has for running models, what is installed, and what would help."""

from __future__ import annotations

import platform

from hwcore._version import __version__
from hwcore.contract import CONTRACT_VERSION, Device, Target, Value
from hwcore.host import PluginHost, missing_requirements

EXPLAINED = {
    "x86_64": {
        "avx2": "256-bit vectors: the least that every engine's fast kernels want",
        "avx512f": "512-bit vectors: fp32 up to twice as fast as AVX2",
        "avx512_vnni": "int8 dot products on 512-bit vectors: what makes int8 pay",
        "avx_vnni": "int8 dot products on 256-bit vectors",
        "avx512_bf16": "bfloat16 dot products: bf16 up to twice as fast as fp32",
        "amx_int8": "int8 matrix tiles: int8 several times as fast as VNNI",
        "amx_bf16": "bfloat16 matrix tiles: bf16 several times as fast as fp32",
    },
    "aarch64": {
        "dotprod": "int8 dot products: what makes int8 pay",
        "i8mm": "int8 matrix multiplication: int8 up to twice as fast again",
        "bf16": "bfloat16 dot products",
        "sve": "scalable vectors",
    },
}
"""Instruction sets by machine, with what each is good for."""


class Feature(Value):
    """One instruction set, here or not."""

    name: str
    here: bool
    meaning: str


class PluginHealth(Value):
    """One installed plugin."""

    name: str
    distribution: str
    version: str
    state: str
    reason: str
    libraries: dict[str, str]
    missing: dict[str, tuple[str, ...]]
    """Requirements that are not installed, by extra of the plugin's wheel."""


class DoctorReport(Value):
    """Everything ``hwcore doctor`` tells."""

    hwcore: str
    contract: str
    python: str
    system: str
    devices: tuple[Device, ...]
    features: tuple[Feature, ...]
    plugins: tuple[PluginHealth, ...]
    advice: tuple[str, ...]


def examine(host: PluginHost) -> DoctorReport:
    """Look at the machine and the plugins. Loads the code of plugins that find devices."""
    devices = tuple(host.devices())
    cpu = devices[0]
    known = EXPLAINED.get("aarch64" if "arm" in platform.machine().lower() else platform.machine())
    features = tuple(
        Feature(name=name, here=name in cpu.features, meaning=meaning)
        for name, meaning in (known or EXPLAINED.get("x86_64", {})).items()
    )
    plugins = tuple(
        PluginHealth(
            name=record.name,
            distribution=record.distribution,
            version=record.version,
            state=record.state,
            reason=record.reason,
            libraries=record.library_versions(),
            missing={
                extra: tuple(needs)
                for extra in sorted({row.extra for row in record.capabilities if row.extra})
                if (needs := missing_requirements(record, extra))
            },
        )
        for record in host.records
    )
    return DoctorReport(
        hwcore=__version__,
        contract=CONTRACT_VERSION,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        devices=devices,
        features=features,
        plugins=plugins,
        advice=tuple(_advice(host, Target.of(cpu), plugins)),
    )


def _advice(host: PluginHost, cpu: Target, plugins: tuple[PluginHealth, ...]) -> list[str]:
    advice = []
    if not any(plugin.state in ("found", "loaded") for plugin in plugins):
        advice.append(
            "No plugin can be used, so nothing can be tried: pip install core-plugin-torch "
            '"core-plugin-onnxruntime[build]" "core-plugin-openvino[build]".'
        )
    for plugin in plugins:
        if plugin.state not in ("found", "loaded"):
            advice.append(f"{plugin.name} is {plugin.state}: {plugin.reason}")
        for extra, needs in plugin.missing.items():
            advice.append(
                f"{plugin.name} cannot do all it could without {', '.join(needs)}: "
                f'pip install "{plugin.distribution}[{extra}]".'
            )
    seen = set()
    for record in host.records:
        if not record.usable:
            continue
        for row in record.capabilities:
            for caveat in row.caveats:
                if caveat.lacks and caveat.applies(cpu) and caveat.text not in seen:
                    seen.add(caveat.text)
                    advice.append(f"{record.name}: {caveat.text}")
    if cpu.cores == 1:
        advice.append("One core only: throughput will not gain from more threads.")
    return advice
