import numpy as np
import pytest

from mlsys_lib.distributed_trees import exact_bins, grow_exact_tree, grow_histogram_tree
from mlsys_lib.distributed_trees.combine import Alone
from mlsys_lib.distributed_trees.histogram_tree import count
from tests.distributed_trees.problems import CRITERIA, exact, problem


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("name", CRITERIA)
def test_with_a_bin_for_each_value_it_is_the_exact_tree(name, missing):
    p = problem(name, 150, 3, missing=missing, levels=3, weighted=True)
    bins = exact_bins(p.X, 200)
    ours = grow_histogram_tree(bins.encode(p.X), p.stats, bins, p.criterion, 4)
    theirs = grow_exact_tree(p.X, p.stats, p.criterion, 4)
    assert ours.num_nodes == theirs.num_nodes > 7
    for what in ("feature", "left", "right", "stats", "gain", "missing_left", "depth"):
        assert np.array_equal(getattr(ours, what), getattr(theirs, what)), what
    assert np.array_equal(ours.predict(p.X), theirs.predict(p.X))


@pytest.mark.parametrize("name", CRITERIA)
def test_subtraction_changes_nothing(name):
    p = problem(name, 500, missing=0.1)
    bins = exact_bins(p.X, 16)
    trees = [
        grow_histogram_tree(bins.encode(p.X), p.stats, bins, p.criterion, 5, subtract=subtract)
        for subtract in (True, False)
    ]
    assert trees[0].same_as(trees[1])


def test_histograms_are_sums_over_the_rows_of_a_node_and_a_bin():
    p = problem("gini", 80, 3, missing=0.1)
    bins = exact_bins(p.X, 5)
    codes = bins.encode(p.X)
    slot = np.random.default_rng(0).integers(-1, 3, 80)
    histograms = count(codes, p.stats, slot, 3, bins.num_slots)
    for node, f, b in np.ndindex(histograms.shape[:3]):
        rows = (slot == node) & (codes[:, f] == b)
        assert np.array_equal(histograms[node, f, b], p.stats[rows].sum(axis=0))


def test_categories_are_cut_in_the_order_of_their_means():
    rng = np.random.default_rng(0)
    effect = np.array([5.0, 0.0, 5.0, 0.0, 5.0])
    X = rng.integers(0, 5, (200, 1)).astype(float)
    p = problem("variance")
    y = effect[X[:, 0].astype(int)]
    stats = exact(p.criterion.encode(y, np.ones(200)))
    bins = exact_bins(X, 8, categorical=[0])
    tree = grow_histogram_tree(bins.encode(X), stats, bins, p.criterion, 1)
    assert sorted(tree.categories[0]) == [1, 3]
    assert np.array_equal(tree.predict(X)[:, 0], y)


def test_no_rows_give_one_leaf_of_nothing():
    p = problem("variance", 10)
    bins = exact_bins(p.X, 4)
    tree = grow_histogram_tree(bins.encode(p.X[:0]), p.stats[:0], bins, p.criterion, 3)
    assert tree.num_nodes == 1 and tree.value.tolist() == [[0.0]]


def test_rows_and_statistics_that_do_not_match_are_refused():
    p = problem("variance", 10)
    bins = exact_bins(p.X, 4)
    with pytest.raises(ValueError, match="stats must have a row for each of 10, got 9"):
        grow_histogram_tree(bins.encode(p.X), p.stats[:9], bins, p.criterion, 3)
    with pytest.raises(ValueError, match="stats must have a row for each of 10, got 9"):
        grow_exact_tree(p.X, p.stats[:9], p.criterion, 3)


def test_a_table_without_columns_is_refused():
    p = problem("variance", 10)
    bins = exact_bins(p.X[:, :0], 4)
    with pytest.raises(ValueError, match=r"at least one column, got shape \(10, 0\)"):
        grow_histogram_tree(bins.encode(p.X[:, :0]), p.stats, bins, p.criterion, 3)


def test_the_lighter_child_is_the_one_that_is_counted():
    p = problem("variance", 300, weighted=True)
    bins = exact_bins(p.X, 8)
    counted = []

    class Noting(Alone):
        def sums(self, histograms):
            counted.append(p.criterion.weight(histograms[:, 0].sum(axis=1)))
            return histograms

    tree = grow_histogram_tree(bins.encode(p.X), p.stats, bins, p.criterion, 4, combine=Noting())
    weight = p.criterion.weight(tree.stats)
    for depth, own in enumerate(counted[1:]):
        parents = np.flatnonzero((tree.depth == depth) & (tree.left >= 0))
        lighter = np.minimum(weight[tree.left[parents]], weight[tree.right[parents]])
        assert own.tolist() == lighter.tolist()
