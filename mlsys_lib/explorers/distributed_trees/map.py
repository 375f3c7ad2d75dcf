"""Who sends less, PLANET or Yggdrasil, by the closed forms of `mlsys_lib.distributed_trees.cost`.

The tests of the trees hold these forms to ledgers of runs. The trees here are full, and the tables
on the map too large to grow them in a page.

Papers count less for PLANET: one statistic a bin, in words of 4 bytes, each sent once. Here it is
three, in words of 8 bytes, each sent about twice, and siblings are subtracted. That is six times as
much for a deep tree, so PLANET becomes the dearer one some levels earlier; the table has both.
"""

import math
from functools import cache, partial

from mlsys_lib.core.units import format_bytes, format_count
from mlsys_lib.distributed_trees.cost import (
    crossover_depth,
    full_levels,
    planet_bytes,
    yggdrasil_bytes,
)
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.collectives import round_to_two_digits
from mlsys_lib.plots.distributed_trees import Case, MapPlot, TrafficMap

WIDTH = 3
"""Statistics of a bin: those of `Variance` and `Newton`."""
MAX_DEPTH = 15
#: Rows and features. Of the first, a 13-fold speedup was told at the Spark Summit of 2016; the
#: second is in the paper on Yggdrasil (NeurIPS 2016); the last is the training part of HIGGS.
CASES = {
    "2 million × 3500": (2 * 10**6, 3500),
    "MNIST-8M": (8_100_000, 784),
    "Fashion-MNIST": (60_000, 784),
    "1 million × 100": (10**6, 100),
    "Higgs": (10_500_000, 28),
}
_SIDES = {
    "2 million × 3500": 2,
    "MNIST-8M": 0,
    "Fashion-MNIST": 2,
    "1 million × 100": 1,
    "Higgs": 0,
}
_ROWS = tuple(round(10 ** (3 + step / 3)) for step in range(19))  # 10³ … 10⁹
_SPOKEN = {10**3: "a thousand", 10**6: "a million", 10**9: "a billion"}


def map_explorer() -> Explorer:
    """Return the explorer: depth, bins and ranks; who sends less, over rows and features."""
    return Explorer(
        name="map",
        title="The map: who sends less, PLANET or Yggdrasil?",
        compute=traffic_map,
        plot=partial(MapPlot, _SIDES, MAX_DEPTH),
        controls=(
            Control("depth", (2, 3, 5, 8, 10, 15), default=5, label="depth D"),
            Control("bins", (32, 256), default=32),
            Control("workers", (2, 8, 64), default=8, label="ranks"),
        ),
        describe=describe_map,
        table=map_table,
    )


def sent_bytes(
    num_rows: int, num_features: int, depth: int, bins: int, workers: int
) -> tuple[int, int]:
    """Return what all ranks send for one full tree, with PLANET and with Yggdrasil.

    PLANET subtracts siblings, and adds a code for missing values to the bins. For Yggdrasil one
    rank owns all winning columns of a level; several owners round up to a byte each.
    """
    counted, tried = (full_levels(depth, subtract=subtract) for subtract in (True, False))
    return (
        planet_bytes(counted, num_features, bins + 1, WIDTH, workers),
        yggdrasil_bytes(tried, [[num_rows]] * depth, WIDTH, workers),
    )


def traffic_map(depth: int, bins: int, workers: int) -> TrafficMap:
    """Return the line on which both send as much, and the marked tables at every depth."""
    first = max(_ROWS[0], 2**depth)  # a full tree has a row in each leaf
    rows = (first, *(num_rows for num_rows in _ROWS if num_rows > first))
    even = []
    for num_rows in rows:
        of_one_feature, yggdrasil = sent_bytes(num_rows, 1, depth, bins, workers)
        even.append(yggdrasil / of_one_feature)
    cases = tuple(_case(name, bins, workers) for name in CASES)
    return TrafficMap(depth, bins, workers, rows, tuple(even), cases)


@cache
def _case(name: str, bins: int, workers: int) -> Case:
    num_rows, num_features = CASES[name]
    depths = range(1, MAX_DEPTH + 1)
    sent = [sent_bytes(num_rows, num_features, depth, bins, workers) for depth in depths]
    return Case(
        name=name,
        num_rows=num_rows,
        num_features=num_features,
        planet_bytes=tuple(planet for planet, _ in sent),
        yggdrasil_bytes=tuple(yggdrasil for _, yggdrasil in sent),
        dearer_from=next((d for d, (p, y) in zip(depths, sent, strict=True) if p > y), None),
        dearer_from_on_paper=crossover_depth(num_rows, num_features, bins, limit=MAX_DEPTH),
    )


def describe_map(shown: TrafficMap) -> str:
    """Say where the line lies, and who sends less for the marked tables."""
    even = dict(zip(shown.rows, shown.even_features, strict=True))
    line = ", ".join(
        f"{format_count(round_to_two_digits(max(1, math.ceil(even[num_rows]))))} at {words} rows"
        for num_rows, words in _SPOKEN.items()
        if num_rows in even
    )
    cases = "; ".join(_verdict(case, shown.depth) for case in shown.cases)
    return (
        f"A map of rows against features, for full trees of depth {shown.depth}, {shown.bins} bins "
        f"and {shown.workers} ranks. Yggdrasil sends less from this many features on: {line}. "
        f"{cases}. Second panel: bits for each row against depth. PLANET doubles with each level, "
        "Yggdrasil adds one bit, and the best cuts of all nodes."
    )


def map_table(shown: TrafficMap) -> Table:
    """Return a row a table: what both send, and from which depth on PLANET sends more."""
    header = (
        "table", "rows", "features", "PLANET", "Yggdrasil", "PLANET / Yggdrasil",
        "PLANET dearer from depth", "the same, as papers count",
    )  # fmt: skip
    at = shown.depth - 1
    rows = [
        (
            case.name,
            format_count(case.num_rows),
            format_count(case.num_features),
            format_bytes(case.planet_bytes[at]),
            format_bytes(case.yggdrasil_bytes[at]),
            float(f"{case.ratio(shown.depth):.3g}"),
            case.dearer_from or f"beyond {MAX_DEPTH}",
            case.dearer_from_on_paper or f"beyond {MAX_DEPTH}",
        )
        for case in shown.cases
    ]
    return header, rows


def _verdict(case: Case, depth: int) -> str:
    ratio = case.ratio(depth)
    winner, factor = ("Yggdrasil", ratio) if ratio > 1 else ("PLANET", 1 / ratio)
    times = f"{factor:.2g}" if factor < 100 else format_count(round_to_two_digits(factor))
    return f"{case.name}: {winner} sends {times} times less"
