import numpy as np

from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.distributed_trees import common_bins, exact_bins
from tests.conftest import Machine
from tests.distributed_trees.test_planet import shards


def test_bins_of_few_values_and_of_categories_are_those_of_one_machine(machine: Machine) -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.integers(0, 30, 900), rng.normal(size=900), rng.integers(0, 70, 900)]
    ).astype(float)
    X[::9, 0] = np.nan
    parts = [X[rows] for rows in shards(900, machine.world_size)]
    run = machine.run(common_bins, PerRank(parts), 8, categorical=(2,), capacity=64)
    serial = exact_bins(X, 8, categorical=(2,))
    for bins in run.results:
        for f in (0, 2):
            assert np.array_equal(bins.edges[f], serial.edges[f])
        assert bins.categorical.tolist() == [False, False, True]


def test_what_bins_cost_is_the_values_told() -> None:
    """m (m - 1) times k counts, and m (m - 1) times the values of the rank with most."""
    X = np.arange(40.0).reshape(20, 2)
    run = simulate(common_bins, 4, PerRank([X[:10], X[10:15], X[15:], X[:0]]), 4)
    assert run.ledger.total_bytes == 4 * 3 * (2 * 8 + 20 * 2 * 8)
