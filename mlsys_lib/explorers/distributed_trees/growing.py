"""A tree grows on two features, in runs of PLANET, of Yggdrasil and of voting parallel.

The data are the breast cancer set of scikit-learn (Street, Wolberg & Mangasarian, "Nuclear feature
extraction for breast tumor diagnosis", 1993, doi:10.1117/12.148698): 569 tumors, and of each the
mean radius and the mean texture of its cell nuclei. Bins are cut beforehand, from all rows, and
their messages are not counted.

What every rank has sent is read from the ledger. A run to a smaller depth sends the same messages
and then stops, so the lengths of shorter runs tell where each level begins; within a level the
order of the algorithm tells the kinds apart.
"""

from functools import cache

import numpy as np

from mlsys_lib.collectives import ring_all_gather, tree_all_reduce
from mlsys_lib.comm import PerRank, Run, simulate
from mlsys_lib.core.units import format_bytes
from mlsys_lib.distributed_trees import (
    Gini,
    Tree,
    exact_bins,
    grow_exact_tree,
    grow_histogram_tree,
    planet_tree,
    voting_tree,
    yggdrasil_tree,
)
from mlsys_lib.distributed_trees.tree import LEAF
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.distributed_trees import Cut, GrowingPlot, Growth, Region

#: What each strategy sends in a level, in this order.
KINDS = {
    "PLANET": ("histograms",),
    "Yggdrasil": ("best cuts", "row bits"),
    "voting": ("votes", "histograms"),
}
#: The collective by which the first of two kinds is sent.
_FIRST = {"Yggdrasil": tree_all_reduce, "voting": ring_all_gather}
LEVELS = 5
TOP_K = 1
FEATURES = ("mean radius", "mean texture")
CLASSES = ("malignant", "benign")
_NUM_BINS = 32
_CRITERION = Gini(len(CLASSES))
_REMARKS = {
    "PLANET": "Each rank holds rows, and adds up its share of every histogram: all send alike.",
    "Yggdrasil": "Only two ranks can hold a column, but all of them pass cuts and bits on.",
    "voting": (
        f"Each rank votes for {TOP_K} feature a node. Where all vote alike, only its histogram "
        "travels, and the tree may miss a better cut; else both travel. Votes and siblings, which "
        "PLANET subtracts, come on top: voting is made for many features, not for two."
    ),
}


def growing_explorer() -> Explorer:
    """Return the explorer: strategy, ranks and levels; the tree, and who has sent what for it."""
    return Explorer(
        name="growing",
        title="A tree grows on two features, and who sends what",
        compute=growth,
        plot=lambda: GrowingPlot(*_tumors(), FEATURES, CLASSES),
        controls=(
            Control("strategy", tuple(KINDS), default="PLANET"),
            Control("workers", (2, 4, 8), default=4, label="ranks"),
            Control("depth", range(LEVELS + 1), default=3, label="levels", play=True),
        ),
        describe=describe_growth,
        table=growth_table,
    )


def growth(strategy: str, workers: int, depth: int) -> Growth:
    """Return the tree that a run to `depth` grows, and the bytes that it sent by kind.

    Depth 0 is the moment before the first message.
    """
    X, y = _tumors()
    tree: Tree = _run(strategy, workers, depth).results[0]
    regions, cuts = regions_and_cuts(tree)
    sent = sent_bytes(strategy, workers)
    before = max(0, depth - 1)
    earlier = {kind: levels[:before].sum(axis=0) for kind, levels in sent.items()}
    newest = {kind: levels[before:depth].sum(axis=0) for kind, levels in sent.items()}
    return Growth(
        strategy=strategy,
        workers=workers,
        depth=depth,
        regions=regions,
        cuts=cuts,
        num_rows=len(y),
        num_wrong=int((tree.predict(X).argmax(axis=1) != y).sum()),
        num_missed_cuts=len({*regions_and_cuts(serial_tree(strategy, depth))[1]} - {*cuts}),
        holds=_holds(strategy, workers),
        earlier_bytes={kind: tuple(rank.tolist()) for kind, rank in earlier.items()},
        newest_bytes={kind: tuple(rank.tolist()) for kind, rank in newest.items()},
        limit_bytes=_most_bytes(workers),
    )


