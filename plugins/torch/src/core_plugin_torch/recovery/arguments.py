"""What transformers' Trainer is told."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from core_plugin_torch.recovery.options import RecoverOptions
from hwcore.contract import Context, Target, UserError

BF16 = ("amx_bf16", "avx512_bf16", "bf16")
"""Instruction sets that multiply bfloat16."""

PASSED = (
    "accelerator_config",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "ddp_backend",
    "deepspeed",
    "fp16",
    "gradient_accumulation_steps",
    "lr_scheduler_kwargs",
    "lr_scheduler_type",
    "max_grad_norm",
    "optim",
    "optim_args",
    "tf32",
    "use_cpu",
    "weight_decay",
)
"""Arguments that the option ``trainer`` may hold: those that recovery does not decide itself."""


def arguments(
    options: RecoverOptions,
    rows: int,
    folder: Path,
    *,
    target: Target,
    judged: bool,
    ctx: Context,
) -> TrainingArguments:
    """Arguments for so many train rows, with ``max_steps`` and ``eval_steps`` worked out.

    Training is on the CPU unless ``use_cpu`` is false: there, equal rows and seeds give equal
    weights. Raises `UserError` for arguments in ``trainer`` that Trainer does not take.
    """
    for name in options.trainer:
        if name not in PASSED:
            raise UserError(
                f"trainer has {name!r}, which recovery does not hand on",
                hint=f"It hands on {', '.join(PASSED)}; the rest are options of the step.",
            )
    keeps = options.checkpoints is not None
    given: dict[str, Any] = {
        "bf16": not options.trainer.get("fp16") and _bfloat16(options, target),
        "use_cpu": True,
        "optim": "adamw_torch_fused",
        **options.trainer,
    }
    try:
        made = TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            warmup_steps=options.warmup,
            seed=ctx.seed,
            data_seed=ctx.seed,
            eval_strategy="steps" if judged else "no",
            save_strategy="steps" if judged or keeps else "no",
            save_total_limit=2,
            save_only_model=not keeps,
            metric_for_best_model="best" if judged else None,
            greater_is_better=True,
            logging_strategy="no",
            logging_nan_inf_filter=False,
            report_to="none",
            disable_tqdm=True,
            log_level="error",
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            **given,
        )
    except (TypeError, ValueError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"transformers' Trainer does not take these arguments: {reason[:160]}",
            hint="Look at trainer and at precision among the step's options.",
        ) from error
    at_once = made.train_batch_size * made.gradient_accumulation_steps * made.world_size
    steps = math.ceil(options.epochs * math.ceil(rows / at_once))
    made.max_steps = steps if options.max_steps is None else min(steps, options.max_steps)
    made.eval_steps = made.save_steps = math.ceil(made.max_steps / options.evaluations)
    return made


def _bfloat16(options: RecoverOptions, target: Target) -> bool:
    if options.precision == "auto":
        return target.has(*BF16)
    return options.precision == "bfloat16"
