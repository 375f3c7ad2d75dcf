import math
from itertools import product

import numpy as np
import pytest

from mlsys_lib.federated_learning.convergence import fedprox_decrease
from mlsys_lib.federated_learning.fixed_points import quadratic_client
from mlsys_lib.federated_learning.model import LeastSquares
from mlsys_lib.federated_learning.objective import (
    dissimilarity,
    federated_gradient,
    federated_loss,
)

GOOD = {"proximal_weight": 24.0, "smoothness": 1.0, "dissimilarity": 2.0, "num_sampled": 1000}


def test_the_terms_add_up_as_in_the_theorem() -> None:
    lam, bent, L, B, K, gamma = 8.0, 7.5, 1.5, 1.2, 9, 0.1
    got = fedprox_decrease(
        proximal_weight=lam, smoothness=L, dissimilarity=B, num_sampled=K, inexactness=gamma,
        nonconvexity=lam - bent,
    )  # fmt: skip
    terms = [
        1 / lam,
        -gamma * B / lam,
        -B * (1 + gamma) * math.sqrt(2) / (bent * math.sqrt(K)),
        -L * B * (1 + gamma) / (bent * lam),
        -L * (1 + gamma) ** 2 * B**2 / (2 * bent**2),
        -L * B**2 * (1 + gamma) ** 2 / (bent**2 * K) * (2 * math.sqrt(2 * K) + 2),
    ]
    assert got.rho == pytest.approx(sum(terms), rel=1e-13)


def test_the_papers_corollary_has_its_rate() -> None:
    """Corollary 7: convex, exact, λ ≈ 6 L B², 1 << B <= √K / 2, and ρ about 1/(24 L B²)."""
    for B in (50.0, 200.0):
        for smoothness in (0.5, 3.0):
            got = fedprox_decrease(
                proximal_weight=6 * smoothness * B**2, smoothness=smoothness, dissimilarity=B,
                num_sampled=int(4 * B**2),
            )  # fmt: skip
            assert got.holds
            assert got.rho * smoothness * B**2 == pytest.approx(1 / 24, rel=0.2)


@pytest.mark.parametrize("lam", [8.0, 20.0, 100.0])
def test_f_falls_by_what_is_promised(lam: float) -> None:
    """All draws of K clients by p_i counted out, each solving its problem exactly."""
    centres, shares, K = np.array([0.0, 0.1, -0.1]), np.array([0.5, 0.25, 0.25]), 6
    clients = [
        quadratic_client(np.eye(1), np.array([c]), n)
        for c, n in zip(centres, (2, 1, 1), strict=True)
    ]
    model, w = LeastSquares(1), np.array([3.0])
    B = dissimilarity(model, w, clients)
    promise = fedprox_decrease(proximal_weight=lam, smoothness=1.0, dissimilarity=B, num_sampled=K)
    assert promise.holds
    solved = (centres + lam * w) / (1 + lam)
    expected = sum(
        np.prod(shares[list(draw)])
        * federated_loss(model, np.array([solved[list(draw)].mean()]), clients)
        for draw in product(range(3), repeat=K)
    )
    slope = float(federated_gradient(model, w, clients)[0])
    before = federated_loss(model, w, clients)
    assert expected <= before - promise.rho * slope**2
    assert expected > before - slope**2 / lam  # the first term alone would promise too much


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"dissimilarity": 40.0}, "dissimilarity must be < sqrt(num_sampled) = 31.62, got 40"),
        ({"inexactness": 0.6}, "inexactness times dissimilarity must be < 1, got 1.2"),
        ({"nonconvexity": 24.0}, "proximal_weight must be > nonconvexity, got 24 <= 24"),
        ({"proximal_weight": 1.0}, "rho must be > 0, got -"),
    ],
)
def test_each_condition_is_named_where_it_fails(changes: dict, words: str | None) -> None:
    got = fedprox_decrease(**(GOOD | changes))
    assert got.holds == (words is None)
    if words:
        assert any(unmet.startswith(words) for unmet in got.unmet)
        assert got.rho <= 0


def test_conditions_on_dissimilarity_are_necessary() -> None:
    """No λ, L makes ρ positive where γ B >= 1 or B >= √K."""
    for lam in 10.0 ** np.arange(-2, 5):
        for smoothness in (1e-9, 1e-3, 1.0):
            base = {"proximal_weight": lam, "smoothness": smoothness}
            one = fedprox_decrease(**base, dissimilarity=3.0, num_sampled=9)
            two = fedprox_decrease(**base, dissimilarity=2.0, num_sampled=10**9, inexactness=0.5)
            assert one.rho <= 0
            assert two.rho <= 0


def test_no_inexactness_and_equal_clients_are_best() -> None:
    best = fedprox_decrease(**(GOOD | {"dissimilarity": 1.0})).rho
    assert best > fedprox_decrease(**GOOD).rho
    assert fedprox_decrease(**GOOD).rho > fedprox_decrease(**GOOD, inexactness=0.1).rho


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"proximal_weight": 0.0}, "proximal_weight must be finite and > 0, got 0"),
        ({"proximal_weight": -1.0}, "proximal_weight must be finite and > 0, got -1"),
        ({"dissimilarity": 0.9}, "dissimilarity must be finite and >= 1, got 0.9"),
        ({"dissimilarity": math.inf}, "dissimilarity must be finite and >= 1, got inf"),
        ({"inexactness": 1.1}, r"inexactness must be in \[0, 1\], got 1.1"),
        ({"num_sampled": 0}, "num_sampled must be an integer >= 1, got 0"),
        ({"nonconvexity": -1.0}, "nonconvexity must be finite and >= 0, got -1"),
    ],
)
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fedprox_decrease(**(GOOD | changes))
