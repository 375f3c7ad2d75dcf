"""Point to point, on both machines: what is sent arrives, under its tag, in its group."""

import pickle
import re
from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import Communicator, PerRank, RankError, simulate
from tests.comm import bodies
from tests.conftest import Machine


def test_ring_step(machine: Machine) -> None:
    m = machine.world_size
    xs = [np.array([10.0 * rank, 1.0]) for rank in range(m)]
    results = machine.run(bodies.pass_on, PerRank(xs), PerRank([np.empty(2) for _ in xs])).results
    assert [x.tolist() for x in results] == [[10.0 * ((r - 1) % m), 1.0] for r in range(m)]


def test_blocking_send_and_receive(several: Machine) -> None:
    results = several.run(bodies.blocking, np.array([1.5, 2.0])).results
    assert results[0].tolist() == [3.0, 4.0] and results[1].tolist() == [1.5, 2.0]


def test_non_blocking(machine: Machine) -> None:
    for rank, inbox in enumerate(machine.run(bodies.non_blocking).results):
        expected = [float(r) if r != rank else np.nan for r in range(machine.world_size)]
        np.testing.assert_array_equal(inbox, expected)


def test_a_receive_takes_its_own_tag(several: Machine) -> None:
    assert several.run(bodies.tags_out_of_order).results[1] == [1.0, 2.0]


def test_messages_of_one_tag_keep_their_order(several: Machine) -> None:
    assert several.run(bodies.in_order).results[1] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_rank_may_send_to_itself(machine: Machine) -> None:
    expected = tuple(7.0 + rank for rank in range(machine.world_size))
    assert machine.run(bodies.to_itself).results == expected
    assert set(machine.run(bodies.to_itself_at_once).results) == {5.0}


def test_sending_to_itself_needs_a_receive(pair: Machine) -> None:
    with pytest.raises(RankError, match="dst must be another rank: rank 0 sends to itself and has"):
        Machine(1, pair.pool).run(bodies.to_itself_without_receive)


STRUCTURE = np.dtype([("key", "i4"), ("value", "f8", (2,))])
LONG = np.dtype([(f"field_{i}_with_a_long_name", "f4") for i in range(8)])


@pytest.mark.parametrize(
    "x",
    [
        np.array([True, False]),
        np.arange(3, dtype=np.uint8),
        np.array([1 + 2j, np.nan]),
        np.array(["2024-02-29", "NaT"], "M8[D]"),
        np.array([90, 61], "m8[s]"),
        np.array([1.5, 2.5], ">f8"),
        np.array(["abc", "ü"], "U4"),
        np.array([b"ab"], "S5"),
        np.array([(1, [2, 3]), (4, [5, 6])], STRUCTURE),
        np.zeros(3, LONG),
        np.array(2.5),
        np.empty((0, 3)),
        np.arange(24, dtype=np.float16).reshape(2, 3, 4),
        np.array([1.5], np.longdouble),
    ],
    ids=lambda x: f"{x.dtype}"[:24],
)
def test_any_plain_dtype_and_shape(pair: Machine, x: np.ndarray) -> None:
    run = pair.run(bodies.echo, x)
    expected = pickle.loads(pickle.dumps(x)) if pair.pool else x  # pickling swaps bytes
    assert run.results[1].tobytes() == expected.tobytes()
    assert (run.results[1].dtype, run.results[1].shape) == (expected.dtype, x.shape)
    assert run.ledger.sent_bytes == (x.nbytes, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "int64", "uint8"])
def test_torch_tensors(pair: Machine, dtype: str) -> None:
    results = pair.run(bodies.torch_tensors, dtype).results
    expected = [2.5, 1.5] if "float" in dtype else [2.0, 1.0]
    assert results == tuple([value] * 3 for value in expected)


def test_arrays_with_gaps(pair: Machine) -> None:
    results = pair.run(bodies.with_gaps).results
    for rank, out in enumerate(results):
        other = 100 * (1 - rank)
        assert np.array(out)[:, 2].tolist() == [1.0 + other, 5.0 + other, 9.0 + other]
        assert not np.array(out)[:, [0, 1, 3]].any()


@pytest.mark.parametrize("world_size", [2, 4, 8])
def test_rows_and_columns_of_a_grid(pair: Machine, world_size: int) -> None:
    if pair.pool and world_size > pair.pool.world_size:
        world_size = 4
    results = Machine(world_size, pair.pool).run(bodies.grid).results
    width = world_size // 2
    for rank, (row, column) in enumerate(results):
        assert row == [float(rank // width * width + c) for c in range(width)]
        assert column == [float(r * width + rank % width) for r in range(2)]


def test_groups_of_the_same_ranks_do_not_mix(several: Machine) -> None:
    assert several.run(bodies.overlapping_groups).results[1] == [0.0, 1.0, 2.0, 3.0]


def test_group_of_one(machine: Machine) -> None:
    assert set(machine.run(bodies.group_of_one).results) == {(0, 1)}


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ([0, 2], "ranks must be an integer in 0…1, got 2"),
        ([0, 0], "ranks must be distinct, got [0, 0]"),
        ([1], "ranks must hold this rank, 0, got [1]"),
        ([], "ranks must hold this rank, 0, got []"),
    ],
)
def test_impossible_groups_are_refused(pair: Machine, ranks: list[int], message: str) -> None:
    text = pair.run(bodies.bad_call, "group", (ranks,)).results[0]
    assert text == f"ValueError: {message}"