def describe_growth(growth: Growth) -> str:
    """Say what the tree is like, and who has sent what."""
    leaves = "1 leaf" if growth.depth == 0 else f"{len(growth.regions)} leaves"
    start = (
        f"Strategy {growth.strategy}, {growth.workers} ranks, level {growth.depth} of {LEVELS}. "
        f"The tree has {leaves} and misreads {growth.num_wrong} of {growth.num_rows} tumors."
    )
    remark = _REMARKS[growth.strategy]
    if growth.depth == 0:
        return f"{start} Nothing is cut and nothing is sent yet. {remark}"
    asked = [sum(cut.feature == f for cut in growth.newest_cuts) for f in (0, 1)]
    cuts = f"The newest cuts are {asked[0]} of {FEATURES[0]} and {asked[1]} of {FEATURES[1]}."
    missed = growth.num_missed_cuts
    likeness = f"It misses {missed} of the cuts of" if missed else "It is the same tree as on"
    return f"{start} {cuts} {likeness} one machine. {_describe_messages(growth)} {remark}"


def _describe_messages(growth: Growth) -> str:
    kinds = " and ".join(
        f"{format_bytes(sum(growth.kind_bytes(kind)))} of {kind}" for kind in KINDS[growth.strategy]
    )
    newest = format_bytes(sum(map(sum, growth.newest_bytes.values())))
    low, high = (format_bytes(end(growth.sent_bytes)) for end in (min, max))
    each = low if low == high else f"{low} to {high}"
    return (
        f"All ranks together have sent {kinds}, {newest} of it for the newest level; "
        f"each rank {each}."
    )


def growth_table(growth: Growth) -> Table:
    """Return a row a rank: what it holds, and the bytes that it has sent by kind."""
    kinds = KINDS[growth.strategy]
    rows = []
    for rank, what in enumerate(growth.holds):
        by_kind = [growth.kind_bytes(kind)[rank] for kind in kinds]
        newest = sum(growth.newest_bytes[kind][rank] for kind in kinds)
        rows.append((rank, what, *by_kind, sum(by_kind), newest))
    counted = [f"{name} (bytes)" for name in (*kinds, "sum", "newest level")]
    return ("rank", "holds", *counted), rows


def regions_and_cuts(tree: Tree) -> tuple[tuple[Region, ...], tuple[Cut, ...]]:
    """Return the leaves of a tree over two features, and its cuts, as shapes in their plane."""
    corners = {0: ((-np.inf, -np.inf), (np.inf, np.inf))}
    regions, cuts = [], []
    for node in range(tree.num_nodes):
        low, high = corners.pop(node)
        feature, threshold = int(tree.feature[node]), float(tree.threshold[node])
        if feature == LEAF:
            regions.append(Region(low, high, int(tree.value[node].argmax())))
            continue
        level, other = int(tree.depth[node]) + 1, 1 - feature
        cuts.append(Cut(feature, threshold, low[other], high[other], level))
        corners[int(tree.left[node])] = low, _with(high, feature, threshold)
        corners[int(tree.right[node])] = _with(low, feature, threshold), high
    return tuple(regions), tuple(cuts)


