import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from mlsys_lib.federated_learning.accountant import (
    ORDERS,
    noise_multiplier_for,
    privacy_spent,
    renyi_divergence,
)


def integrated(order: int, fraction: float, noise: float, *, swapped: bool = False) -> float:
    """The Rényi divergence of N(0, z²) mixed with N(1, z²) from N(0, z²), by quadrature."""

    def log_ratio(x: float) -> float:
        return float(np.log1p(fraction * np.expm1((2 * x - 1) / (2 * noise**2))))

    power = 1 - order if swapped else order

    def integrand(x: float) -> float:
        return math.exp(power * log_ratio(x) + norm.logpdf(x, scale=noise))

    reach = 12 * noise
    value, _ = quad(integrand, -reach - order, reach + order, limit=500, points=[0, order])
    return math.log(value) / (order - 1)


CASES = [(2, 0.1, 1.0), (3, 0.5, 0.7), (5, 0.01, 1.1), (8, 0.3, 2.0), (16, 0.9, 4.0), (4, 1.0, 1.5)]


@pytest.mark.parametrize(("order", "fraction", "noise"), CASES)
def test_the_sum_is_the_integral(order: int, fraction: float, noise: float) -> None:
    expected = integrated(order, fraction, noise)
    assert renyi_divergence(order, fraction, noise) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("order", "fraction", "noise"), CASES[:-1])
def test_the_other_direction_is_not_larger(order: int, fraction: float, noise: float) -> None:
    """Adding a client and removing one: theorem 5 of Mironov, Talwar & Zhang."""
    swapped = integrated(order, fraction, noise, swapped=True)
    assert swapped <= renyi_divergence(order, fraction, noise) + 1e-12


def test_the_sum_in_exact_fractions() -> None:
    """Brute force with exp(1/(2 z²)) = 2: all terms are rational."""
    noise, C = math.sqrt(1 / (2 * math.log(2))), Fraction(1, 4)
    for a in range(2, 12):
        terms = [
            math.comb(a, j) * (1 - C) ** (a - j) * C**j * 2 ** (j * (j - 1)) for j in range(a + 1)
        ]
        exact = math.log(sum(terms)) / (a - 1)
        assert renyi_divergence(a, 0.25, noise) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("noise", [0.5, 1.0, 7.0])
def test_with_everybody_it_is_the_gaussians_closed_form(noise: float) -> None:
    """a / (2 z²); and the limit of fractions near one is the same."""
    for a in (2, 10, 1024):
        assert renyi_divergence(a, 1.0, noise) == a / (2 * noise**2)
        near = renyi_divergence(a, 1 - 1e-13, noise)
        assert near == pytest.approx(a / (2 * noise**2), rel=1e-9)


# ε at these orders by dp-accounting 0.6.0 (RdpAccountant, PoissonSampledDpEvent) and opacus 1.6.0
# (accountants.analysis.rdp); the two agree to 13 digits. With their own, fractional orders the
# first has 1.7118, 5.6551, 2.1657, 1.7036, 3.7759 and 1.6443.
@pytest.mark.parametrize(
    ("num_rounds", "fraction", "noise", "delta", "epsilon", "order"),
    [
        (1000, 0.01, 1.1, 1e-5, 1.7252908180449444, 9),
        (100, 0.1, 1.0, 1e-3, 5.670336417386494, 3),
        (1, 1.0, 2.0, 1e-5, 2.1680106367839715, 10),
        (10000, 0.001, 0.8, 1e-6, 1.720122885906917, 8),
        (50, 0.5, 4.0, 1e-4, 3.7759191767993445, 5),
        (5000, 1000 / 763430, 1.0, 1e-9, 1.6443395432147598, 13),
    ],
)
def test_it_agrees_with_two_other_accountants(
    num_rounds: int, fraction: float, noise: float, delta: float, epsilon: float, order: int
) -> None:
    found = privacy_spent(num_rounds, client_fraction=fraction, noise_multiplier=noise, delta=delta)
    assert found.epsilon == pytest.approx(epsilon, rel=1e-11)
    assert found.order == order


