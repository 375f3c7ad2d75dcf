"""Public tests of batch normalization over all ranks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.optimizers.normalizing import expect_sync_batch_norm

Answer = Callable[..., Any]


def _column(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float64)[:, None]


def normalizes_shards_that_differ_only_from_each_other(sync_batch_norm: Answer) -> None:
    """Two ranks whose own rows do not vary."""
    expect_sync_batch_norm(
        sync_batch_norm,
        [_column(0.0, 0.0), _column(10.0, 10.0)],
        1e-5,
        "Within each rank nothing varies, and yet the variance is 25: rows are spread around the "
        "mean of all, and not around their rank's own. It divides by the count, not by one less.",
    )


def normalizes_two_shards(sync_batch_norm: Answer) -> None:
    """Two ranks, with one row and with three."""
    expect_sync_batch_norm(
        sync_batch_norm,
        [_column(9.0), _column(1.0, 2.0, 4.0)],
        1e-5,
        "The mean of all four rows is 4. It is neither the mean of the two ranks' means, 5.67, nor "
        "each rank's own: a shard counts by its rows.",
    )


def a_rank_without_rows_takes_part(sync_batch_norm: Answer) -> None:
    """Three ranks, one of which has no row."""
    expect_sync_batch_norm(
        sync_batch_norm,
        [np.array([[1.0, 2.0], [3.0, 8.0]]), np.empty((0, 2)), np.array([[5.0, 2.0]])],
        1e-5,
        "No rows have no mean: 0 / 0 is NaN, and one NaN in a sum is everybody's. Send sums, and "
        "divide by the count of all.",
    )


def normalizes_numbers_around_a_million(sync_batch_norm: Answer) -> None:
    """Two ranks, a mean of a million and a variance near 1."""
    rng = np.random.default_rng(4)
    shards = [1e6 + rng.normal(size=(n, 2)) for n in (5, 8)]
    expect_sync_batch_norm(
        sync_batch_norm,
        shards,
        1e-5,
        "A square of a million leaves 4 of 16 digits behind the point, and the mean of squares "
        "less the square of the mean has no others. Find the mean first, and square what is left "
        "without it.",
    )


def few_short_messages(sync_batch_norm: Answer) -> None:
    """Six ranks, 20 rows of three features each: messages, their length."""
    rng = np.random.default_rng(5)
    expect_sync_batch_norm(sync_batch_norm, [rng.normal(size=(20, 3)) for _ in range(6)], 1e-5)
