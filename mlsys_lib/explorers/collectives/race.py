"""The race of the all-reduces, by the closed forms of `mlsys_lib.collectives.cost`.

The tests hold these curves to ledgers of simulated runs; beyond, the forms are all there is.
"""

import math
from dataclasses import replace
from functools import cache, partial

import numpy as np

from mlsys_lib.collectives import cost
from mlsys_lib.comm import Network
from mlsys_lib.core.units import format_count, format_seconds
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.collectives import Race, RacePlot, round_to_two_digits, size_name

COSTS = {name.replace("-", "–"): form for name, form in cost.ALL_REDUCE_COSTS.items()}
_ITEMSIZE = 4  # float32
_SIZES = tuple(round(10 ** (1 + step / 4)) for step in range(33))  # 10 … 10⁹
_LATENCIES_US = (5, 50, 500)
_GIGABITS_PER_S = (10, 100)


def race_explorer() -> Explorer:
    """Return the explorer: machines, message size and network; the time of each all-reduce."""
    return Explorer(
        name="race",
        title="The race: which all-reduce is the fastest?",
        compute=race,
        plot=partial(RacePlot, tuple(COSTS)),
        controls=(
            Control(
                "workers", (2, 8, 12, 64, 1024, 100_000), default=8, label="machines",
                format=format_count,
            ),
            Control(
                "num_elements", (10**3, 10**5, 10**6, 10**8), default=10**8, label="numbers",
                format=size_name,
            ),
            Control("latency_us", _LATENCIES_US, default=50, label="latency", unit="µs"),
            Control(
                "gigabits_per_s", _GIGABITS_PER_S, default=10, label="bandwidth", unit="Gb/s"
            ),
        ),
        describe=describe_race,
        table=race_table,
    )  # fmt: skip


def network_of(latency_us: float, gigabits_per_s: float) -> Network:
    """Return the network of the race: a tenth of each latency keeps the port busy."""
    return Network(latency_us * 1e-6, 8e-9 / gigabits_per_s, latency_us * 1e-7)


def race(workers: int, num_elements: int, latency_us: float, gigabits_per_s: float) -> Race:
    """Return the time of every all-reduce over the message size, on one network."""
    network = network_of(latency_us, gigabits_per_s)
    return Race(
        workers=workers,
        num_elements=num_elements,
        sizes=_SIZES,
        curves_s={name: _curve_s(name, workers, latency_us, gigabits_per_s) for name in COSTS},
        limits_s=_limits_s(workers),
        times_s={name: _cost(name, workers, num_elements).time_s(network) for name in COSTS},
        ring_wins_from={
            name: _ring_wins_from(name, workers, latency_us, gigabits_per_s)
            for name in ("tree", "recursive doubling", "halving–doubling")
        },
    )


def describe_race(race: Race) -> str:
    """Say who wins, and from which size on the ring does."""
    best_s = min(race.times_s.values())
    slowest = max(race.times_s, key=lambda name: race.times_s[name])
    overtakings = "".join(f" The {line}." for line in race.overtakings)
    return (
        f"Time of five all-reduces against message size, {format_count(race.workers)} machines. "
        f"{size_name(race.num_elements)} numbers: {' and '.join(race.winners)} won with "
        f"{format_seconds(best_s)}; {slowest} took {format_seconds(race.times_s[slowest])}."
        f"{overtakings}"
    )


def race_table(race: Race) -> Table:
    """Return a row an all-reduce: seconds, and where the ring overtakes it."""
    best_s = min(race.times_s.values())
    rows = []
    for name, time_s in race.times_s.items():
        size = race.ring_wins_from.get(name)
        words = {None: "–", 0.0: "always", math.inf: "never"}
        rows.append(
            (
                name,
                time_s,
                time_s / best_s,
                words.get(size) or format_count(round_to_two_digits(size or 0)),
            )
        )
    return ("all-reduce", "seconds", "× the fastest", "ring faster from (numbers)"), rows


@cache
def _cost(name: str, workers: int, num_elements: int) -> cost.Cost:
    """Return a cost without its bytes per rank: at 100 000 workers they fill the memory."""
    return replace(COSTS[name](workers, num_elements, _ITEMSIZE), sent_bytes=np.empty(0, int))


@cache
def _curve_s(
    name: str, workers: int, latency_us: float, gigabits_per_s: float
) -> tuple[float, ...]:
    network = network_of(latency_us, gigabits_per_s)
    return tuple(_cost(name, workers, size).time_s(network) for size in _SIZES)


@cache
def _ring_wins_from(name: str, workers: int, latency_us: float, gigabits_per_s: float) -> float:
    """Return the size; no start is slower than the ring's, so it must send less to win."""
    large = workers * 2**20  # bytes are exact, where the last bits of seconds are not
    if _cost("ring", workers, large).path_bytes >= _cost(name, workers, large).path_bytes:
        return math.inf
    network = network_of(latency_us, gigabits_per_s)
    return cost.crossover_elements(COSTS["ring"], COSTS[name], workers, _ITEMSIZE, network)


@cache
def _limits_s(workers: int) -> tuple[float, float]:
    """Return half the shortest and twice the longest time on any of the networks."""
    networks = [network_of(us, gb) for us in _LATENCIES_US for gb in _GIGABITS_PER_S]
    ends = [
        _cost(name, workers, size).time_s(network)
        for name in COSTS
        for size in (_SIZES[0], _SIZES[-1])
        for network in networks
    ]
    return min(ends) / 2, max(ends) * 2


def _from(size: float) -> str:
    """Return a crossover as people read it."""
    words = {0.0: "always", math.inf: "never"}
    return words.get(size) or format_count(round_to_two_digits(size))
