"""Each fault has the outcome that faults.py promises."""

from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import ring_all_reduce, tree_broadcast
from mlsys_lib.comm import (
    Communicator,
    DeadlockError,
    Faults,
    LostRankError,
    MessageError,
    RankError,
    simulate,
)
from mlsys_lib.comm.faults import flip_one_bit
from tests.comm import bodies

X = np.ones(8)


@pytest.mark.parametrize("num_messages", [0, 1, 3, 5])
def test_a_ring_loses_a_dead_rank(num_messages: int) -> None:
    with pytest.raises(LostRankError, match=r"rank 2 is dead, and rank \d waits to .* rank 2"):
        simulate(ring_all_reduce, 4, X, faults=Faults(dead={2: num_messages}))


def test_whoever_does_not_need_the_dead_finishes() -> None:
    """Ranks 0 and 1 talk; rank 2 dies at its first message, to nobody's harm."""

    def body(comm: Communicator) -> str:
        if comm.rank == 2:
            comm.isend(X, 0, tag=9)
        else:
            bodies.blocking(comm, X)
        return "finished"

    run = simulate(body, 3, faults=Faults(dead={2: 0}))
    assert run.results == ("finished", "finished", None)


def test_a_rank_that_only_receives_can_die_too() -> None:
    with pytest.raises(LostRankError, match="rank 3 is dead, and rank 2 waits to send to rank 3"):
        simulate(tree_broadcast, 4, X, faults=Faults(dead={3: 0}))


def test_a_server_that_waits_for_anyone_loses_the_dead() -> None:
    message = r"rank 2 is dead, and rank 0 waits to receive from any of \[1, 2, 3\]"
    with pytest.raises(LostRankError, match=message):
        simulate(bodies.take_any, 4, faults=Faults(dead={2: 0}))


def test_a_rank_that_dies_after_its_last_message_harms_nobody() -> None:
    """A ring of 4 posts 6 messages a rank; its last receive is the dead rank's own loss."""
    results = simulate(ring_all_reduce, 4, X, faults=Faults(dead={1: 6})).results
    assert results[1] is None
    np.testing.assert_array_equal([results[r] for r in (0, 2, 3)], np.full((3, 8), 4.0))


def test_a_slow_rank_changes_times_and_nothing_else() -> None:
    def body(comm: Communicator) -> np.ndarray:
        comm.compute(1.0, "gradient")
        return ring_all_reduce(comm, X)

    plain, slow = simulate(body, 3), simulate(body, 3, faults=Faults(slow={1: 4.0}))
    np.testing.assert_array_equal(plain.results, slow.results)
    assert slow.ledger.time_s() == pytest.approx(plain.ledger.time_s() + 3.0)
    assert slow.ledger.messages == plain.ledger.messages


@pytest.mark.parametrize("number", [0, 2])
def test_a_dropped_message_is_a_deadlock_that_says_so(number: int) -> None:
    message = "rank 1 waits to receive from rank 0 .tag 0., whose message was dropped"
    with pytest.raises(DeadlockError, match=message):
        simulate(ring_all_reduce, 3, X, faults=Faults(dropped=[(0, 1, number)]))


def test_a_corrupted_message_is_noticed() -> None:
    message = "the message from rank 0 to rank 1 .tag 0. is corrupted: its checksum is wrong"
    with pytest.raises(RankError, match=message) as caught:
        simulate(ring_all_reduce, 3, X, faults=Faults(corrupted=[(0, 1, 1)]))
    assert caught.value.rank == 1 and isinstance(caught.value.__cause__, MessageError)


def test_without_checksums_a_wrong_number_travels_on() -> None:
    faults = Faults(corrupted=[(0, 1, 0)], checksums=False)
    results = simulate(ring_all_reduce, 3, X, faults=faults).results
    assert not np.allclose(results[0], 3.0)
    np.testing.assert_array_equal(results[0], results[1])  # all replicas are wrong together
    assert (results[0] != 3.0).sum() == 1


def test_only_the_named_message_is_hit() -> None:
    """Numbers count all messages of a pair, whatever their tag."""

    def body(comm: Communicator) -> list[float]:
        outs = [np.empty(1) for _ in range(3)]
        for tag, out in enumerate(outs):
            if comm.rank == 0:
                comm.send(np.ones(1), 1, tag)
            else:
                comm.recv(out, 0, tag)
        return [out.item() for out in outs]

    faults = Faults(corrupted=[(0, 1, 1)], checksums=False)
    assert [x == 1.0 for x in simulate(body, 2, faults=faults).results[1]] == [True, False, True]


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u1", "?"])
def test_one_bit_flips(dtype: str) -> None:
    x = np.ones(3, dtype)
    before = int.from_bytes(x.tobytes(), "little")
    flip_one_bit(x)
    assert (before ^ int.from_bytes(x.tobytes(), "little")).bit_count() == 1
    flip_one_bit(np.empty(0, dtype))


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (Faults(dead={4: 0}), "dead rank must be an integer in 0…3, got 4"),
        (Faults(dead={1: -1}), "dead messages must be an integer >= 0, got -1"),
        (Faults(slow={-1: 2.0}), "slow rank must be an integer in 0…3, got -1"),
        (Faults(slow={1: 0.0}), "slow factor must be finite and > 0, got 0.0"),
        (Faults(dropped=[(0, 4, 0)]), "dropped dst must be an integer in 0…3, got 4"),
        (Faults(corrupted=[(9, 0, 0)]), "corrupted src must be an integer in 0…3, got 9"),
        (Faults(corrupted=[(0, 1, -1)]), "corrupted number must be an integer >= 0, got -1"),
    ],
)
def test_impossible_faults_are_refused(faults: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        simulate(ring_all_reduce, 4, X, faults=faults)
