"""The ring explorer: what it shows obeys the laws of the ring, and comes from the ledger."""

from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.collectives.cost import lower_bound_bytes
from mlsys_lib.comm import simulate
from mlsys_lib.explorers.collectives import ring as module
from mlsys_lib.explorers.collectives import ring_explorer
from mlsys_lib.explorers.collectives.ring import describe_ring, ring_state, ring_table

WORKERS = (2, 3, 4, 6, 8, 12)


@pytest.mark.parametrize("workers", WORKERS)
def test_after_the_reduce_scatter_each_machine_owns_one_complete_chunk(workers: int) -> None:
    complete = ring_state(workers, workers - 1).held == workers
    assert (complete.sum(axis=0) == 1).all()
    assert (complete.sum(axis=1) == 1).all()


@pytest.mark.parametrize("workers", WORKERS)
def test_complete_chunks_grow_by_one_a_machine_in_each_later_step(workers: int) -> None:
    counts = [ring_state(workers, step).num_complete for step in range(2 * workers - 1)]
    expected = [max(0, step - workers + 2) * workers for step in range(2 * workers - 1)]
    assert counts == expected


@pytest.mark.parametrize("workers", WORKERS)
def test_every_machine_begins_with_its_own_numbers_and_ends_with_all(workers: int) -> None:
    assert (ring_state(workers, 0).held == 1).all()
    assert (ring_state(workers, 2 * (workers - 1)).held == workers).all()


def test_no_machine_is_counted_twice() -> None:
    """The marks at the end are those of all machines, bit for bit, and not just as many bits."""
    snapshots, _, _ = module._watched_run(8)
    assert (snapshots[-1] & 0xFFFFFFFF == 0xFF).all()


@pytest.mark.parametrize("workers", WORKERS)
def test_only_the_chunks_that_arrived_change(workers: int) -> None:
    for step in range(1, 2 * workers - 1):
        before, state = ring_state(workers, step - 1), ring_state(workers, step)
        changed = {tuple(cell) for cell in np.argwhere(before.held != state.held).tolist()}
        assert changed == {(move.dst, move.chunk) for move in state.moves}


@pytest.mark.parametrize("workers", WORKERS)
def test_a_move_carries_what_its_sender_held(workers: int) -> None:
    for step in range(1, 2 * workers - 1):
        before = ring_state(workers, step - 1)
        for move in ring_state(workers, step).moves:
            assert move.dst == (move.src + 1) % workers
            assert move.held == before.held[move.src, move.chunk]


@pytest.mark.parametrize("workers", WORKERS)
def test_bytes_so_far_end_at_the_ledger_of_an_ordinary_run(workers: int) -> None:
    ledger = simulate(ring_all_reduce, workers, np.zeros(workers * 5)).ledger
    end = ring_state(workers, 2 * (workers - 1))
    assert end.sent_gradients == end.total_gradients == max(ledger.sent_bytes) / (workers * 40)
    assert end.total_gradients == pytest.approx(
        lower_bound_bytes(workers, workers, 8) / workers / 8
    )
    half = ring_state(workers, workers - 1)
    assert half.sent_gradients == pytest.approx(end.total_gradients / 2)


def test_the_phases_split_the_steps_in_two() -> None:
    phases = [ring_state(4, step).phase for step in range(7)]
    assert phases == ["start", *["reduce-scatter"] * 3, *["all-gather"] * 3]


def test_a_ring_that_forgets_to_add_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The states come from the library's run: break that, and they change."""
    honest = module._watched_run

    def gather_only(comm: Any, x: np.ndarray) -> np.ndarray:
        return ring_all_reduce(comm, x, op="max")

    monkeypatch.setattr(module, "ring_all_reduce", gather_only)
    monkeypatch.setattr(module, "_watched_run", honest.__wrapped__)
    assert (ring_state(4, 6).held < 4).all()


def test_description_and_table_say_what_the_state_holds() -> None:
    state = ring_state(8, 3)
    assert describe_ring(state) == (
        "Ring of 8 machines, step 3 of 14. In this reduce-scatter step each machine passed one "
        "chunk to the next; machine 0 sent chunk G with the numbers of 3. 0 of 64 chunks are "
        "complete; each machine has sent 0.38 of 1.75 gradients."
    )
    header, rows = ring_table(state)
    assert len(header) == len(rows[0])
    assert rows[0] == (0, "G", 1, "F", "A1 B1 C1 D1 E1 F4 G3 H2")


def test_the_table_of_the_start_has_no_messages() -> None:
    _, rows = ring_table(ring_state(2, 0))
    assert rows[1] == (1, "–", "–", "–", "A1 B1")


def test_every_tenth_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = ring_explorer()
    for position in [*reversed(list(explorer.positions()))][::10]:
        assert explorer.frame(position) == explorer.fresh_frame(position), position
