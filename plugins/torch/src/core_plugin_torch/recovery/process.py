"""A training changes what the whole process shares; afterwards it is as it was."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from hwcore.contract import Context
from hwcore.transformers.libraries import quiet_transformers
from hwcore.vendor import quiet


@contextmanager
def contained(ctx: Context) -> Iterator[None]:
    """Seeds, threads, environment and log levels, as the step wants them and then as they were.

    Trainer seeds the generators of Python, numpy and torch, and accelerate writes what it was
    told into the environment, where the next training would find it.
    """
    environment, threads = dict(os.environ), torch.get_num_threads()
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    torch.set_num_threads(ctx.threads)
    try:
        with quiet("accelerate", "torch"), quiet_transformers():
            yield
    finally:
        torch.set_num_threads(threads)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
