"""What keys mean where they are left out, in Neural Compressor: so written they ask for nothing.

Values that this plugin has in any case stand here, too.
"""

from __future__ import annotations

from typing import Any, Final

Usual = dict[str, tuple[Any, ...]]

VERSION_2: Final[Usual] = {
    # The attributes of PostTrainingQuantConfig, and of sections in version 1.
    "backend": ("default",),
    "device": ("cpu",),
    "diagnosis": (False,),
    "domain": ("auto",),
    "ni_workload_name": ("quantization",),
    "optimization_level": (1,),
    "quant_format": ("default",),
    "quant_level": ("auto",),
    "use_bf16": (False,),
    # Recipes.
    "add_qdq_pair_to_weight": (False,),
    "dedicated_qdq_pair": (False,),
    "fast_bias_correction": (False,),
    "first_conv_or_matmul_quantization": (True,),
    "gemm_to_matmul": (True,),
    "last_conv_or_matmul_quantization": (True,),
    "layer_wise_quant": (False,),
    "pre_post_process_quantization": (True,),
    "scale_propagation_concat": (True,),
    "scale_propagation_max_pooling": (True,),
    "weight_correction": (False,),
    # Arguments of recipes.
    "block_size": (128,),
    "enable_auto_scale": (True,),
    "enable_full_range": (False,),
    "enable_mse_search": (True,),
    "folding": (False,),
    "percdamp": (0.01,),
    "static_groups": (False,),
    "true_sequential": (False,),
    # Tuning.
    "higher_is_better": (True,),
    "objective": ("performance",),
    "random_seed": (1978,),
    "tensorboard": (False,),
    # optimum-intel.
    "save_onnx_model": (False,),
}

VERSION_3: Final[Usual] = {
    "act_algo": ("minmax", "kl"),  # of dynamic quantization, where it changes nothing
    "act_granularity": ("per_tensor",),
    "act_sym": (False,),
    "w_algo": ("minmax",),
    "w_dtype": ("int8",),
    "w_sym": (True,),
    # SmoothQuant.
    "alpha_max": (1.0,),
    "alpha_min": (0.0,),
    "alpha_step": (0.1,),
    "do_blockwise": (False,),
    "folding": (False,),
    "init_alpha": (0.5,),
    "scale_sharing": (False,),
    "shared_criterion": ("max",),
    # Weights alone.
    "act_order": (False,),
    "block_size": (2048,),
    "double_quant_bits": (8,),
    "double_quant_dtype": ("int",),
    "double_quant_group_size": (256,),
    "double_quant_use_sym": (True, False),
    "dtype": ("int", "int4"),
    "fp8_aware": (False,),
    "group_dim": (1,),
    "hybrid_order": (False,),
    "percdamp": (0.01,),
    "quant_lm_head": (False,),
    "quant_scale": (False,),
    "quant_zero": (True,),
    "scale_quant_group_size": (128,),
    "static_groups": (False,),
    "true_sequential": (False,),
    "use_auto_clip": (True,),
    "use_auto_scale": (True,),
    "use_block_wise": (False,),
    "use_double_quant": (False,),
    "use_full_range": (False,),
    "use_layer_wise": (True, False),
    "use_mse_search": (False,),
    # AutoRound.
    "amp": (True,),
    "auto_scheme_method": ("default",),
    "batch_size": (8,),
    "device_map": (0,),
    "dynamic_max_gap": (-1,),
    "enable_adam": (False,),
    "enable_full_range": (False,),
    "enable_minmax_tuning": (True,),
    "enable_norm_bias_tuning": (False,),
    "enable_quanted_input": (True,),
    "enable_torch_compile": (False,),
    "export_format": ("auto_round",),
    "gradient_accumulate_steps": (1,),
    "ignore_scale_zp_bits": (False,),
    "iters": (200,),
    "low_gpu_mem_usage": (False,),
    "nblocks": (1,),
    "not_use_best_mse": (False,),
    "nsamples": (128,),
    "options": (["MXFP4", "MXFP8"],),
    "output_dir": ("./tmp_auto_round",),
    "quant_nontext_module": (False,),
    "sampler": ("rand",),
    "scale_dtype": ("fp16",),
    "scheme": ("W4A16",),
    "seed": (42,),
    "seqlen": (2048,),
    "truncation": (False,),
}


def is_usual(key: str, value: Any, usual: Usual) -> bool:
    """Whether a key with this value asks for nothing: null, nothing in it, or the default."""
    if value is None or value in ("", [], {}):
        return True
    return any(_same(value, default) for default in usual.get(key, ()))


def _same(value: Any, default: Any) -> bool:
    # To Python, False is 0.
    return isinstance(value, bool) == isinstance(default, bool) and value == default
