"""The mean of compressed gradients is the mean of what messages mean, equal on all ranks."""

import numpy as np
import pytest

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator, PerRank, RankError, simulate
from mlsys_lib.gradient_compression.aggregate import (
    SIZE_BYTES,
    gather_bytes,
    gather_messages,
    mean_by_gather,
)
from mlsys_lib.gradient_compression.atomo import Atomo
from mlsys_lib.gradient_compression.compressor import Compressor, Uncompressed
from mlsys_lib.gradient_compression.random_k import RandomK
from mlsys_lib.gradient_compression.threshold import Threshold
from mlsys_lib.gradient_compression.topk import TopK, largest
from tests.conftest import Machine
from tests.gradient_compression import bodies

GATHERED = [TopK(5), Threshold(0.8), Atomo(4)]
ADDED = [Uncompressed(), RandomK(5, unbiased=True), RandomK(40, unbiased=False)]


def gradients(world_size: int, k: int = 40) -> list[np.ndarray]:
    rng = np.random.default_rng(world_size)
    return [rng.normal(scale=1 + r % 3, size=k).astype(np.float32) for r in range(world_size)]


def num_added(compressor: Compressor, k: int) -> int:
    """Numbers that an all-reduce adds; random-k's have a check with them."""
    return compressor.num_kept + 1 if isinstance(compressor, RandomK) else k


def decoded(compressor: Compressor, xs: list[np.ndarray], seeds: list[int]) -> np.ndarray:
    """What each rank's message means, one row for each."""
    pairs = zip(xs, seeds, strict=True)
    return np.array([compressor.compress(x, np.random.default_rng(s)) for x, s in pairs])


@pytest.mark.parametrize("compressor", GATHERED, ids=lambda c: c.name)
def test_gathered_mean_and_bytes(machine: Machine, compressor: Compressor) -> None:
    """Ragged messages: all ranks get the mean, to the bit; the ledger has the closed form."""
    m = machine.world_size
    xs, seeds = gradients(m), list(range(m))
    run = machine.run(bodies.gather_mean, PerRank(xs), compressor, PerRank(seeds))
    expected = decoded(compressor, xs, seeds).mean(axis=0)
    for result in run.results:
        np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-15)
        assert result.tobytes() == run.results[0].tobytes()
    sizes = [
        len(compressor.encode(x, np.random.default_rng(s))) for x, s in zip(xs, seeds, strict=True)
    ]
    assert run.ledger.sent_bytes == gather_bytes(sizes)
    assert run.ledger.rounds == 2 * (m - 1)


@pytest.mark.parametrize("compressor", ADDED, ids=lambda c: f"{c.name}-{c.is_unbiased}")
def test_added_mean_is_the_gathered_one(machine: Machine, compressor: Compressor) -> None:
    """Up to the float32 in which sums travel."""
    m = machine.world_size
    xs = gradients(m)
    run = machine.run(bodies.all_reduce_mean, PerRank(xs), compressor, 3)
    expected = decoded(compressor, xs, [3] * m).mean(axis=0)
    for result in run.results:
        np.testing.assert_allclose(result, expected, atol=2e-5)
        assert result.tobytes() == run.results[0].tobytes()


@pytest.mark.parametrize("compressor", [*GATHERED, *ADDED], ids=lambda c: c.name)
def test_parts_make_the_mean_and_bytes_are_those_of_the_ledger(compressor: Compressor) -> None:
    for m in (1, 2, 5):
        shared = compressor.aggregation == "all_reduce"
        seeds = PerRank([0 if shared else r for r in range(m)])
        run = simulate(bodies.aggregate_with, m, PerRank(gradients(m)), compressor, seeds)
        sent = np.mean([result.sent for result in run.results], axis=0)
        np.testing.assert_allclose(run.results[0].mean, sent, atol=2e-5)
        assert tuple(result.sent_bytes for result in run.results) == run.ledger.sent_bytes
        for rank, x in enumerate(gradients(m)):
            message = compressor.encode(x, np.random.default_rng(0 if shared else rank))
            expected = 4 * num_added(compressor, len(x)) if shared else len(message)
            assert run.results[rank].message_bytes == expected