OUT = np.empty(2)
READ_ONLY = np.frombuffer(b"12345678")


@pytest.mark.parametrize(
    ("method", "args", "message"),
    [
        ("send", (OUT, 2), "ValueError: dst must be an integer in 0…1, got 2"),
        ("send", (OUT, -1), "ValueError: dst must be an integer in 0…1, got -1"),
        ("send", (OUT, 0.5), "TypeError: dst must be an integer in 0…1, got 0.5"),
        ("recv", (OUT, 2), "ValueError: src must be an integer in 0…1, got 2"),
        ("isend", (OUT, 1, -1), "ValueError: tag must be an integer in 0…1023, got -1"),
        ("irecv", (OUT, 1, 2**10), "ValueError: tag must be an integer in 0…1023, got 1024"),
        ("send", ([1.0], 1), "TypeError: x must be an ndarray or a torch CPU tensor, got list"),
        ("send", (np.array([None]), 1), "TypeError: x must have a dtype of plain numbers, got dt"),
        ("recv", (READ_ONLY, 1), "ValueError: out must be writable, got a read-only array"),
        ("recv", (np.float64(1), 1), "TypeError: out must be an ndarray to write into, got the"),
        ("recv_any", (OUT, []), "ValueError: sources must name at least one rank, got none"),
        ("recv_any", (OUT, [5]), "ValueError: sources must be an integer in 0…1, got 5"),
        ("compute", (-1.0,), "ValueError: seconds must be finite and >= 0, got -1.0"),
    ],
)
def test_bad_calls_are_refused(
    pair: Machine, method: str, args: tuple[Any, ...], message: str
) -> None:
    if any(x is READ_ONLY for x in args) and pair.pool:
        return  # pickling makes an array writable: the body cannot be handed a read-only one
    run = pair.run(bodies.bad_call, method, args)
    assert all(text.startswith(message) for text in run.results), run.results
    assert run.ledger.messages == ()


@pytest.mark.parametrize(
    ("sent", "out", "message"),
    [
        (np.zeros(3), np.zeros(4), "rank 0 sent float64 (3,), rank 1 receives into float64 (4,)"),
        (np.zeros(3), np.zeros(3, "f4"), "rank 0 sent float64 (3,), rank 1 receives into float32"),
        (np.zeros((2, 3)), np.zeros((3, 2)), "rank 0 sent float64 (2, 3), rank 1 receives into"),
    ],
)
def test_dtype_and_shape_must_agree(
    pair: Machine, sent: np.ndarray, out: np.ndarray, message: str
) -> None:
    with pytest.raises(RankError, match=re.escape(message)) as caught:
        pair.run(bodies.mismatched, sent, out)
    assert caught.value.rank == 1


def test_whoever_is_first_is_taken(several: Machine) -> None:
    """Simulated ranks come in the order of the clock; processes in any."""
    order = several.run(bodies.take_any).results[0]
    expected = list(range(several.world_size - 1, 0, -1))
    assert order == expected if several.pool is None else sorted(order) == expected[::-1]


def test_first_cause_is_shown_with_its_rank(several: Machine) -> None:
    culprit = several.world_size - 1
    with pytest.raises(RankError, match=f"rank {culprit} raised ArithmeticError: the pl") as caught:
        several.run(bodies.fails_at, culprit)
    assert caught.value.rank == culprit
    trace = "".join(caught.value.__notes__) if several.pool else str(caught.value)
    assert "fails_at" in trace


@pytest.mark.parametrize("world_size", [0, -1])
def test_world_size_is_checked(pair: Machine, world_size: int) -> None:
    with pytest.raises(ValueError, match=f"world_size must be an integer .*, got {world_size}$"):
        Machine(world_size, pair.pool).run(bodies.answer)


def test_each_rank_needs_its_value(pair: Machine) -> None:
    with pytest.raises(ValueError, match=r"argument 1 must have one value per rank \(2\), got 3"):
        pair.run(bodies.blocking, PerRank([1, 2, 3]))
    with pytest.raises(ValueError, match=r"x must have one value per rank \(2\), got 1"):
        pair.run(bodies.blocking, x=PerRank([1]))


def test_two_groups_never_share_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of two groups are told apart by a checksum; if two are equal, that is an error."""
    monkeypatch.setattr("mlsys_lib.comm.communicator.crc32", lambda name: 7)

    def groups(comm: Communicator) -> int:
        comm.group([0, 1])
        return comm.group([1, 0]).rank

    with pytest.raises(RankError, match=r"ranks \[1, 0\] must be tried again"):
        simulate(groups, 2)


def test_a_receive_offered_early_lets_both_send(pair: Machine) -> None:
    assert pair.run(bodies.swap_early_receive).results == (2.0, 1.0)


def test_receives_keep_their_message_in_whatever_order_one_waits(pair: Machine) -> None:
    assert pair.run(bodies.wait_in_another_order).results[1] == [1.0, 2.0]
