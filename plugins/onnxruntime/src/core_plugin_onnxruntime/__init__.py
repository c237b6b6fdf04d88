"""ONNX Runtime for hwcore: export to ONNX, dynamic int8, graph fusion, run."""
