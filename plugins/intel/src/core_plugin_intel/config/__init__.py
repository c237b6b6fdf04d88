"""Neural Compressor's own configuration files, translated into this plugin's options."""

from core_plugin_intel.config.resolve import resolve
from core_plugin_intel.config.translation import Translation, translate

__all__ = ["Translation", "resolve", "translate"]
