"""What shards know together: counts, means and variances of all rows, from those of each shard."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal

Answer = Callable[..., Any]
Summary = tuple[int, float, float]
"""Count, mean and variance; those of no rows are (0, 0.0, 0.0)."""


def summary_of(targets: np.ndarray) -> Summary:
    """Return what a shard tells of its targets."""
    if not len(targets):
        return 0, 0.0, 0.0
    return len(targets), float(targets.mean()), float(targets.var())


def own_shards(rng: np.random.Generator) -> list[np.ndarray]:
    """Draw a student's own shards, as the notebook's cell does: 8 rows, so paper is enough."""
    return [rng.integers(10, 40, int(size)) for size in rng.permutation([2, 2, 4])]


def expect_merged(merge_summaries: Answer, shards: Sequence[np.ndarray], remark: str = "") -> None:
    """Hold what an answer makes of the shards' summaries to the summary of their rows."""
    summaries = [summary_of(shard) for shard in shards]
    count, mean, variance = summary_of(np.concatenate(shards))
    got = merge_summaries(list(summaries))
    given = f"merge_summaries({summaries})"
    expect_equal(
        (type(got).__name__, len(got) if type(got) is tuple else 0),
        ("tuple", 3),
        given=f"{given}; the type and the length of what it returns",
        hint=f"{remark}Return (count, mean, variance).",
    )
    expect_equal(got[0], count, given=f"{given}; the count", hint=f"{remark}Counts add up.")
    expect_close(
        got[1],
        mean,
        atol=1e-9,
        given=f"{given}; the mean",
        hint=f"{remark}Sums add up, means do not: a mean counts as often as its shard has rows.",
    )
    expect_close(
        got[2],
        variance,
        atol=1e-9,
        given=f"{given}; the variance",
        hint=f"{remark}Rows differ within their shard, and shards differ from each other: both "
        "count, by rows. Here a variance divides by the count, and not by the count less one.",
    )
