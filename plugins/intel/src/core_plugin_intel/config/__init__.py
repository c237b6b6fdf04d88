"""Neural Compressor's own configuration files, translated into this plugin's options."""

from core_plugin_intel.config.resolve import merged, resolve
from core_plugin_intel.config.translation import Translation
from core_plugin_intel.config.versions import translate

__all__ = ["Translation", "merged", "resolve", "translate"]
