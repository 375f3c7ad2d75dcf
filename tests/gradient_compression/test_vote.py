"""The vote is that of the majority, in one bit up and one bit down."""

import numpy as np
import pytest

from mlsys_lib.comm import PerRank, RankError, simulate
from mlsys_lib.gradient_compression.vote import MajorityVote, majority_vote, vote_bytes
from tests.conftest import Machine
from tests.gradient_compression import bodies


def by_counting(xs: list[np.ndarray]) -> list[int]:
    """Entry by entry: more below zero than not?"""
    columns = zip(*[x.tolist() for x in xs], strict=True)
    return [-1 if 2 * sum(v < 0 for v in column) > len(column) else 1 for column in columns]


def test_vote_bytes_and_rounds(machine: Machine) -> None:
    m, rng = machine.world_size, np.random.default_rng(machine.world_size)
    xs = [rng.choice([-2.0, 0.0, 1.0], 21) for _ in range(m)]
    run = machine.run(majority_vote, PerRank(xs))
    for result in run.results:
        assert result.tolist() == by_counting(xs)
    size = vote_bytes(21)
    assert size == 5 + 3
    assert run.ledger.sent_bytes == ((m - 1) * size, *[size] * (m - 1))
    assert run.ledger.rounds == (2 if m > 1 else 0)


def test_ties_and_zeros_are_plus() -> None:
    xs = [np.array([1.0, 0.0, -0.0, -1.0]), np.array([-1.0, -1.0, 0.0, -1.0])]
    assert simulate(majority_vote, 2, PerRank(xs)).results[0].tolist() == [1, 1, 1, -1]


@pytest.mark.parametrize("m", [3, 4, 7, 8])
def test_fewer_than_half_liars_change_nothing_and_half_do(m: int) -> None:
    """Liars send the opposite sign, as large as they like; honest ranks agree."""
    rng = np.random.default_rng(m)
    honest = rng.choice([-1.0, 1.0], 30)
    for liars in range(m + 1):
        xs = [-1e30 * honest] * liars + [honest * (1 + rng.random(30)) for _ in range(m - liars)]
        vote = simulate(majority_vote, m, PerRank(xs)).results[-1]
        assert np.array_equal(vote, honest) == (liars < m / 2)


def test_one_liar_moves_the_mean_but_not_the_vote() -> None:
    xs = [np.array([1e6]), np.array([-1.0]), np.array([-1.0])]
    assert np.mean(xs) > 0
    assert simulate(majority_vote, 3, PerRank(xs)).results[0].tolist() == [-1]


def test_one_rank_has_its_own_signs() -> None:
    assert simulate(majority_vote, 1, np.array([-3.0, 2.0])).results[0].tolist() == [-1, 1]
    assert simulate(majority_vote, 1, np.zeros(1)).results[0].tolist() == [1]


def test_as_an_update_it_has_the_step_size_and_counts_its_bytes() -> None:
    xs = [np.array([1.0, -2.0]), np.array([3.0, -1.0]), np.array([-1.0, -1.0])]
    run = simulate(bodies.aggregate_with, 3, PerRank(xs), MajorityVote(0.1))
    assert run.results[2].mean.tolist() == [0.1, -0.1]
    assert run.results[2].sent.tolist() == [-0.1, -0.1]
    assert tuple(result.sent_bytes for result in run.results) == run.ledger.sent_bytes
    assert run.results[2].message_bytes == vote_bytes(2)


def test_bad_input_is_refused() -> None:
    with pytest.raises(RankError, match="x must be finite, got nan at entry 0"):
        simulate(majority_vote, 2, np.array([np.nan]))
    with pytest.raises(ValueError, match="step_size must be finite and > 0, got 0"):
        MajorityVote(0.0)
    with pytest.raises(RankError, match=r"dtype and shape must agree|ballot of rank 1"):
        simulate(majority_vote, 2, PerRank([np.ones(3), np.ones(300)]))
    with pytest.raises(RankError, match="ballot of rank 1: message must have 3 numbers, says 4"):
        simulate(majority_vote, 2, PerRank([np.ones(3), np.ones(4)]))


def sign_of_mean(xs: list[np.ndarray]) -> list[float]:
    """A wrong version: one large voice outvotes many."""
    return np.sign(np.mean(xs, axis=0)).tolist()


def server_does_not_vote(xs: list[np.ndarray]) -> list[int]:
    """A wrong version: rank 0 counts the others only."""
    return by_counting(xs[1:])


@pytest.mark.parametrize("wrong", [sign_of_mean, server_does_not_vote])
def test_planted_version_is_another_vote(wrong: object) -> None:
    xs = [np.array([-1.0, -9.0]), np.array([-1.0, 1.0]), np.array([1.0, 1.0])]
    vote = simulate(majority_vote, 3, PerRank(xs)).results[0].tolist()
    assert vote == by_counting(xs)
    assert wrong(xs) != vote  # type: ignore[operator]
