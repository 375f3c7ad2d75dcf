import numpy as np
import pytest
from scipy.optimize import linprog

from mlsys_lib.federated_learning.clients import Client, pooled
from mlsys_lib.federated_learning.synthetic import synthetic


def everything(data) -> list[Client]:
    return [pooled([a, b]) for a, b in zip(data.train, data.test, strict=True)]


def test_shapes_sizes_and_the_split_are_those_of_the_generator() -> None:
    data = synthetic(1, 1)
    assert len(data.train) == len(data.test) == 30
    for train, test in zip(data.train, data.test, strict=True):
        n = train.num_examples + test.num_examples
        assert n >= 50
        assert train.num_examples == int(0.9 * n)
        assert train.X.shape[1] == test.X.shape[1] == 60
        assert 0 <= train.y.min() <= train.y.max() < 10
    sizes = [c.num_examples for c in everything(synthetic(0, 0, num_clients=2000, num_features=1))]
    logs = np.log(np.array(sizes) - 50 + 0.5)
    assert np.median(logs) == pytest.approx(4, abs=0.2)
    assert np.std(logs) == pytest.approx(2, abs=0.2)


def test_inputs_have_the_stated_variances_around_the_clients_own_centre() -> None:
    data = synthetic(0, 0, num_clients=1, log_size=10.0, log_size_std=0.0)
    X = everything(data)[0].X
    np.testing.assert_allclose(X.var(axis=0), np.arange(1, 61) ** -1.2, rtol=0.05)


def has_linear_model(X: np.ndarray, y: np.ndarray) -> bool:
    """Whether some W has its largest x W + b at y for every row, by linear programming."""
    rows, k = np.hstack([X, np.ones((len(X), 1))]), 10 * (X.shape[1] + 1)
    constraints = []
    for x, label in zip(rows, y, strict=True):
        for other in set(range(10)) - {int(label)}:
            row = np.zeros((10, len(x)))
            row[other], row[label] = x, -x
            constraints.append(row.ravel())
    bounds = -np.ones(len(constraints))
    return linprog(np.zeros(k), constraints, bounds, bounds=(None, None)).status == 0


def test_labels_are_those_of_a_linear_model_without_noise() -> None:
    """With 3 features labels by chance have no such model; nor have these, if five change."""
    client = everything(synthetic(1, 1, num_clients=1, num_features=3, log_size_std=0.0))[0]
    assert has_linear_model(client.X, client.y)
    labels = client.y.copy()
    labels[:5] = (labels[:5] + 1) % 10
    assert not has_linear_model(client.X, labels)


@pytest.mark.parametrize(("beta", "expected"), [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)])
def test_beta_spreads_the_clients_centres(beta: float, expected: float) -> None:
    """The mean over 60 features of a centre is near B_i, whose standard deviation is β."""
    data = synthetic(0, beta, num_clients=300, log_size_std=0.0)
    centres = [client.X.mean() for client in everything(data)]
    noise = 1 / 60  # of the centre's own draws
    assert np.std(centres) == pytest.approx(np.sqrt(expected**2 + noise), rel=0.15, abs=0.02)


def test_the_iid_variant_has_one_model_and_no_centres() -> None:
    clients = everything(synthetic(5, 5, iid=True, num_clients=5, log_size=7.0, log_size_std=0.0))
    assert max(abs(client.X.mean()) for client in clients) < 0.02
    shares = np.array([np.bincount(c.y, minlength=10) / c.num_examples for c in clients])
    assert np.abs(shares - shares.mean(axis=0)).max() < 0.06
    unlike = everything(synthetic(0, 0, num_clients=5, log_size=7.0, log_size_std=0.0))
    shares = np.array([np.bincount(c.y, minlength=10) / c.num_examples for c in unlike])
    assert np.abs(shares - shares.mean(axis=0)).max() > 0.2  # α = β = 0 is not IID


def test_variance_and_standard_deviation_differ_but_for_zero_and_one() -> None:
    def centres(spread: float, spread_is: str) -> np.ndarray:
        data = synthetic(spread, spread, num_clients=4, log_size_std=0.0, spread_is=spread_is)
        return np.array([c.X.sum() for c in data.train])

    for same in (0.0, 1.0):
        np.testing.assert_array_equal(centres(same, "std"), centres(same, "variance"))
    assert not np.allclose(centres(0.5, "std"), centres(0.5, "variance"))
    np.testing.assert_allclose(centres(0.5, "variance"), centres(np.sqrt(0.5), "std"))


def test_one_seed_gives_one_data_set_and_fewer_clients_are_its_first() -> None:
    one, again, fewer = (
        synthetic(1, 1, num_clients=m, log_size_std=0.5, seed=4) for m in (4, 4, 2)
    )
    other = synthetic(1, 1, num_clients=4, log_size_std=0.5, seed=5)
    assert all(np.array_equal(a.X, b.X) for a, b in zip(one.train, again.train, strict=True))
    assert all(np.array_equal(a.y, b.y) for a, b in zip(one.test[:2], fewer.test, strict=True))
    assert not np.array_equal(one.train[0].X[:40], other.train[0].X[:40])


def test_the_smallest_client_still_has_an_example_to_test_on() -> None:
    data = synthetic(1, 1, num_clients=2, log_size=-9.0, log_size_std=0.0, least_examples=2)
    assert [(a.num_examples, b.num_examples) for a, b in zip(data.train, data.test, strict=True)]
    assert data.train[0].num_examples == data.test[0].num_examples == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_spread": -1.0}, "model_spread must be finite and >= 0, got -1"),
        ({"input_spread": np.inf}, "input_spread must be finite and >= 0, got inf"),
        ({"num_clients": 0}, "num_clients must be an integer >= 1, got 0"),
        ({"num_classes": 0}, "num_classes must be an integer >= 1, got 0"),
        ({"least_examples": 1}, "least_examples must be an integer >= 2, got 1"),
        ({"log_size": np.nan}, "log_size must be finite, got nan"),
        ({"spread_is": "sd"}, "spread_is must be one of 'std', 'variance', got 'sd'"),
    ],
)
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        synthetic(**changes)
