import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlsys_lib.comm import ProcessPool
from mlsys_lib.distributed_trees.estimators import (
    STRATEGIES,
    DistributedTreesClassifier,
    DistributedTreesRegressor,
)

WAYS = (
    ("planet", "tree"), ("yggdrasil", "boosting"), ("voting", "forest"),
    ("reduce-scatter", "boosting"),
)  # fmt: skip


def expected_failures(estimator):
    if estimator.ensemble != "forest":
        return {}
    reason = "a row of weight two is drawn once or never; two rows are drawn each by itself"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


@parametrize_with_checks(
    [
        kind(strategy=strategy, ensemble=ensemble, max_depth=3, num_workers=2)
        for kind in (DistributedTreesRegressor, DistributedTreesClassifier)
        for strategy, ensemble in WAYS
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("ensemble", ["tree", "forest", "boosting"])
def test_every_way_to_distribute_trains_the_model_of_one_machine(ensemble):
    """Bins for all values, so that columns' exact cuts and rows' bins are the same cuts."""
    X, y = load_breast_cancer(return_X_y=True)
    X = np.rint(X[:, :6] * 4)
    options = {"ensemble": ensemble, "max_depth": 4, "num_trees": 4, "num_bins": 2000, "top_k": 6}
    alone = DistributedTreesClassifier(**options).fit(X, y)
    for strategy in STRATEGIES:
        model = DistributedTreesClassifier(strategy=strategy, num_workers=3, **options).fit(X, y)
        assert np.array_equal(model.predict_proba(X), alone.predict_proba(X)), strategy
        assert model.ledger_.total_bytes > 0 == alone.ledger_.total_bytes


def test_on_processes_the_model_and_the_bytes_are_those_of_the_simulator(pool: ProcessPool):
    X, y = load_diabetes(return_X_y=True)
    for strategy in STRATEGIES:
        model = DistributedTreesRegressor(
            strategy=strategy, num_workers=3, ensemble="forest", num_trees=2, max_depth=3
        )
        real = clone(model).fit(X, y, pool=pool)
        model.fit(X, y)
        assert np.array_equal(model.predict(X), real.predict(X))
        assert model.ledger_.sent_bytes == real.ledger_.sent_bytes


def test_columns_give_the_trees_of_scikit_learn():
    X, y = load_diabetes(return_X_y=True)
    ours = DistributedTreesRegressor(strategy="yggdrasil", num_workers=4, max_depth=3).fit(X, y)
    theirs = DecisionTreeRegressor(max_depth=3).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X))


def test_boosting_is_as_good_as_scikit_learns():
    X, y = load_breast_cancer(return_X_y=True)
    train, test = np.arange(len(y)) % 3 > 0, np.arange(len(y)) % 3 == 0
    ours = DistributedTreesClassifier(ensemble="boosting", num_trees=30, max_depth=3)
    theirs = HistGradientBoostingClassifier(
        max_iter=30, max_depth=3, min_samples_leaf=1, early_stopping=False
    )
    scores = [m.fit(X[train], y[train]).score(X[test], y[test]) for m in (ours, theirs)]
    assert scores[0] > 0.94 and abs(scores[0] - scores[1]) < 0.02


def test_without_bins_there_are_no_bins_to_tell_of():
    X, y = load_diabetes(return_X_y=True)
    assert DistributedTreesRegressor(strategy="yggdrasil", max_depth=1).fit(X, y).num_bins_ is None


def test_bins_that_are_told_are_those_that_were_used():
    """Many equal values leave few edges; categories are counted as they are; NaN is none."""
    skewed = np.append(np.zeros(900), np.arange(1, 101))
    X = np.column_stack([skewed, np.arange(1000) % 60, np.where(np.arange(1000) % 5, 1.0, np.nan)])
    model = DistributedTreesRegressor(num_bins=16, categorical=(1,)).fit(X, skewed)
    assert model.num_bins_.tolist() == [len(np.unique(model.ensemble_.bins.edges[0])) + 1, 60, 1]
    assert model.num_bins_[0] < 16


def test_each_option_is_used():
    X, y = load_diabetes(return_X_y=True)
    classes = np.digitize(y, [100, 200])

    def regress(**options):
        settings = {"max_depth": 3, "num_trees": 2, **options}
        return DistributedTreesRegressor(**settings).fit(X, y).predict(X)

    assert not np.array_equal(regress(), regress(min_weight=60.0))
    assert not np.array_equal(regress(), regress(num_bins=4))
    forest, boosting = {"ensemble": "forest"}, {"ensemble": "boosting"}
    assert not np.array_equal(regress(**forest), regress(**forest, seed=1))
    for option in ({"num_trees": 3}, {"learning_rate": 0.5}, {"l2": 50.0}, {"max_depth": 1}):
        assert not np.array_equal(regress(**boosting), regress(**boosting, **option))
    roots = [
        DistributedTreesClassifier(criterion=name, max_depth=1).fit(X, classes).ensemble_.trees[0]
        for name in ("gini", "entropy")
    ]
    assert roots[0].gain[0] != roots[1].gain[0]