@cache
def sent_bytes(strategy: str, workers: int) -> dict[str, np.ndarray]:
    """Return for each kind the bytes that ranks sent for each level, shape (LEVELS, workers).

    The sum over all rows, which voting makes before its first level, counts as a histogram of
    level 1. A run of PLANET to depth 0 sends that sum as well, and none that goes deeper does.
    """
    kinds = KINDS[strategy]
    sent = {kind: np.zeros((LEVELS, workers), np.int64) for kind in kinds}
    first = (0,) * workers  # messages of the first kind, for each rank
    if strategy in _FIRST:
        first = simulate(_FIRST[strategy], workers, np.zeros(1)).ledger.sent_messages
    ledgers = [_run(strategy, workers, depth).ledger for depth in range(LEVELS + 1)]
    for rank in range(workers):
        sizes = [message[4] for message in ledgers[-1].messages if message[0] == rank]
        ends = [ledger.sent_messages[rank] for ledger in ledgers]
        if strategy == "PLANET":
            ends[0] = 0
        sent[kinds[-1]][0, rank] = sum(sizes[: ends[0]])
        for level in range(LEVELS):
            middle = ends[level] + first[rank]
            sent[kinds[0]][level, rank] += sum(sizes[ends[level] : middle])
            sent[kinds[-1]][level, rank] += sum(sizes[middle : ends[level + 1]])
    return sent


@cache
def serial_tree(strategy: str, depth: int) -> Tree:
    """Return what one machine grows from all the data: by histograms, or exactly."""
    X, _ = _tumors()
    if strategy == "Yggdrasil":
        return grow_exact_tree(X, _stats(), _CRITERION, depth)
    bins = exact_bins(X, _NUM_BINS)
    return grow_histogram_tree(bins.encode(X), _stats(), bins, _CRITERION, depth)


@cache
def _run(strategy: str, workers: int, depth: int) -> Run:
    """Grow a tree on simulated ranks."""
    X, _ = _tumors()
    if strategy == "Yggdrasil":
        columns = _columns(workers)
        own = PerRank([X[:, features] for features in columns])
        return simulate(yggdrasil_tree, workers, own, _stats(), PerRank(columns), _CRITERION, depth)
    bins = exact_bins(X, _NUM_BINS)
    codes, stats = (
        PerRank([table[rows] for rows in _rows(workers)]) for table in (bins.encode(X), _stats())
    )
    if strategy == "PLANET":
        return simulate(planet_tree, workers, codes, stats, bins, _CRITERION, depth)
    return simulate(voting_tree, workers, codes, stats, bins, _CRITERION, depth, top_k=TOP_K)


@cache
def _most_bytes(workers: int) -> int:
    """Return the most that a rank sends, with any strategy, for all levels."""
    return max(max(_run(strategy, workers, LEVELS).ledger.sent_bytes) for strategy in KINDS)


@cache
def _tumors() -> tuple[np.ndarray, np.ndarray]:
    """Return `FEATURES` of shape (569, 2), and the index in `CLASSES` of each row."""
    from sklearn.datasets import load_breast_cancer  # imported here: it takes long

    data = load_breast_cancer()
    wanted = [list(data.feature_names).index(name) for name in FEATURES]
    return data.data[:, wanted], data.target


def _stats() -> np.ndarray:
    """Return every row's statistics; counts are whole numbers, and so on a grid already."""
    _, y = _tumors()
    return _CRITERION.encode(y, np.ones(len(y)))


def _rows(workers: int) -> list[np.ndarray]:
    """Deal out the rows in turns."""
    return [np.arange(len(_tumors()[1]))[rank::workers] for rank in range(workers)]


def _columns(workers: int) -> list[np.ndarray]:
    """Deal out the columns; most ranks get none."""
    return np.array_split(np.arange(len(FEATURES)), workers)


def _holds(strategy: str, workers: int) -> tuple[str, ...]:
    """Return what lies with each rank, in words."""
    if strategy == "Yggdrasil":
        short = [name.removeprefix("mean ") for name in FEATURES]
        return tuple(" ".join(short[f] for f in own) or "no column" for own in _columns(workers))
    return tuple(f"{len(rows)} rows" for rows in _rows(workers))


def _with(corner: tuple[float, float], feature: int, value: float) -> tuple[float, float]:
    return (value, corner[1]) if feature == 0 else (corner[0], value)