def test_bytes_of_a_gather_by_hand() -> None:
    """Rank 0 sends its own and rank 2's message, and two sizes; never its right neighbor's."""
    assert gather_bytes([100, 10, 20]) == (100 + 20 + 16, 10 + 100 + 16, 20 + 10 + 16)
    assert gather_bytes([7]) == (0,) and SIZE_BYTES == 8


def test_random_k_sends_few_numbers_and_one_check() -> None:
    run = simulate(bodies.all_reduce_mean, 2, PerRank(gradients(2)), RandomK(5, unbiased=True), 0)
    assert run.ledger.sent_bytes == (4 * 6, 4 * 6)


@pytest.mark.parametrize("compressor", GATHERED, ids=lambda c: c.name)
def test_an_all_reduce_of_messages_that_cannot_be_added_is_refused(compressor: Compressor) -> None:
    message = f"can be added for an all-reduce .*, got {compressor.name}: use mean_by_gather"
    with pytest.raises(RankError, match=message):
        simulate(bodies.all_reduce_mean, 2, PerRank(gradients(2)), compressor, 0)


def test_ranks_that_draw_different_entries_are_refused() -> None:
    compressor = RandomK(5, unbiased=True)
    for m in (2, 3, 8):
        seeds = PerRank([0] * (m - 1) + [1])
        with pytest.raises(RankError, match="rng must be in the same state on every rank"):
            simulate(bodies.all_reduce_mean, m, PerRank(gradients(m)), compressor, seeds)


def test_a_bad_message_names_its_rank() -> None:
    compressor, rng = TopK(2), np.random.default_rng(0)
    good = compressor.encode(np.arange(1.0, 6.0), rng)
    for bad, words in [
        (good[:-1], "message of rank 1: message is truncated"),
        (
            Threshold(0.0).encode(np.ones(5), rng),
            "message of rank 1: message must be of kind TOP_K",
        ),
        (compressor.encode(np.ones(6), rng), "rank 1 must have 5 numbers as rank 0's, got 6"),
    ]:
        with pytest.raises(RankError, match=words):
            simulate(mean_by_gather, 3, PerRank([good, bad, good]), compressor)


@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.int8])
def test_a_message_of_other_numbers_than_bytes_is_refused(dtype: type) -> None:
    message = TopK(2).encode(np.arange(1.0, 6.0), np.random.default_rng(0))
    with pytest.raises(RankError, match="message must be one-dimensional and uint8, got"):
        simulate(gather_messages, 2, PerRank([message, message.astype(dtype)]))


def test_a_gradient_that_is_not_finite_is_refused_before_anything_is_sent() -> None:
    bad = np.array([1.0, np.inf])
    for compressor in (TopK(1), RandomK(1, unbiased=True), Uncompressed()):
        with pytest.raises(RankError, match="x must be finite, got inf at entry 1"):
            simulate(bodies.aggregate_with, 2, PerRank([bad, bad]), compressor, 0)


def test_messages_come_in_rank_order_whatever_their_lengths(several: Machine) -> None:
    messages = [np.full(3 * r % 7, r, np.uint8) for r in range(several.world_size)]
    for gathered in several.run(gather_messages, PerRank(messages)).results:
        assert [m.tolist() for m in gathered] == [m.tolist() for m in messages]


def test_planted_all_reduce_of_top_k_values_mixes_entries() -> None:
    """Adds the values, and puts the sums at each rank's own indices."""

    def wrong(comm: Communicator, x: np.ndarray) -> np.ndarray:
        chosen = largest(x, 2)
        mean = np.zeros(len(x))
        mean[chosen] = ring_all_reduce(comm, x[chosen]) / comm.world_size
        return mean

    xs = gradients(2)
    expected = decoded(TopK(2), xs, [0, 0]).mean(axis=0)
    first, second = simulate(wrong, 2, PerRank(xs)).results
    assert not np.allclose(first, expected) and not np.allclose(first, second)
