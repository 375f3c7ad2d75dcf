"""The straggler explorer: laws of bounded staleness, in the runs that it shows."""

import numpy as np
import pytest

from mlsys_lib.explorers.collectives import straggler_explorer
from mlsys_lib.explorers.collectives.straggler import (
    describe_straggler,
    straggler,
    straggler_table,
)

WORKERS, FACTORS, BOUNDS = (2, 4, 8), (1, 2, 4, 8), (0, 1, 2, 4, 16)


@pytest.mark.parametrize("workers", WORKERS)
def test_synchronous_time_grows_with_the_slow_factor(workers: int) -> None:
    """Everybody waits for the slow one; only the messages are not slower."""
    once = straggler(workers, 1, 0, "sorted").time_s[-1]
    for factor in FACTORS:
        assert straggler(workers, factor, 0, "sorted").time_s[-1] == pytest.approx(
            factor * once, rel=0.01
        )


@pytest.mark.parametrize("workers", WORKERS)
def test_the_synchronous_loss_does_not_depend_on_who_is_slow(workers: int) -> None:
    np.testing.assert_allclose(
        straggler(workers, 8, 0, "sorted").loss, straggler(workers, 1, 0, "sorted").loss
    )


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("workers", WORKERS)
def test_nobody_leads_by_more_than_the_bound(workers: int, factor: int) -> None:
    for bound in BOUNDS:
        assert straggler(workers, factor, bound, "sorted").largest_lead <= bound
    assert straggler(workers, 8, 4, "sorted").largest_lead == 4


@pytest.mark.parametrize("workers", WORKERS)
def test_a_loose_bound_buys_time_and_costs_accuracy(workers: int) -> None:
    run = straggler(workers, 8, 16, "sorted")
    assert run.time_to_target_s < run.synchronous_time_to_target_s
    assert run.final_error > 2 * run.synchronous_final_error


@pytest.mark.parametrize("workers", WORKERS)
def test_mixed_data_make_staleness_cheap(workers: int) -> None:
    """Anybody's gradient could be anybody else's: time is bought for a few points of error."""
    for bound in BOUNDS:
        run = straggler(workers, 8, bound, "mixed")
        assert run.time_to_target_s <= run.synchronous_time_to_target_s
        assert run.final_error < run.synchronous_final_error + 0.04


def test_synchronous_training_does_not_care_how_data_are_shared() -> None:
    mixed, apart = (straggler(4, 4, 0, data).loss for data in ("mixed", "sorted"))
    np.testing.assert_allclose(mixed, apart, rtol=1e-9)


def test_where_nobody_is_slow_a_loose_bound_is_never_used() -> None:
    np.testing.assert_array_equal(
        straggler(4, 1, 16, "sorted").loss, straggler(4, 1, 1, "sorted").loss
    )


def test_the_time_to_target_is_the_first_point_at_the_target() -> None:
    run = straggler(4, 4, 4, "sorted")
    place = run.time_s.tolist().index(run.time_to_target_s)
    assert run.loss[place] <= run.target_loss < run.loss[:place].min()


def test_the_bars_are_those_of_the_workers() -> None:
    """Rank 0 serves; a bar lasts a tenth of a second, the slow worker's four tenths."""
    spans = straggler(4, 4, 1, "sorted").spans
    assert {span.rank for span in spans} == {1, 2, 3, 4}
    for span in spans:
        assert span.end_s - span.start_s == pytest.approx(0.4 if span.rank == 1 else 0.1)


def test_description_and_table_say_what_the_run_gave() -> None:
    run = straggler(8, 8, 16, "sorted")
    assert describe_straggler(run) == (
        "8 workers with sorted data, one 8 times slower. With staleness bound 16 training reaches "
        "the target loss after 1.7 seconds and misreads 32.3% in the end; synchronous training "
        "reaches the target loss after 6.4 seconds and misreads 3.3% in the end. The largest lead "
        "is 16 steps."
    )
    header, rows = straggler_table(run)
    assert len(rows) == len(run.loss) == 25
    assert len(header) == len(rows[0])
    assert rows[0] == (0.0, 2.303, 0.0, 2.303)  # ln 10: ten digits, no idea


def test_every_sixth_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = straggler_explorer()
    for position in [*reversed(list(explorer.positions()))][::6]:
        assert explorer.frame(position) == explorer.fresh_frame(position), position
