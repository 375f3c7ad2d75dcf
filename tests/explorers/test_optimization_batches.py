"""Batches: steps and bytes are those of runs, and doubling saves up to a batch size."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import simulate
from mlsys_lib.distributed_optimization import Logistic, distributed_minibatch_sgd
from mlsys_lib.explorers.distributed_optimization import batches_explorer
from mlsys_lib.explorers.distributed_optimization.batches import (
    ALL_MAILS,
    LOOK,
    NUM_ORDERS,
    RATES,
    TARGET,
    WORKERS,
    batches_table,
    batches_to_target,
    describe_batches,
    mean_bytes,
    steps_of,
    steps_to_target,
)
from mlsys_lib.explorers.distributed_optimization.time_to_accuracy import (
    NUM_WORDS,
    PENALTY,
    dealt,
    objective,
    optimum,
)
from mlsys_lib.plots.distributed_optimization import Batches, BatchesPlot
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(batches_explorer().positions())


def steps_on(workers: int, batch_size: int, seed: int) -> tuple[int, int]:
    """Run to the target's step on as many workers; return that step, and the most bytes sent."""
    expected = steps_to_target(batch_size)[seed]
    run = simulate(
        distributed_minibatch_sgd, workers, *dealt(workers), Logistic(), PENALTY,
        RATES[batch_size], expected, batch_size, seed=seed,
    )  # fmt: skip
    looks = run.results[0].history[:: max(1, LOOK // batch_size)]
    reached = [objective().value(weights) <= optimum().value + TARGET for weights in looks]
    steps = reached.index(True) * max(1, LOOK // batch_size)
    return steps, max(run.ledger.sent_bytes)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("batch_size", [64, 512])
def test_steps_do_not_depend_on_workers_and_bytes_are_the_ledgers(
    batch_size: int, workers: int
) -> None:
    steps, sent_bytes = steps_on(workers, batch_size, seed=1)
    assert steps == steps_to_target(batch_size)[1]
    assert sent_bytes == mean_bytes(workers, (steps,))


def test_wrong_bytes_are_noticed() -> None:
    """The planted mistake: a gradient counted once for each step, as if nobody passed it on."""
    steps, sent_bytes = steps_on(4, 512, seed=0)
    assert sent_bytes != steps * NUM_WORDS * 8


def test_each_step_size_is_the_best_of_those_tried() -> None:
    """Half and twice as much take more steps in the mean, or never arrive."""

    def mean(batch_size: int, factor: float) -> float:
        try:
            rate = factor * RATES[batch_size]
            return float(np.mean([steps_of(batch_size, rate, seed) for seed in range(NUM_ORDERS)]))
        except StopIteration:
            return np.inf

    for batch_size in (8, 16, 64, 256, 1024):
        others = [mean(batch_size, factor) for factor in (0.5, 2.0)]
        assert mean(batch_size, 1.0) <= min(others), batch_size


def test_the_law_first_half_the_steps_then_none_fewer() -> None:
    """Perfect up to b = 64: as many examples whatever the batch. Beyond 512 nearly nothing."""
    shown = batches_to_target(32, 4)
    small = [shown.passes(size) for size in RATES if size <= 64]
    assert max(small) / min(small) < 1.05
    assert shown.saving(64) > 1.7 > shown.saving(128)
    assert shown.useful_size == 128
    assert shown.saving(512) < 1.1
    assert shown.mean_steps(1024) < 1.1 * shown.mean_steps(ALL_MAILS)


def test_bytes_fall_as_steps_do() -> None:
    shown = batches_to_target(1, 8)
    for m in WORKERS[1:]:
        sent = shown.sent_bytes[m]
        assert sent[1] / sent[64] == pytest.approx(
            shown.mean_steps(1) / shown.mean_steps(64), rel=0.01
        )
    assert set(shown.sent_bytes[1].values()) == {0.0}


def test_one_order_is_enough_for_all_mails_and_others_have_five() -> None:
    assert {size: len(steps_to_target(size)) for size in (512, ALL_MAILS)} == {512: 5, ALL_MAILS: 1}
    assert len(objective().y) == ALL_MAILS
    assert steps_of(ALL_MAILS, RATES[ALL_MAILS], seed=1) == steps_to_target(ALL_MAILS)[0]


def test_description_and_table_say_the_numbers() -> None:
    shown = batches_to_target(32, 4)
    assert describe_batches(shown) == (
        "Steps of mini-batch SGD to 0.01 above the minimum, against batch size. With b = 32 it "
        "takes 49.6 steps and reads 0.63 times the 2 500 mails; each of 4 workers sends 595 kB. "
        "With b = 64 it takes 25, a factor of 2.0. Every doubling up to b = 128 saves a factor of "
        "1.7 or more; all mails at once take 8. Further panels: examples read, flat at first and "
        "then rising; bytes sent by each worker, falling as the steps do."
    )
    assert "one worker sends nothing" in describe_batches(batches_to_target(32, 1))
    header, rows = batches_table(shown)
    assert all(len(row) == len(header) for row in rows)
    assert rows[5] == (32, 32.0, 49.6, "48 … 53", 0.635, "595 kB", "1.98")
    assert [row[0] for row in rows if row[-1] == "–"] == [1024, ALL_MAILS]


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(batches_explorer)


def test_every_third_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = batches_explorer()
    for position in [*reversed(POSITIONS)][::3]:
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: the bytes of several workers stay where there is one."""

    class Forgetful(BatchesPlot):
        def draw(self, shown: Batches) -> Any:
            before = self._bytes.get_data()
            drawn = super().draw(shown)
            if shown.workers == 1:
                self._bytes.set_data(*before)
            return drawn

    wrong = replace(batches_explorer(), plot=Forgetful)
    assert wrong.frame(POSITIONS[-1]) == wrong.fresh_frame(POSITIONS[-1])
    assert wrong.frame(POSITIONS[0]) != wrong.fresh_frame(POSITIONS[0])


def test_the_page_is_light() -> None:
    page = batches_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
