import numpy as np
import pytest

from mlsys_lib.distributed_trees import grow_exact_tree
from mlsys_lib.distributed_trees.columns import Columns, CompressedColumn, SortedColumn
from tests.distributed_trees.problems import CRITERIA, problem


@pytest.mark.parametrize("num_nodes", [1, 3, 70])  # 70: more cells than twice the rows
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_compressed_and_sorted_columns_have_the_same_runs(num_nodes, missing):
    p = problem("variance", 120, 1, missing=missing, levels=3, weighted=True)
    x, slot = p.X[:, 0], np.random.default_rng(0).integers(-1, num_nodes, 120)
    compressed = CompressedColumn(np.unique(x[~np.isnan(x)]), x)
    ours, theirs = (c.runs(slot, p.stats, num_nodes) for c in (compressed, SortedColumn(x)))
    for name, values in vars(ours).items():
        assert np.array_equal(values, getattr(theirs, name)), name
    for threshold in (-0.5, 0.0, np.inf):
        answers = [c.goes_left(threshold, missing_left=True) for c in (compressed, SortedColumn(x))]
        assert np.array_equal(*answers)


def test_runs_are_what_adding_up_row_by_row_gives():
    p = problem("gini", 90, 1, levels=2, missing=0.1)
    x, slot = p.X[:, 0], np.random.default_rng(1).integers(-1, 4, 90)
    runs = SortedColumn(x).runs(slot, p.stats, 4)
    wanted = sorted({(int(s), float(v)) for s, v in zip(slot, x, strict=True) if s >= 0 and v == v})
    assert list(zip(runs.node.tolist(), runs.value.tolist(), strict=True)) == wanted
    for (node, value), up_to in zip(wanted, runs.up_to, strict=True):
        assert np.array_equal(up_to, p.stats[(slot == node) & (x <= value)].sum(axis=0))


@pytest.mark.parametrize("name", CRITERIA)
def test_a_tree_is_the_same_with_and_without_compression(name, monkeypatch):
    p = problem(name, 300, 4, missing=0.1, levels=4)
    compressed = grow_exact_tree(p.X, p.stats, p.criterion, 8)
    monkeypatch.setattr("mlsys_lib.distributed_trees.columns.MOST_CODES", 0)
    assert compressed.same_as(grow_exact_tree(p.X, p.stats, p.criterion, 8))


def test_a_compressed_column_takes_a_byte_a_row_and_a_sorted_one_sixteen():
    rng = np.random.default_rng(0)
    for num_values, missing, num_bytes in (
        (256, False, 5000 + 256 * 8), (257, False, 5000 * 16),
        (255, True, 5000 + 255 * 8), (256, True, 5000 * 16 - 8),
    ):  # fmt: skip
        x = rng.permutation(np.arange(5000) % num_values).astype(float)
        if missing:
            x[np.flatnonzero(x == 0)[0]] = np.nan
        assert Columns(x[:, None], np.array([0])).num_bytes == num_bytes


def test_a_column_of_nothing_but_missing_values_is_never_cut():
    p = problem("variance", 20, 2)
    p.X[:, 0] = np.nan
    tree = grow_exact_tree(p.X, p.stats, p.criterion, 3)
    assert 0 not in tree.feature and tree.num_nodes > 3
