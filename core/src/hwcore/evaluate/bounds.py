"""One-sided upper bounds of a drop in accuracy, from paired rows.

A point estimate says what happened on these rows; what a user needs to know is how bad it may
be on the next ones. Everything here is pure arithmetic over counts and arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from hwcore.contract import Array

CONFIDENCE = 0.95
RESAMPLES = 2000
MIN_ROWS = 5
"""With fewer rows the bound of a mean is not computed: the expansion used is too far off."""


def paired_bound(lost: int, gained: int, rows: int, *, confidence: float = CONFIDENCE) -> float:
    """Upper bound of the drop in a proportion, ``(lost - gained) / rows`` being its estimate.

    ``lost`` rows were right in the reference and are wrong now, ``gained`` the other way round.
    The score interval of T. Tango, "Equivalence test and confidence interval for the difference
    in proportions for the paired-sample design", Statistics in Medicine 17 (1998), section 3:
    unlike the normal approximation it stays honest when few or no rows changed.
    """
    if rows <= 0:
        return 1.0
    z = NormalDist().inv_cdf(confidence)

    def score(delta: float) -> float:
        """Tango's statistic at ``delta``; falls as delta grows."""
        a = 2 * rows
        b = -lost - gained + (2 * rows - lost + gained) * delta
        c = -gained * delta * (1 - delta)
        # q: the constrained maximum-likelihood estimate of the smaller discordant proportion.
        q = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = rows * (2 * q + delta * (1 - delta))
        return (lost - gained - rows * delta) / math.sqrt(max(variance, 1e-300))

    return _falling_root(lambda delta: score(delta) + z, (lost - gained) / rows, 1.0)


def _falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero between ``low`` and ``high``, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        if function(middle) > 0:
            low = middle
        else:
            high = middle
    return high


def rows_needed(max_drop: float, *, confidence: float = CONFIDENCE) -> int:
    """Rows with which a model that changes nothing passes ``max_drop``: the least that can."""
    if max_drop <= 0:
        raise ValueError("no number of rows proves a drop of zero")
    z = NormalDist().inv_cdf(confidence)
    return max(1, math.ceil(z * z * (1 - max_drop) / max_drop))


def mean_bound(drops: Array, *, confidence: float = CONFIDENCE) -> float:
    """Upper bound of the mean of per-row drops, float ``[rows]``, by Student's t.

    The quantile is the expansion of Abramowitz and Stegun, Handbook of Mathematical Functions,
    26.7.5, good to 1 % from five rows on. Fewer rows have no bound: gives infinity.
    """
    rows = len(drops)
    if rows < MIN_ROWS:
        return math.inf
    z = NormalDist().inv_cdf(confidence)
    nu = rows - 1
    t = z + (z**3 + z) / (4 * nu) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * nu**2)
    return float(np.mean(drops) + t * np.std(drops, ddof=1) / math.sqrt(rows))


def resampled_bound(
    drop: Callable[[Array], float],
    rows: int,
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> float:
    """Upper bound of a drop that is no mean over rows (F1, say), by the paired bootstrap.

    ``drop(index)`` computes it over the rows of ``index``, int64 ``[rows]``. The percentile
    method of B. Efron, "Bootstrap methods: another look at the jackknife", Annals of
    Statistics 7 (1979), never below the bound that so many unchanged rows have.
    """
    random = np.random.default_rng(seed)
    drops = [drop(random.integers(0, rows, rows)) for _ in range(RESAMPLES)]
    return max(float(np.quantile(drops, confidence)), paired_bound(0, 0, rows))
