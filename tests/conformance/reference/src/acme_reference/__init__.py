"""Every hook of hwcore on a small numpy engine and a simulated device."""
