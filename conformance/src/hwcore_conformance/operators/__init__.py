"""The operator profile: which operators of ONNX a plugin computes, by ONNX's own test cases.

Every node test of the installed ``onnx`` package becomes an artifact of the format ``onnx``, goes
through the plugin's hooks, and what comes out is held against what the test expects. It is a
profile and no verdict: no clause of the contract asks for an operator.
"""
