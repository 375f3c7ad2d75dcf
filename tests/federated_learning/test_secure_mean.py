import numpy as np
import pytest

from mlsys_lib.federated_learning.aggregation import MeanByExamples, Update
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.key_agreement import Group
from mlsys_lib.federated_learning.local import LocalSgd
from mlsys_lib.federated_learning.model import LeastSquares
from mlsys_lib.federated_learning.rounds import federate
from mlsys_lib.federated_learning.sampling import UniformWithoutReplacement
from mlsys_lib.federated_learning.secure_mean import SecureMeanByExamples
from mlsys_lib.federated_learning.shamir import seeded_draw

SMALL = Group("61 bits", 4611686018427377339, 4)


def updates_of(sizes: list[int], k: int = 6) -> list[Update]:
    rng = np.random.default_rng(0)
    return [Update(i, rng.normal(size=k), n, 1, 0.0) for i, n in enumerate(sizes)]


@pytest.mark.parametrize("fractional_bits", [10, 20, 32])
@pytest.mark.parametrize("sizes", [[1, 1], [900, 100], [3, 17, 200, 1, 1]])
def test_it_is_the_mean_by_examples_up_to_the_rounding(
    sizes: list[int], fractional_bits: int
) -> None:
    updates, weights = updates_of(sizes), np.random.default_rng(1).normal(size=6)
    secure = SecureMeanByExamples(
        fractional_bits=fractional_bits, group=SMALL, draw=seeded_draw(b"mean")
    )
    shares = np.array(sizes) / sum(sizes)
    plain = MeanByExamples()(weights, updates, shares)
    error = np.abs(secure(weights, updates, shares) - plain).max()
    assert error <= 2.0**-fractional_bits
    assert fractional_bits > 20 or error > 0


def test_a_client_that_was_drawn_twice_counts_twice() -> None:
    updates = [updates_of([5, 10])[i] for i in (0, 1, 1)]
    found = SecureMeanByExamples(group=SMALL)(np.zeros(6), updates, np.array([1 / 3, 2 / 3]))
    np.testing.assert_allclose(found, MeanByExamples()(np.zeros(6), updates, np.ones(2)), atol=1e-9)


def test_a_single_update_is_not_opened() -> None:
    weights = np.ones(6)
    found = SecureMeanByExamples(group=SMALL)(weights, updates_of([5]), np.ones(1))
    assert np.array_equal(found, weights) and found is not weights


def test_one_client_that_was_drawn_twice_is_not_opened() -> None:
    update, weights = updates_of([5])[0], np.ones(6)
    found = SecureMeanByExamples(group=SMALL)(weights, [update, update], np.ones(1))
    assert np.array_equal(found, weights) and found is not weights


def test_bits_are_those_of_the_ring() -> None:
    """In 16 bits, 9 of them behind the point, two summands reach ±31.99."""
    weights, shares = np.zeros(1), np.full(2, 0.5)
    updates = [Update(i, np.array([4.0]), 10, 1, 0.0) for i in range(2)]
    wide = SecureMeanByExamples(bits=64, fractional_bits=9, group=SMALL)
    assert wide(weights, updates, shares) == 4
    narrow = SecureMeanByExamples(bits=16, fractional_bits=9, group=SMALL)
    with pytest.raises(ValueError, match=r"values must be in ±31.99\d* for sums of 2 not to wrap"):
        narrow(weights, updates, shares)


def test_an_update_that_does_not_fit_is_refused() -> None:
    updates = [Update(i, np.full(6, 1e12), 10, 1, 0.0) for i in range(2)]
    with pytest.raises(ValueError, match=r"values must be in ±.* for sums of 2 not to wrap"):
        SecureMeanByExamples(group=SMALL)(np.zeros(6), updates, np.full(2, 0.5))


def test_rounds_of_fedavg_are_the_same_with_it() -> None:
    rng = np.random.default_rng(2)
    clients = [Client(rng.normal(size=(n, 4)), rng.normal(size=n)) for n in (5, 9, 30, 2, 11)]
    plain, secure = (
        federate(
            LeastSquares(4),
            clients,
            np.zeros(4),
            num_rounds=6,
            sampling=UniformWithoutReplacement(0.6),
            local_solver=LocalSgd(2, 4, 0.1),
            aggregation=aggregation,
        ).weights
        for aggregation in (MeanByExamples(), SecureMeanByExamples(group=SMALL))
    )
    np.testing.assert_allclose(secure, plain, atol=1e-8)
    assert not np.array_equal(secure, plain)
