"""How private many noisy rounds are: Rényi accounting of the subsampled Gaussian.

Mironov, Talwar & Zhang, "Rényi differential privacy of the sampled Gaussian mechanism", 2019,
arXiv:1908.10530, section 3.3: a round in which each client takes part with probability C, changes
the sum by S at most, and the sum gets noise of standard deviation z S, has at the integer order a

    ρ(a) = 1/(a - 1) · log Σ_{j = 0}^{a} binom(a, j) (1 - C)^{a - j} C^j exp(j (j - 1) / (2 z²))

Rounds add: T of them have T ρ(a). Then (ε, δ) follows, by proposition 12 of Canonne, Kamath &
Steinke, "The discrete Gaussian for differential privacy", NeurIPS 2020, arXiv:2004.00010,

    ε = T ρ(a) + log((a - 1)/a) - (log δ + log a)/(a - 1)

or by the classical ε = T ρ(a) + log(1/δ)/(a - 1) (Mironov, CSF 2017, arXiv:1702.07476), which is
larger. Each order gives a valid ε, and the least is reported. Ours has integer orders only, so that
ε is a little above what fractional orders give where it is large.

Neighbours are data sets that differ by one client, added or removed. Sampling must be by coins
(`PoissonSampling`): for draws of a fixed size the formula does not hold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer, non_negative, one_of, positive

ORDERS = (*range(2, 65), *range(72, 257, 8), 320, 384, 512, 1024)


@dataclass(frozen=True)
class Guarantee:
    """(ε, δ): no result is more than e^ε times as likely with a client than without, but for δ.

    Attributes
    ----------
    epsilon, delta : float
    order : int
        The Rényi order that gave it. At an end of the list, other orders may give less.
    """

    epsilon: float
    delta: float
    order: int


def privacy_spent(
    num_rounds: int,
    *,
    client_fraction: float,
    noise_multiplier: float,
    delta: float,
    orders: Sequence[int] = ORDERS,
    conversion: str = "improved",
) -> Guarantee:
    """Return the guarantee after a number of rounds.

    Parameters
    ----------
    num_rounds : int
        T ≥ 0.
    client_fraction : float
        C in [0, 1], the probability of a client's coin.
    noise_multiplier : float
        z ≥ 0: standard deviation of the noise on the sum by the clipping norm. At 0, ε is inf.
    delta : float
        δ in (0, 1); smaller than 1 by the number of clients, or it promises nothing.
    orders : sequence of int
        Which a are tried, each ≥ 2.
    conversion : {"improved", "classical"}

    Returns
    -------
    Guarantee

    Examples
    --------
    >>> spent = privacy_spent(1000, client_fraction=0.01, noise_multiplier=1.1, delta=1e-5)
    >>> round(spent.epsilon, 3), spent.order
    (1.725, 9)
    """
    num_rounds = integer("num_rounds", num_rounds, 0)
    if not 0 < delta < 1:
        raise ValueError(f"delta must be in (0, 1), got {delta!r}")
    one_of("conversion", conversion, ("improved", "classical"))
    if not len(orders):
        raise ValueError("orders must hold at least one, got none")
    for order in orders:
        _checked(order, client_fraction, noise_multiplier)
    if num_rounds == 0 or client_fraction == 0:
        return Guarantee(0.0, delta, orders[0])
    spent = [
        num_rounds * renyi_divergence(a, client_fraction, noise_multiplier)
        + _price_of_delta(a, delta, conversion)
        for a in orders
    ]
    best = int(np.argmin(spent))
    return Guarantee(max(0.0, spent[best]), delta, orders[best])


def renyi_divergence(order: int, client_fraction: float, noise_multiplier: float) -> float:
    """Return ρ(a) of one round, in nats.

    Parameters
    ----------
    order : int
        a ≥ 2.
    client_fraction : float
        C in [0, 1]. At 1 the sum has one term, and ρ(a) = a / (2 z²).
    noise_multiplier : float
        z ≥ 0. So small that a term is past the range of floats, it gives inf, like zero.

    Returns
    -------
    float
        The divergence of N(0, z²) and its mixture with N(1, z²), the larger of the two directions.
        Cost: a + 1 terms, added as logarithms, so that none overflows.
    """
    order, noise = _checked(order, client_fraction, noise_multiplier)
    if client_fraction == 0:
        return 0.0
    variance = noise * noise  # zero or inf past the range of floats
    if variance == 0 or math.isinf(order * (order - 1) / (2 * variance)):
        return math.inf
    if client_fraction == 1:
        return order / (2 * variance)
    j = np.arange(order + 1)
    terms = _log_binomials(order) + j * (j - 1) / (2 * variance)
    terms += j * math.log(client_fraction) + (order - j) * math.log1p(-client_fraction)
    return max(0.0, float(np.logaddexp.reduce(terms)) / (order - 1))


def noise_multiplier_for(
    epsilon: float,
    num_rounds: int,
    *,
    client_fraction: float,
    delta: float,
    orders: Sequence[int] = ORDERS,
) -> float:
    """Return the least noise multiplier, within one part in a million, that keeps to ε.

    Raises
    ------
    ValueError
        If no noise will do: with large orders missing, ε has a floor.
    """
    positive("epsilon", epsilon)

    def spent(noise: float) -> float:
        return privacy_spent(
            num_rounds,
            client_fraction=client_fraction,
            noise_multiplier=noise,
            delta=delta,
            orders=orders,
        ).epsilon

    low, high = 0.0, 1.0
    while spent(high) > epsilon:
        low, high = high, 2 * high
        if high > 1e9:
            raise ValueError(f"epsilon must be above what orders up to {max(orders)} can show")
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if spent(middle) > epsilon else (low, middle)
    return high


def _checked(order: int, client_fraction: float, noise_multiplier: float) -> tuple[int, float]:
    """Return order and noise as Python's numbers, which turn into inf without a warning."""
    if not 0 <= client_fraction <= 1:
        raise ValueError(f"client_fraction must be in [0, 1], got {client_fraction!r}")
    return integer("order", order, 2), non_negative("noise_multiplier", noise_multiplier)


def _price_of_delta(order: int, delta: float, conversion: str) -> float:
    if conversion == "classical":
        return -math.log(delta) / (order - 1)
    return math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1)


def _log_binomials(order: int) -> np.ndarray:
    """Return log binom(order, j) for j = 0 … order."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, order + 1)))])
    return np.asarray(logs[-1] - logs - logs[::-1])
