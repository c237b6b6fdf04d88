"""A plugin that does everything a plugin should not."""
