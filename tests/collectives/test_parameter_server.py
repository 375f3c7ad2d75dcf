"""Synchronous servers, one or sharded, equal gradient descent in one place."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import parameter_server_all_reduce, reference, train_synchronous
from mlsys_lib.comm import PerRank
from tests.collectives import bodies, checks, quadratic
from tests.conftest import Machine


def check_equals_serial(machine: Machine, train: Callable[..., Any], **kwargs: Any) -> None:
    """Every rank ends with the same bits, those of serial gradient descent up to rounding."""
    num_workers = machine.world_size - kwargs.get("num_servers", 1)
    run = machine.run(train, np.zeros(5), quadratic.gradient, 30, 0.2, **kwargs)
    assert len({result.tobytes() for result in run.results}) == 1
    expected = quadratic.serial(num_workers, 30, 0.2)
    np.testing.assert_allclose(run.results[0], expected, rtol=1e-12)


def test_synchronous_training_is_serial_gradient_descent(several: Machine) -> None:
    check_equals_serial(several, train_synchronous)


@pytest.mark.parametrize("num_servers", [1, 2, 3])
def test_sharding_changes_nothing(several: Machine, num_servers: int) -> None:
    if num_servers < several.world_size:
        check_equals_serial(several, train_synchronous, num_servers=num_servers)


@pytest.mark.parametrize("num_servers", [1, 2, 3, 4, 7])
def test_sharded_all_reduce_is_the_reference(several: Machine, num_servers: int) -> None:
    if num_servers > several.world_size:
        return
    for op in ("sum", "mean", "min"):
        xs = checks.arrays(several.world_size, (2, 5), "float64")
        run = several.run(parameter_server_all_reduce, PerRank(xs), op, num_servers=num_servers)
        np.testing.assert_allclose(run.results, reference.all_reduce(xs, op), rtol=1e-13)
        assert len({result.tobytes() for result in run.results}) == 1


def test_bytes_of_a_step(several: Machine) -> None:
    """A worker sends k elements a step, a server W k / S."""
    num_steps, workers = 3, several.world_size - 1
    run = several.run(train_synchronous, np.zeros(5), quadratic.gradient, num_steps, 0.1)
    assert run.ledger.sent_bytes == (num_steps * workers * 40, *[num_steps * 40] * workers)
    assert run.ledger.rounds == 2 * num_steps


def test_weights_are_not_modified(pair: Machine) -> None:
    weights = np.zeros(5)
    pair.run(train_synchronous, weights, quadratic.gradient, 2, 0.1)
    assert not weights.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"weights": np.zeros((2, 2))},
            "weights must be one-dimensional and floating, got",
        ),
        ({"weights": np.zeros(3, int)}, "weights must be one-dimensional and floating, got int64"),
        ({"num_servers": 2}, "num_servers must be an integer in 1…1, got 2"),
        ({"num_steps": -1}, "num_steps must be an integer >= 0, got -1"),
        ({"learning_rate": -0.1}, "learning_rate must be finite and > 0, got -0.1"),
    ],
)
def test_bad_input_is_refused(pair: Machine, change: dict[str, Any], message: str) -> None:
    call = {"weights": np.zeros(3), "num_steps": 1, "learning_rate": 0.1}
    run = pair.run(
        bodies.error_of, train_synchronous, gradient=quadratic.gradient, **{**call, **change}
    )
    assert all(text.startswith(f"ValueError: {message}") for text in run.results), run.results
    assert run.ledger.messages == ()


def test_one_rank_cannot_serve_and_work() -> None:
    run = Machine(1, None).run(
        bodies.error_of, train_synchronous, np.zeros(2), quadratic.gradient, 1, 0.1
    )
    message = "ValueError: world_size must be >= 2 (a server and a worker), got 1"
    assert run.results == (message,)


@pytest.mark.parametrize("num_servers", [0, 3])
def test_number_of_servers_is_checked(pair: Machine, num_servers: int) -> None:
    run = pair.run(
        bodies.error_of, parameter_server_all_reduce, np.zeros(2), num_servers=num_servers
    )
    message = f"ValueError: num_servers must be an integer in 1…2, got {num_servers}"
    assert set(run.results) == {message}
    assert run.ledger.messages == ()
