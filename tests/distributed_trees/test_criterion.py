import numpy as np
import pytest

from mlsys_lib.distributed_trees import Entropy, Gini, Newton, Variance, on_grid, steps
from mlsys_lib.distributed_trees.splits import best_split, gains
from tests.distributed_trees.problems import CRITERIA, problem


@pytest.mark.parametrize("name", CRITERIA)
def test_statistics_of_a_union_are_the_sum_and_any_order_gives_the_same_bits(name):
    p = problem(name, 500, weighted=True)
    rng = np.random.default_rng(1)
    whole = p.stats.sum(axis=0)
    for _ in range(20):
        parts = np.array_split(p.stats[rng.permutation(500)], int(rng.integers(1, 60)))
        sums = [part.sum(axis=0) for part in parts]
        total = sums[0]
        for one in sums[1:]:
            total = total + one
        assert np.array_equal(total, whole)
        assert np.array_equal(sum(reversed(sums[1:]), sums[0]), whole)


def test_variance_gain_is_the_squared_error_that_goes_away():
    y = np.array([1.0, 2.0, 7.0, 9.0, 4.0])
    weight = np.array([1.0, 2.0, 1.0, 0.5, 3.0])
    c = Variance()
    stats = c.encode(y, weight)

    def error(rows):
        mean = np.average(y[rows], weights=weight[rows])
        return (weight[rows] * (y[rows] - mean) ** 2).sum()

    left, right, both = [0, 1], [2, 3, 4], [0, 1, 2, 3, 4]
    score = [float(c.score(stats[rows].sum(axis=0))) for rows in (left, right, both)]
    assert score[0] + score[1] - score[2] == pytest.approx(error(both) - error(left) - error(right))
    assert c.value(stats.sum(axis=0))[0] == pytest.approx(np.average(y, weights=weight))


@pytest.mark.parametrize(
    ("criterion", "impurity"),
    [
        (Gini(3), lambda p: 1 - (p * p).sum()),
        (Entropy(3), lambda p: -(p[p > 0] * np.log2(p[p > 0])).sum()),
    ],
    ids=["gini", "entropy"],
)
def test_class_scores_are_the_weighted_impurity_up_to_the_sign(criterion, impurity):
    counts = np.array([[3.0, 1.0, 0.0], [0.0, 5.0, 2.0]])
    weights = counts.sum(axis=1)
    loss = sum(
        w * impurity(c / w)
        for c, w in zip([*counts, counts.sum(0)], [*weights, weights.sum()], strict=True)
    )
    loss -= 2 * weights.sum() * impurity(counts.sum(0) / weights.sum())
    gain = criterion.score(counts).sum() - criterion.score(counts.sum(axis=0))
    assert gain == pytest.approx(-loss)


def test_newton_is_the_best_step_of_a_quadratic():
    c = Newton(l2=2.0)
    stats = c.encode(np.array([[3.0, 1.0], [-1.0, 2.0]]), np.ones(2)).sum(axis=0)
    step = float(c.value(stats)[0])
    loss = [2.0 * s + 0.5 * (3.0 + 2.0) * s * s for s in (step - 1e-3, step, step + 1e-3)]
    assert loss[1] == min(loss)
    assert float(c.score(stats)) == pytest.approx(-loss[1])


@pytest.mark.parametrize("name", CRITERIA)
def test_no_rows_score_nothing(name):
    empty = np.zeros((2, CRITERIA[name].width))
    assert CRITERIA[name].score(empty).tolist() == [0.0, 0.0]
    assert np.isfinite(CRITERIA[name].value(empty)).all()


def test_a_label_that_is_no_class_is_refused():
    for y in ([0, 3], [-1, 1]):
        with pytest.raises(ValueError, match=r"y must be in 0…2, got"):
            Gini(3).encode(np.array(y), np.ones(2))
    assert Gini(3).encode(np.empty(0, int), np.empty(0)).shape == (0, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_targets_that_are_no_numbers_are_refused_on_the_way_to_the_grid(bad):
    stats = Variance().encode(np.array([1.0, bad]), np.ones(2))
    with pytest.raises(ValueError, match="stats must be finite"):
        steps(np.abs(stats).max(axis=0), 2)


def test_weights_and_orders_by_hand():
    newton = Newton(2.0)
    stats = newton.encode(np.array([[3.0, 0.5], [-1.0, 4.0]]), np.array([1.0, 3.0]))
    assert newton.weight(stats).tolist() == [1, 3]
    assert newton.order(stats).tolist() == [3 / 2.5, -3 / 14]
    variance = Variance()
    assert variance.encode(np.array([3.0]), np.array([2.0])).tolist() == [[2, 6, 18]]
    sums = variance.encode(np.array([1.0, 2.0]), np.array([5.0, 1.0]))
    assert variance.order(sums).tolist() == [1, 2]
    assert Gini(2).order(np.array([[9.0, 3.0], [0.0, 2.0]])).tolist() == [0.25, 1]


def test_whole_numbers_do_not_overflow():
    y = np.array([4_000_000_000])
    assert Variance().encode(y, np.array([1])).tolist() == [[1, 4e9, 1.6e19]]


def test_a_category_that_a_node_has_not_seen_goes_right():
    histogram = np.zeros((1, 4, 3))  # three categories, and missing; nobody has category 1
    histogram[0, 0], histogram[0, 2] = [3, 30, 300], [3, 60, 1200]
    _, _, goes_left, _, _ = best_split(histogram, Variance(), np.array([True]), 1.0)
    assert goes_left.tolist() == [True, False, False, True]


def test_what_rounding_seems_to_gain_is_no_gain():
    whole = np.array([[3.0, 0.3, 0.03]])
    left = np.array([[1.0, np.nextafter(0.1, 1), 0.01]])
    assert np.isneginf(gains(left, whole, Variance(), 0.0)).all()


def test_a_grid_reaches_from_the_smallest_numbers_to_sums_that_overflow():
    tiny = np.array([[3e-310], [5e-324]])
    rounded = on_grid(tiny, steps(np.array([3e-310]), 2))
    assert np.array_equal(rounded, tiny)
    with pytest.raises(ValueError, match="sums of stats must be finite"):
        steps(np.array([1e306]), 1000)
