import numpy as np
import pytest

from mlsys_lib.distributed_trees import exact_bins
from mlsys_lib.distributed_trees.bins import edges_of


def test_each_of_few_values_has_a_bin_of_its_own():
    X = np.array([[3.0], [1.0], [1.0], [np.nan], [2.0]])
    bins = exact_bins(X, 8)
    assert bins.encode(X)[:, 0].tolist() == [2, 0, 0, bins.num_slots - 1, 1]


@pytest.mark.parametrize("num_bins", [2, 5, 32, 255, 300])
def test_bins_hold_about_equal_weight_and_keep_the_order(num_bins):
    X = np.random.default_rng(0).normal(size=(3000, 2))
    bins = exact_bins(X, num_bins)
    codes = bins.encode(X)
    assert bins.num_slots == num_bins + 1
    assert codes.dtype == (np.uint8 if num_bins < 256 else np.uint16)
    counts = np.bincount(codes[:, 0], minlength=num_bins)
    assert counts[:num_bins].min() > 0 and counts.max() <= 3000 / num_bins + 2
    order = np.argsort(X[:, 0])
    assert (np.diff(codes[order, 0].astype(int)) >= 0).all()


def test_a_code_is_at_most_b_exactly_where_x_is_at_most_edge_b():
    X = np.rint(np.random.default_rng(0).normal(size=(500, 1)) * 20) / 20
    bins = exact_bins(X, 9)
    codes = bins.encode(X)
    for b, edge in enumerate(bins.edges[0]):
        assert np.array_equal(codes[:, 0] <= b, X[:, 0] <= edge)


def test_categories_have_codes_and_a_new_one_is_missing():
    X = np.array([[7.0], [3.0], [7.0], [np.nan]])
    bins = exact_bins(X, 4, categorical=[0])
    assert bins.encode(X)[:, 0].tolist() == [1, 0, 1, 2]
    assert bins.encode(np.array([[5.0], [9.0]]))[:, 0].tolist() == [2, 2]


def test_a_column_of_one_value_or_of_none_has_one_bin():
    X = np.array([[4.0, np.nan], [4.0, np.nan]])
    bins = exact_bins(X, 4)
    assert bins.num_slots == 2
    assert bins.encode(X).tolist() == [[0, 1], [0, 1]]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="num_bins must be an integer in 2…65534, got 1"):
        exact_bins(np.ones((3, 1)), 1)
    with pytest.raises(ValueError, match=r"X must have 1 columns, got shape \(3, 2\)"):
        exact_bins(np.ones((3, 1)), 4).encode(np.ones((3, 2)))


def test_edges_lie_between_values_and_follow_the_weight():
    assert exact_bins(np.array([[0.0], [1.0]]), 4).edges[0].tolist() == [0.5]
    weights = np.array([900.0, 1, 1, 98])
    assert edges_of(np.arange(4.0), weights, 4).tolist() == [0.5, 1.5, 2.5]
    weights = np.array([96.0, 1, 1, 1, 1])
    assert edges_of(np.arange(5.0), weights, 2).tolist() == [0.5]


def test_small_whole_numbers_do_not_overflow():
    X = np.array([[-128], [127]], np.int8)
    assert exact_bins(X, 4).edges[0].tolist() == [-0.5]


def test_more_categories_than_codes_are_refused():
    X = np.arange(70_000.0)[:, None]
    with pytest.raises(ValueError, match="at most 65534 categories, got 70000 in column 0"):
        exact_bins(X, 4, [0])
