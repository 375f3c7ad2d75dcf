"""Exercises: checked in the learner's notebook, and graded by an instructor."""

from mlsys_lib.grading.checking import check
from mlsys_lib.grading.context import secret_rng
from mlsys_lib.grading.expect import Mismatch, expect, expect_close, expect_equal
from mlsys_lib.grading.progress import progress
from mlsys_lib.grading.ranks import on_ranks
from mlsys_lib.grading.variants import variant

__all__ = [
    "Mismatch",
    "check",
    "expect",
    "expect_close",
    "expect_equal",
    "on_ranks",
    "progress",
    "secret_rng",
    "variant",
]
