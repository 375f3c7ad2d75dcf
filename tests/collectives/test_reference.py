"""The oracle itself, by hand."""

import numpy as np

from mlsys_lib.collectives import reference

XS = [np.array([1, 5, 2]), np.array([4, 0, 2])]


def test_all_reduce() -> None:
    assert [x.tolist() for x in reference.all_reduce(XS)] == [[5, 5, 4]] * 2
    assert [x.tolist() for x in reference.all_reduce(XS, "max")] == [[4, 5, 2]] * 2
    assert [x.tolist() for x in reference.all_reduce(XS, "min")] == [[1, 0, 2]] * 2
    halves = [x / 2 for x in XS]
    assert reference.reduce(halves, "mean").tolist() == [1.25, 1.25, 1.0]


def test_the_rest() -> None:
    assert [x.tolist() for x in reference.broadcast(XS, 1)] == [[4, 0, 2]] * 2
    assert reference.gather(XS).tolist() == [[1, 5, 2], [4, 0, 2]]
    assert [x.tolist() for x in reference.all_gather(XS)] == [[[1, 5, 2], [4, 0, 2]]] * 2
    assert [x.tolist() for x in reference.scatter(np.arange(4).reshape(2, 2))] == [[0, 1], [2, 3]]
    assert [x.tolist() for x in reference.reduce_scatter(XS)] == [[5, 5], [4]]
    rows = [np.array([[1], [2]]), np.array([[3], [4]])]
    assert [x.tolist() for x in reference.all_to_all(rows)] == [[[1], [3]], [[2], [4]]]


def test_results_are_copies() -> None:
    reference.broadcast(XS)[1][:] = 9
    reference.all_reduce(XS)[0][:] = 9
    assert XS[0].tolist() == [1, 5, 2]
