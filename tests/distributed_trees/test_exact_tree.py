import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlsys_lib.distributed_trees import grow_exact_tree
from mlsys_lib.distributed_trees.tree import LEAF
from tests.distributed_trees.problems import CRITERIA, best_by_brute_force, problem


@pytest.mark.parametrize("depth", [0, 1, 3, 6])
def test_it_predicts_what_scikit_learns_regressor_predicts(depth):
    p = problem("variance", 400)
    ours = grow_exact_tree(p.X, p.stats, p.criterion, depth)
    theirs = DecisionTreeRegressor(max_depth=depth or None, max_leaf_nodes=None if depth else 2)
    if depth:
        theirs.fit(p.X, p.y)
        assert ours.num_nodes == theirs.tree_.node_count
        np.testing.assert_allclose(ours.predict(p.X)[:, 0], theirs.predict(p.X), rtol=1e-9)
    else:
        np.testing.assert_allclose(ours.predict(p.X)[:, 0], p.y.mean())


@pytest.mark.parametrize("name", ["gini", "entropy"])
def test_it_predicts_what_scikit_learns_classifier_predicts(name):
    p = problem(name, 400)
    ours = grow_exact_tree(p.X, p.stats, p.criterion, 4)
    theirs = DecisionTreeClassifier(criterion=name, max_depth=4).fit(p.X, p.y)
    np.testing.assert_allclose(ours.predict(p.X), theirs.predict_proba(p.X), atol=1e-12)


@pytest.mark.parametrize("min_weight", [1.0, 9.0])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("name", CRITERIA)
def test_each_split_is_the_best_that_brute_force_finds(name, missing, min_weight):
    p = problem(name, 60, 3, missing=missing, levels=2, weighted=True)
    tree = grow_exact_tree(p.X, p.stats, p.criterion, 3, min_weight=min_weight)
    assert tree.num_nodes > 3
    at = {0: np.arange(60)}
    for node in range(tree.num_nodes):
        rows = at[node]
        gain, feature = best_by_brute_force(p, rows, min_weight)
        if tree.feature[node] == LEAF:
            assert gain < 1e-9 or tree.depth[node] == 3
            continue
        assert tree.gain[node] == pytest.approx(gain)
        assert tree.feature[node] == feature
        x = p.X[rows, feature]
        left = np.where(np.isnan(x), tree.missing_left[node], x <= tree.threshold[node])
        at[int(tree.left[node])], at[int(tree.right[node])] = rows[left], rows[~left]
    for node, rows in at.items():
        assert np.array_equal(tree.stats[node], p.stats[rows].sum(axis=0))


def test_of_equal_gains_the_lowest_feature_then_the_lowest_cut_wins():
    x = np.array([0.0, 1.0, 2.0, 3.0])
    X = np.column_stack([x, x])
    p = problem("variance")
    stats = p.criterion.encode(np.array([0.0, 1.0, 1.0, 0.0]), np.ones(4))
    tree = grow_exact_tree(X, stats, p.criterion, 1)
    assert (tree.feature[0], tree.threshold[0]) == (0, 0.5)


def test_missing_rows_go_where_it_helps():
    X = np.array([[0.0], [1.0], [np.nan], [np.nan]])
    p = problem("variance")
    for y, missing_left, threshold in (
        ([0.0, 9.0, 9.0, 9.0], False, 0.5),
        ([0.0, 9.0, 0.0, 0.0], True, 0.5),
        ([0.0, 0.0, 9.0, 9.0], False, np.inf),  # present against missing
    ):
        stats = p.criterion.encode(np.array(y), np.ones(4))
        tree = grow_exact_tree(X, stats, p.criterion, 1)
        assert (bool(tree.missing_left[0]), tree.threshold[0]) == (missing_left, threshold)
        assert tree.predict(X)[:, 0].tolist() == y


@pytest.mark.parametrize("X", [np.ones((5, 2)), np.full((5, 2), np.nan), np.ones((5, 0))])
def test_where_nothing_can_be_told_apart_there_is_one_leaf(X):
    p = problem("variance", 5)
    tree = grow_exact_tree(X, p.stats, p.criterion, 3)
    assert tree.num_nodes == 1
    assert tree.predict(X)[:, 0] == pytest.approx([p.y.mean()] * 5)


@pytest.mark.parametrize(("depth", "error"), [(-1, ValueError), (31, ValueError), (1.5, TypeError)])
def test_a_depth_out_of_range_is_refused(depth, error):
    p = problem("variance", 5)
    with pytest.raises(error, match="max_depth must be an integer in 0…30"):
        grow_exact_tree(p.X, p.stats, p.criterion, depth)
