"""The worker door: a plugin in a process of its own, which cannot outlive or take down this one."""
