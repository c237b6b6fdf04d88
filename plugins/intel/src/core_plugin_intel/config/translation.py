"""What a configuration asks for, in the words of this plugin, and what of it cannot be had."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from core_plugin_intel.config.defaults import Usual, is_usual
from core_plugin_intel.config.section import Section, shown
from core_plugin_intel.options import BY_CAPABILITY
from hwcore.contract import Options

STATIC, DYNAMIC, TUNED, HALF = "int8-static", "int8-dynamic", "int8-tuned", "bf16"
INT8_WEIGHTS = "int8-weights"
FLOAT: Final = frozenset({"fp32", "bf16", "fp16"})

DATA: Final = "rows and metric come from --data"
NO_YAML: Final = f"dropped in 3.0, with YAML files; {DATA}"
OLD_API: Final = "dropped in 3.8, with the API of 2.x"


@dataclass
class Translation:
    """A configuration in the words of this plugin."""

    capability: str = STATIC
    """The row that it asks for."""
    options: Options = field(default_factory=dict)
    """Of that row."""
    sources: dict[str, str] = field(default_factory=dict)
    """The path in the file of each of them that is a value."""
    unused: dict[str, str] = field(default_factory=dict)
    """Each key that is not followed, by its path in the file: why."""

    def has(self, option: str) -> bool:
        """Whether the row has an option."""
        return option in BY_CAPABILITY[self.capability].model_fields

    def take(self, option: str, value: Any, key: str) -> None:
        """Follow a key. Its value is checked with the options."""
        self.options[option] = value
        self.sources[option] = key

    def leave(self, key: str, why: str) -> None:
        """Note a key that is not followed."""
        self.unused[key] = why

    def rest(
        self, section: Section, known: Collection[str], usual: Usual, why: str = OLD_API
    ) -> None:
        """Note every key that has no place of its own, and asks for something."""
        for key, value in section.node.items():
            if key not in known and not is_usual(key, value, usual):
                self.leave(section.where(key), why)

    def set_apart(self, name: str, kinds: Collection[str], key: str) -> None:
        """Leave layers in floating point: in bfloat16 if asked and the row can, else in float32."""
        half = "bf16" in kinds and self.has("bf16_layers")
        layers = self.options.setdefault("bf16_layers" if half else "float_layers", [])
        assert isinstance(layers, list)  # noqa: S101 - it was made here
        layers.append(name)
        taken = "bf16" if half else "fp32"
        others = sorted(shown(kind) for kind in kinds if kind != taken)
        if others:
            self.leave(key, f"{' and '.join(others)} is taken as {taken}")

    def smooth(self, settings: Section) -> None:
        """Smooth with the ``alpha`` of the settings; what is no number is taken as 0.5."""
        alpha, key = settings.value("alpha"), settings.where("alpha")
        if isinstance(alpha, int | float) and not isinstance(alpha, bool):
            self.take("smooth_alpha", alpha, key)
            return
        self.take("smooth_alpha", 0.5, key)
        if alpha is not None:
            self.leave(key, f"{shown(alpha)} is taken as 0.5")
