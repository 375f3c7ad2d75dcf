"""The race explorer: its times are those of real runs where runs are possible."""

import math

import numpy as np
import pytest

from mlsys_lib.collectives import ALL_REDUCES
from mlsys_lib.comm import simulate
from mlsys_lib.explorers.collectives import race_explorer
from mlsys_lib.explorers.collectives.race import (
    COSTS,
    describe_race,
    network_of,
    race,
    race_table,
)

FORMS = dict(zip(COSTS, ALL_REDUCES.values(), strict=True))


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("workers", [2, 8, 12, 64])
def test_the_curves_are_the_times_of_simulated_runs(name: str, workers: int) -> None:
    shown = race(workers, 1000, latency_us=50, gigabits_per_s=10)
    for place in (0, 5, 9):
        size = shown.sizes[place]
        array = np.zeros(size, np.float32)
        ledger = simulate(FORMS[name], workers, array, network=network_of(50, 10)).ledger
        assert shown.curves_s[name][place] == pytest.approx(ledger.time_s(), rel=1e-9), size


def test_the_names_are_those_of_the_library() -> None:
    assert [name.replace("–", "-") for name in COSTS] == list(ALL_REDUCES)


def test_the_ring_is_the_faster_one_from_its_crossover_on() -> None:
    shown = race(8, 1000, 50, 10)
    for name, size in shown.ring_wins_from.items():
        if math.isfinite(size):
            for factor, wins in ((0.5, False), (2, True)):
                near = race(8, round(size * factor), 50, 10).times_s
                assert (near["ring"] < near[name]) is wins, (name, factor)


def test_a_power_of_two_lets_halving_doubling_keep_up_with_the_ring() -> None:
    """Same bytes in fewer rounds: never slower, and the same in the limit."""
    shown = race(64, 1000, 50, 10)
    assert shown.ring_wins_from["halving–doubling"] == math.inf
    ring, halving = (shown.curves_s[name] for name in ("ring", "halving–doubling"))
    assert all(h <= r for r, h in zip(ring, halving, strict=True))
    assert halving[-1] == pytest.approx(ring[-1], rel=0.01)


def test_no_crossover_comes_from_the_last_bits_of_a_time() -> None:
    """Lines of equal slope never cross, whatever rounding says about their seconds."""
    for position in race_explorer().positions():
        for size in race(**position).ring_wins_from.values():
            assert size < 1e12 or size == math.inf, position


@pytest.mark.parametrize("workers", [12, 100_000])
def test_any_other_number_lets_the_ring_win_in_the_end(workers: int) -> None:
    assert 0 < race(workers, 1000, 50, 10).ring_wins_from["halving–doubling"] < math.inf


def test_winners_within_a_thousandth_share_the_place() -> None:
    shown = race(8, 10**8, 5, 10)
    assert shown.winners == ("ring", "halving–doubling")
    assert race(8, 1000, 50, 10).winners == ("recursive doubling",)


def test_all_times_lie_inside_the_limits() -> None:
    for position in race_explorer().positions():
        shown = race(**position)
        low, high = shown.limits_s
        assert all(low < t < high for curve in shown.curves_s.values() for t in curve)


def test_description_and_table_name_the_winner() -> None:
    shown = race(8, 10**8, 50, 10)
    assert describe_race(shown) == (
        "Time of five all-reduces against message size, 8 machines. 100 million numbers: ring and "
        "halving–doubling won with 560 ms; naive took 4.48 s. The ring passes tree at 29 000 "
        "numbers. The ring passes recursive doubling at 140 000 numbers."
    )
    header, rows = race_table(shown)
    assert header[0] == "all-reduce"
    assert [row[0] for row in rows] == list(COSTS)
    assert [row[3] for row in rows] == ["–", "29 000", "140 000", "–", "never"]


def test_every_tenth_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = race_explorer()
    for position in [*reversed(list(explorer.positions()))][::10]:
        assert explorer.frame(position) == explorer.fresh_frame(position), position
