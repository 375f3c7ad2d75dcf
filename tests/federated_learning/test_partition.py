import numpy as np
import pytest

from mlsys_lib.federated_learning.partition import (
    dirichlet_partition,
    iid_partition,
    lognormal_partition,
    power_law_partition,
    shard_partition,
)

LABELS = np.random.default_rng(0).integers(0, 10, 1003)
SCHEMES = {
    "iid": lambda m, seed: iid_partition(1003, m, seed=seed),
    "dirichlet": lambda m, seed: dirichlet_partition(LABELS, m, 0.3, seed=seed),
    "dirichlet, tiny": lambda m, seed: dirichlet_partition(LABELS, m, 1e-6, seed=seed),
    "dirichlet, large": lambda m, seed: dirichlet_partition(LABELS, m, 1e6, seed=seed),
    "shards": lambda m, seed: shard_partition(LABELS, m, shards_per_client=1, seed=seed),
    "lognormal": lambda m, seed: lognormal_partition(1003, m, 2.0, seed=seed),
    "power law": lambda m, seed: power_law_partition(1003, m, 1.5, seed=seed),
}
each_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


@each_scheme
@pytest.mark.parametrize("m", [1, 2, 7, 100, 1003])
def test_every_example_is_dealt_once_and_nobody_goes_without(scheme, m: int) -> None:
    parts = scheme(m, 0)
    assert len(parts) == m
    assert min(len(part) for part in parts) >= 1
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(1003))
    assert all((np.diff(part) > 0).all() for part in parts)


@each_scheme
def test_a_seed_gives_one_partition_and_another_another(scheme) -> None:
    one, again, other = scheme(7, 0), scheme(7, 0), scheme(7, 1)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def shares(parts, num_classes: int = 10) -> np.ndarray:
    counts = [np.bincount(LABELS[part], minlength=num_classes) for part in parts]
    return np.array([c / c.sum() for c in counts])


def test_concentration_leads_from_few_classes_to_the_mixture_of_all() -> None:
    whole = np.bincount(LABELS) / len(LABELS)
    largest = []
    for concentration in (0.05, 1.0, 1e6):
        parts = dirichlet_partition(LABELS, 10, concentration)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        largest.append(float(np.mean(shares(parts).max(axis=1))))
    assert largest[0] > 0.6 > largest[1] > largest[2]
    assert np.abs(shares(parts) - whole).max() < 0.05  # the last one has what rounding left


def test_proportions_of_the_first_client_are_dirichlet() -> None:
    """The variance of a share, over seeds, is p (1 - p) / (1 + α · classes)."""
    labels, concentration = np.repeat(np.arange(4), 1000), 0.5
    first = [
        np.mean(labels[dirichlet_partition(labels, 80, concentration, seed=seed)[0]] == 0)
        for seed in range(200)
    ]
    assert np.mean(first) == pytest.approx(0.25, abs=0.04)
    assert np.var(first) == pytest.approx(0.25 * 0.75 / (1 + 4 * concentration), rel=0.2)


def test_shards_leave_most_clients_with_two_classes() -> None:
    """McMahan's digits: 10 classes of equal size, 100 clients, 200 shards."""
    labels = np.repeat(np.arange(10), 200)
    parts = shard_partition(labels, 100)
    numbers = [len(np.unique(labels[part])) for part in parts]
    assert max(numbers) == 2  # equal classes: no cut falls within one
    assert numbers.count(2) > 80
    assert {len(part) for part in parts} == {20}
    together = [len(np.unique(labels[part])) for part in iid_partition(2000, 100)]
    assert min(together) > 4  # the plain deal would fail the first line


def test_quantity_skew_grows_with_its_parameter_and_is_none_at_zero() -> None:
    for scheme in (lognormal_partition, power_law_partition):
        none = [len(part) for part in scheme(1003, 10, 0.0)]
        assert max(none) - min(none) <= 1
        ratios = []
        for parameter in (0.5, 2.0):
            sizes = [len(part) for part in scheme(1003, 10, parameter)]
            ratios.append(max(sizes) / np.median(sizes))
        assert ratios[1] > ratios[0] > 1.2
    sizes = sorted(len(part) for part in power_law_partition(100_010, 10, 1.0))
    assert sizes[-1] / sizes[-2] == pytest.approx(2, rel=1e-3)
    assert sizes[-1] / sizes[-5] == pytest.approx(5, rel=1e-3)


def test_extreme_skew_still_leaves_everybody_one_example() -> None:
    for scheme in (lognormal_partition, power_law_partition):
        sizes = [len(part) for part in scheme(20, 10, 50.0)]
        assert sorted(sizes) == [1] * 9 + [11]


def test_one_class_and_one_example_are_enough() -> None:
    parts = dirichlet_partition(np.zeros(7, int), 3, 0.1)
    assert sorted(len(part) for part in parts) == [2, 2, 3]
    assert [part.tolist() for part in iid_partition(1, 1)] == [[0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: iid_partition(3, 4), "num_examples must be an integer >= 4, got 3"),
        (lambda: iid_partition(3, 0), "num_clients must be an integer >= 1, got 0"),
        (lambda: iid_partition(3, 1, seed=-1), "seed must be an integer >= 0, got -1"),
        (
            lambda: dirichlet_partition(LABELS, 3, 0.0),
            "concentration must be finite and > 0, got 0",
        ),
        (lambda: dirichlet_partition(LABELS[:2], 3, 1.0), "num_examples must be an integer >= 3"),
        (lambda: dirichlet_partition(LABELS + 0.5, 3, 1.0), "labels must be one integer for each"),
        (
            lambda: shard_partition(LABELS[:5], 3),
            "num_clients times shards_per_client must be <= 5 examples, got 6",
        ),
        (lambda: lognormal_partition(5, 2, -1.0), "spread must be finite and >= 0, got -1"),
        (lambda: power_law_partition(5, 2, np.nan), "exponent must be finite and >= 0, got nan"),
    ],
)
def test_what_cannot_be_dealt_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