def test_strategies_and_votes_differ_in_their_bytes():
    X, y = load_diabetes(return_X_y=True)
    settings = [{"strategy": strategy, "top_k": 1} for strategy in STRATEGIES]
    settings.append({"strategy": "voting", "top_k": 2})
    sent = [
        DistributedTreesRegressor(num_workers=3, max_depth=2, **each).fit(X, y).ledger_.total_bytes
        for each in settings
    ]
    assert len(set(sent)) == len(settings)


def test_classes_are_told_by_their_names():
    X, y = load_breast_cancer(return_X_y=True)
    named = np.array(["malignant", "benign"])[y]
    model = DistributedTreesClassifier(ensemble="boosting", num_trees=3).fit(X, named)
    assert set(model.predict(X)) == {"malignant", "benign"} and model.score(X, named) > 0.9
    assert len(model.ensemble_.trees) == 3  # two classes need one tree a round
    model.set_params(ensemble="tree")  # of the next fit
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.fit(X, named).predict_proba(X).shape == (569, 2)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_a_pool_is_used_if_there_is_one():
    class Pool:
        def run(self, *args, **kwargs):
            raise ZeroDivisionError

    X, y = load_diabetes(return_X_y=True)
    for strategy in ("planet", "yggdrasil"):
        with pytest.raises(ZeroDivisionError):
            DistributedTreesRegressor(strategy=strategy).fit(X, y, pool=Pool())


@pytest.mark.parametrize("ensemble", ["tree", "forest", "boosting"])
def test_targets_far_from_zero_lose_no_gain(ensemble):
    X, y = load_diabetes(return_X_y=True)
    for strategy in ("planet", "yggdrasil"):
        model = DistributedTreesRegressor(strategy=strategy, ensemble=ensemble, max_depth=3)
        near, far = model.fit(X, y).predict(X), model.fit(X, y + 1e6).predict(X)
        np.testing.assert_allclose(far - 1e6, near, atol=1e-3)


def test_fewer_bins_are_used_where_there_are_fewer_values_and_the_model_says_so():
    X = np.column_stack([np.arange(50) % 3, np.arange(50)]).astype(float)
    model = DistributedTreesRegressor(num_bins=16).fit(X, X[:, 1])
    assert model.num_bins_.tolist() == [3, 16]


@pytest.mark.parametrize("missing", [0.0, 10.0])
def test_a_category_that_was_not_seen_goes_where_missing_values_go(missing):
    X = np.array([[0.0], [0.0], [1.0], [1.0], [np.nan], [np.nan]])
    y = np.array([0.0, 0.0, 10.0, 10.0, missing, missing])
    model = DistributedTreesRegressor(max_depth=1, categorical=(0,)).fit(X, y)
    new = np.array([[0.0], [1.0], [np.nan], [7.0]])
    assert np.allclose(model.predict(new), [0, 10, missing, missing])
    assert new[3, 0] == 7


def test_missing_values_teach_which_way_to_go():
    X, y = load_diabetes(return_X_y=True)
    X = X.copy()
    gone = y > np.median(y)
    X[gone, 2] = np.nan
    for strategy in STRATEGIES:
        model = DistributedTreesRegressor(strategy=strategy, num_workers=2, max_depth=1).fit(X, y)
        tree = model.ensemble_.trees[0]
        assert tree.feature[0] == 2 and np.isinf(tree.threshold[0]) and not tree.missing_left[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "horovod"}, "strategy must be one of 'planet', 'reduce-scatter'"),
        ({"num_workers": 0}, "num_workers must be an integer >= 1, got 0"),
        ({"max_depth": 31}, "max_depth must be an integer in 0…30, got 31"),
        ({"num_bins": 1}, "num_bins must be an integer in 2…65534, got 1"),
        ({"ensemble": "stack"}, "ensemble must be one of 'tree', 'forest', 'boosting'"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and > 0"),
        ({"l2": -1.0}, "l2 must be finite and >= 0"),
        ({"top_k": 0}, "top_k must be an integer >= 1"),
        ({"num_trees": 0}, "num_trees must be an integer >= 1"),
        ({"min_weight": -1.0}, "min_weight must be finite and >= 0"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"seed": None}, "seed must be an integer >= 0, got None"),
        ({"categorical": (10,)}, "categorical must be an integer in 0…9, got 10"),
        ({"categorical": (-1,)}, "categorical must be an integer >= 0, got -1"),
        ({"criterion": "gini"}, "criterion must be one of 'auto', 'variance'"),
        ({"strategy": "yggdrasil", "categorical": (1,)}, "categorical must be empty where columns"),
    ],
)
def test_what_cannot_be_trained_is_refused(options, message):
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises((ValueError, TypeError, RuntimeError), match=message):
        DistributedTreesRegressor(**options).fit(X, y)


def test_one_class_only_is_refused():
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.raises(ValueError, match="at least two classes, got one class"):
        DistributedTreesClassifier().fit(X, np.zeros(len(y)))
