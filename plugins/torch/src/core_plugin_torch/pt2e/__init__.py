"""Post-training quantization to int8 with torchao's PT2E, for Inductor's kernels on x86."""