def gaussian_delta(epsilon: float, noise: float) -> float:
    """δ of one Gaussian release, exactly: Balle & Wang, ICML 2018, arXiv:1805.06530, theorem 8."""
    first = norm.cdf(1 / (2 * noise) - epsilon * noise)
    return float(first - math.exp(epsilon) * norm.cdf(-1 / (2 * noise) - epsilon * noise))


@pytest.mark.parametrize("conversion", ["improved", "classical"])
@pytest.mark.parametrize(("num_rounds", "noise"), [(1, 0.8), (1, 3.0), (25, 5.0), (100, 20.0)])
def test_what_is_promised_holds_for_the_exact_gaussian(
    num_rounds: int, noise: float, conversion: str
) -> None:
    """T rounds with everybody are one release with noise z/√T. ε must not be too small."""
    found = privacy_spent(
        num_rounds,
        client_fraction=1.0,
        noise_multiplier=noise,
        delta=1e-5,
        conversion=conversion,
    )
    assert gaussian_delta(found.epsilon, noise / math.sqrt(num_rounds)) <= 1e-5
    assert gaussian_delta(0.6 * found.epsilon, noise / math.sqrt(num_rounds)) > 1e-5


def spent(**changes: float) -> float:
    settings = {"num_rounds": 200, "fraction": 0.05, "noise": 1.2, "delta": 1e-5} | changes
    return privacy_spent(
        int(settings["num_rounds"]),
        client_fraction=settings["fraction"],
        noise_multiplier=settings["noise"],
        delta=settings["delta"],
    ).epsilon


@pytest.mark.parametrize(
    ("name", "rising"),
    [
        ("num_rounds", [0, 1, 10, 100, 1000, 100_000]),
        ("fraction", [0.0, 1e-6, 0.01, 0.3, 0.99, 1.0]),
        ("noise", [100.0, 10.0, 2.0, 1.0, 0.5, 0.1]),
        ("delta", [0.1, 1e-3, 1e-5, 1e-9]),
    ],
)
def test_epsilon_rises_with_rounds_and_fraction_and_falls_with_noise_and_delta(
    name: str, rising: list[float]
) -> None:
    values = [spent(**{name: value}) for value in rising]
    assert values == sorted(values) and len(set(values)) == len(values)


def test_the_improved_conversion_never_gives_more() -> None:
    for noise in (0.6, 1.0, 4.0):
        both = [
            privacy_spent(
                100, client_fraction=0.1, noise_multiplier=noise, delta=1e-5, conversion=c
            ).epsilon
            for c in ("improved", "classical")
        ]
        assert both[0] < both[1]


def test_divergence_rises_with_the_order_and_rounds_add() -> None:
    rising = [renyi_divergence(a, 0.1, 1.3) for a in ORDERS]
    assert rising == sorted(rising)
    one, many = (
        privacy_spent(
            rounds,
            client_fraction=0.1,
            noise_multiplier=2.0,
            delta=1e-5,
            orders=[7],
            conversion="classical",
        ).epsilon
        for rounds in (1, 40)
    )
    assert many - one == pytest.approx(39 * renyi_divergence(7, 0.1, 2.0))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda a, C, z: C * a / (2 * z**2), "C once: the mean of the two divergences"),
        (lambda a, C, z: C**2 * a / (2 * z**2), "the bound for large noise, without its constant"),
        (lambda a, C, z: a / (2 * z**2), "sampling forgotten"),
    ],
)
def test_plausible_formulas_are_not_the_integral(wrong: object, why: str) -> None:
    """Planted. The second one promises too much, which is worse than too little."""
    differences = [wrong(a, C, z) - integrated(a, C, z) for a, C, z in CASES[:-1]]  # type: ignore[operator]
    assert max(abs(d) for d in differences) > 0.05, why


