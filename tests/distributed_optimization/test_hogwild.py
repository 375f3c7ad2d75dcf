import numpy as np
import pytest

from mlsys_lib.distributed_optimization import Objective, Squared, hogwild, solve
from tests.distributed_optimization.tables import problem


def test_without_staleness_it_is_stochastic_gradient_descent() -> None:
    objective = problem("logistic")
    run = hogwild(objective, lambda t: 1 / (t + 1), 50, 0, np.random.default_rng(0))
    rng, w = np.random.default_rng(0), np.zeros(7)
    for step in range(1, 51):
        w = w - 1 / step * objective.batch_gradient(w, rng.integers(60, size=1))
    np.testing.assert_allclose(run.weights, w, atol=1e-14)
    assert len(run.history) == 51


def test_no_step_is_lost_only_read_late() -> None:
    """Gradients that do not depend on w: the order of reading makes no difference at all."""

    class Slope:
        """f(w) = w: the same gradient everywhere."""

        num_features, num_examples = 1, 1

        def batch_gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
            return np.ones(1)

    runs = [
        hogwild(Slope(), 0.1, 30, s, np.random.default_rng(1)).weights  # type: ignore[arg-type]
        for s in (0, 4, 100)
    ]
    assert np.allclose(runs, -3.0)


@pytest.mark.parametrize("staleness", [1, 7])
def test_a_read_misses_at_most_the_newest_steps(staleness: int) -> None:
    """Each read is the newest weights less some subset of the last s changes."""
    objective, reads = problem("squared"), []

    class Spy:
        num_features, num_examples = 7, 60

        def batch_gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
            reads.append(w)
            return objective.batch_gradient(w, rows)

    run = hogwild(Spy(), 0.05, 40, staleness, np.random.default_rng(2))  # type: ignore[arg-type]
    changes, missed, partly = np.diff(run.history, axis=0), 0, 0
    for step, read in enumerate(reads):
        newest = changes[max(0, step - staleness) : step]
        subsets = [np.zeros(7)]
        for change in newest:
            subsets += [subset + change for subset in subsets]
        distances = [np.abs(run.history[step] - subset - read).max() for subset in subsets]
        assert min(distances) < 1e-12
        bits = int(np.argmin(distances))  # which of the newest were missing
        missed += bits.bit_count()
        partly += 0 < bits < len(subsets) - 1
    assert 0.3 < missed / (40 * staleness) < 0.6  # about half of those that could be
    assert staleness == 1 or partly > 20  # each by itself, not all or none


def test_staleness_costs_steps_where_examples_share_features_and_hardly_where_not() -> None:
    """Why it is for sparse data: what a worker has not seen rarely matters to its own example."""
    n, d = 60, 60
    apart = Objective(np.eye(n), np.ones(n), Squared(), 0.0)
    shared = Objective(np.ones((n, 1)), np.ones(n), Squared(), 0.0)
    worse = {}
    for name, objective, rate in (("apart", apart, 0.9), ("shared", shared, 0.9)):
        ends = [
            objective.value(hogwild(objective, rate, 120, s, np.random.default_rng(3)).weights)
            for s in (0, 6)
        ]
        worse[name] = ends[1] / max(ends[0], 1e-30)
    assert d == n
    assert worse["apart"] < 1.5
    assert worse["shared"] > 1e6


def test_it_nears_the_minimum_and_records_now_and_then() -> None:
    objective = problem("logistic")
    run = hogwild(
        objective, lambda t: min(0.5, 40 / (t + 40)), 6000, 8, np.random.default_rng(0), 1000
    )
    assert run.time_s == (0, 1000, 2000, 3000, 4000, 5000, 6000)
    assert objective.value(run.weights) - solve(objective).value < 0.01


def test_a_run_that_diverges_stops_with_finite_weights_and_says_so() -> None:
    run = hogwild(problem("squared"), 1e6, 999, 2, np.random.default_rng(0))
    assert run.diverged_at is not None
    assert np.isfinite(run.history).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"staleness": -1}, "staleness must be an integer >= 0, got -1"),
        ({"num_steps": 0}, "num_steps must be an integer >= 1, got 0"),
        ({"learning_rate": -0.1}, "learning_rate must be finite and > 0, got -0.1"),
        ({"record_every": 0}, "record_every must be an integer >= 1, got 0"),
    ],
)
def test_bad_input_is_refused(options: dict, message: str) -> None:
    good = {"learning_rate": 0.1, "num_steps": 5, "staleness": 2, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=message):
        hogwild(problem("squared"), **(good | options))


def test_the_end_is_always_recorded() -> None:
    run = hogwild(problem("squared"), 0.1, 5, 2, np.random.default_rng(0), 3)
    assert run.time_s == (0, 3, 5)
    every = hogwild(problem("squared"), 0.1, 5, 2, np.random.default_rng(0))
    assert np.array_equal(run.history, every.history[[0, 3, 5]])
