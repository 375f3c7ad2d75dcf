"""Batch normalization on one rank and over all, as the definitions say it.

Ioffe & Szegedy, "Batch normalization", ICML 2015, arXiv:1502.03167, algorithm 1. `momentum` is the
share of the new value in a running average, as in torch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.comm import PerRank
from mlsys_lib.grading.expect import expect, expect_close, expect_equal, show
from mlsys_lib.grading.ranks import on_ranks

Answer = Callable[..., Any]
Layer = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Scale, shift, running mean and running variance."""


def normalized(rows: np.ndarray, eps: float) -> np.ndarray:
    """Return rows with mean 0 and variance 1 in each feature, but for `eps`."""
    centered = rows - rows[0]  # a large mean leaves here, and nothing cancels later
    centered = centered - centered.mean(axis=0)
    return np.asarray(centered / np.sqrt((centered**2).mean(axis=0) + eps))


def trained(x: np.ndarray, layer: Layer, momentum: float, eps: float) -> list[np.ndarray]:
    """Return the output, the new running mean and the new running variance."""
    scale, shift, running_mean, running_variance = layer
    n = len(x)
    mean = (1 - momentum) * running_mean + momentum * x.mean(axis=0)
    variance = running_variance.copy()
    if n > 1:
        unbiased = ((x - x.mean(axis=0)) ** 2).sum(axis=0) / (n - 1)
        variance = (1 - momentum) * running_variance + momentum * unbiased
    return [scale * normalized(x, eps) + shift, mean, variance]


def draw_layer(rng: np.random.Generator, num_features: int) -> Layer:
    """Draw what a layer of that many features holds in the middle of training."""
    scale, shift, mean = rng.normal(size=(3, num_features))
    return scale, shift, mean, rng.uniform(0.5, 2.0, num_features)


def expect_batch_norm(
    batch_norm_train: Answer,
    x: np.ndarray,
    layer: Layer,
    momentum: float,
    eps: float,
    idea: str = "Each feature has its own mean and variance, over the rows of this batch.",
) -> None:
    """Hold one pass to `trained`, and what it was made from."""
    before = (x, *layer)
    handed = [array.copy() for array in before]
    got = batch_norm_train(*handed, momentum, eps)
    names = ("x", "scale", "shift", "running_mean", "running_variance")
    told = ", ".join(f"{name} = {show(a)}" for name, a in zip(names, before, strict=True))
    given = f"{told}, momentum = {momentum}, eps = {eps}"
    expect_equal(
        (type(got).__name__, len(got) if type(got) is tuple else 0),
        ("tuple", 3),
        given=f"{given}; the type and the length of what it returns",
        hint="Return (y, running_mean, running_variance).",
    )
    wanted = trained(x, layer, momentum, eps)
    share = "momentum is the share of the new value, and 1 - momentum that of the old one."
    hints = {
        "y": f"{idea} To normalize, divide by n, and add eps under the root.",
        "running mean": f"What runs is the mean of x itself. {share}",
        "running variance": f"What is kept is the variance that divides by n - 1. {share} One row "
        "says nothing about a variance: then the running one stays.",
    }
    for (word, hint), mine, new in zip(hints.items(), got, wanted, strict=True):
        expect_close(mine, new, rtol=1e-7, atol=1e-9, given=f"{given}; the {word}", hint=hint)
    expect_equal(
        handed,
        list(before),
        given=f"{given}; what was handed over, after the call",
        hint="Return new arrays: `running_mean += …` changes the caller's.",
    )


def expect_sync_batch_norm(
    sync_batch_norm: Answer,
    shards: Sequence[np.ndarray],
    eps: float,
    idea: str = "Mean and variance are those of all ranks' rows: a shard counts by its rows, and "
    "shards differ from each other too.",
) -> None:
    """Hold one run to the rows of one machine, for few and short messages."""
    world_size, num_features = len(shards), shards[0].shape[1]
    handed = [shard.copy() for shard in shards]
    run = on_ranks(sync_batch_norm, world_size, PerRank(handed), eps)
    whole = normalized(np.concatenate(shards), eps)
    given = f"{world_size} rank(s), eps = {eps}; {_describe(shards)}"
    ends = np.cumsum([len(shard) for shard in shards])[:-1]
    for rank, (mine, wanted) in enumerate(zip(run.results, np.split(whole, ends), strict=True)):
        where = f"{given}\nwhat rank {rank} returned"
        expect_close(mine, wanted, rtol=1e-6, atol=1e-6, given=where, hint=idea)
    expect_equal(handed, list(shards), given=f"{given}\nx after the call", hint="Leave x alone.")
    sent, most = max(run.ledger.sent_messages), 4 * (world_size - 1)
    expect(
        sent <= most,
        given=given,
        expected=f"at most {most} messages sent by each rank: those of two ring all-reduces",
        got=str(sent),
        hint="Put what is summed at the same time into one array, and reduce that.",
    )
    longest = max((message[4] for message in run.ledger.messages), default=0)
    allowed = 8 * (2 * num_features + 1)
    expect(
        longest <= allowed,
        given=given,
        expected=f"no message longer than 2 d + 1 numbers: {allowed} bytes",
        got=f"{longest} bytes",
        hint="Counts and sums travel, and no rows.",
    )


def _describe(shards: Sequence[np.ndarray]) -> str:
    sizes = [len(shard) for shard in shards]
    if sum(sizes) > 8:
        return f"{sizes} rows of {shards[0].shape[1]} features"
    return "; ".join(f"rank {rank}: x = {show(x)}" for rank, x in enumerate(shards))