def test_edges() -> None:
    assert renyi_divergence(5, 0.0, 1.0) == 0.0
    assert renyi_divergence(5, 0.5, 0.0) == math.inf
    assert spent(num_rounds=0) == spent(fraction=0.0) == 0.0
    assert spent(noise=0.0) == math.inf
    assert spent(noise=1e6) > 0
    assert renyi_divergence(1024, 0.5, 0.01) == pytest.approx(1024 / (2 * 0.01**2), rel=1e-3)


@pytest.mark.parametrize("fraction", [1e-300, 0.5, 1.0])
@pytest.mark.parametrize("noise", [5e-324, 1e-200, 1e-162, 1e-160, 1e-154, 1e-100, 1e-3])
def test_almost_no_noise_is_never_private(noise: float, fraction: float) -> None:
    """Squared, such a noise is zero or a float without its digits; 0/0 promised ε near zero."""
    for number in (noise, np.float64(noise)):
        for order in (2, 1024, np.int64(1024)):
            divergence = renyi_divergence(order, fraction, number)
            last_term = int(order) / 2 / noise / noise + 2 * math.log(fraction)  # at least
            assert divergence >= (1 - 1e-9) * last_term > 1e5
        assert spent(noise=number, fraction=fraction) > 1e3


@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_noise_without_bound_leaves_no_divergence(fraction: float) -> None:
    for noise in (1e160, np.float64(1e200), 1.7e308):
        assert renyi_divergence(8, fraction, noise) == pytest.approx(0, abs=1e-14)
        assert spent(noise=noise, fraction=fraction) == pytest.approx(
            spent(noise=1e9, fraction=fraction), rel=1e-6
        )


@pytest.mark.parametrize("delta", [1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("epsilon", [0.5, 2.0, 8.0])
def test_the_noise_for_an_epsilon_spends_it_and_not_more(epsilon: float, delta: float) -> None:
    noise = noise_multiplier_for(epsilon, 100, client_fraction=0.05, delta=delta)
    reached = [
        privacy_spent(100, client_fraction=0.05, noise_multiplier=z, delta=delta).epsilon
        for z in (noise, noise * (1 - 1e-5))
    ]
    assert reached[0] <= epsilon < reached[1]


def test_an_epsilon_below_what_the_orders_show_is_refused() -> None:
    with pytest.raises(ValueError, match="epsilon must be above what orders up to 4 can show"):
        noise_multiplier_for(0.01, 10, client_fraction=0.1, delta=1e-5, orders=[2, 3, 4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_rounds": -1}, "num_rounds must be an integer >= 0, got -1"),
        ({"fraction": 1.5}, r"client_fraction must be in \[0, 1\], got 1.5"),
        ({"fraction": -0.1}, r"client_fraction must be in \[0, 1\], got -0.1"),
        ({"noise": -1.0}, "noise_multiplier must be finite and >= 0, got -1.0"),
        ({"noise": math.nan}, "noise_multiplier must be finite and >= 0, got nan"),
        ({"delta": 0.0}, r"delta must be in \(0, 1\), got 0.0"),
        ({"delta": 1.0}, r"delta must be in \(0, 1\), got 1.0"),
    ],
)
@pytest.mark.parametrize("nothing", [{}, {"num_rounds": 0}, {"fraction": 0.0}])
def test_bad_input_is_refused_where_nothing_is_spent_too(
    changes: dict[str, float], message: str, nothing: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match=message):
        spent(**(nothing | changes))


def test_bad_orders_and_conversions_are_refused() -> None:
    common = {"client_fraction": 0.1, "noise_multiplier": 1.0, "delta": 1e-5}
    for num_rounds in (0, 1):
        with pytest.raises(ValueError, match="order must be an integer >= 2, got 1"):
            privacy_spent(num_rounds, orders=[2, 1], **common)
    with pytest.raises(ValueError, match="orders must hold at least one, got none"):
        privacy_spent(1, orders=[], **common)
    with pytest.raises(ValueError, match="conversion must be one of 'improved', 'classical'"):
        privacy_spent(1, conversion="best", **common)
    with pytest.raises(ValueError, match="epsilon must be finite and > 0, got 0"):
        noise_multiplier_for(0, 1, client_fraction=0.1, delta=1e-5)
