"""OpenVINO and NNCF for hwcore: export to IR, int8 post-training quantization, compile, run."""
