"""When FedProx is sure to make progress: theorem 4 of its paper, with all that it assumes.

Li et al., MLSys 2020, arXiv:1812.06127. Let K clients be drawn by p_i with replacement and averaged
plainly, and let each solve its problem up to γ: its gradient at the end is at most γ ‖∇f_i(w_t)‖.
Then

    E f(w_{t+1}) ≤ f(w_t) - ρ ‖∇f(w_t)‖²,

    ρ = 1/λ - γB/λ - √2 B(1+γ)/(λ̄ √K) - LB(1+γ)/(λ̄ λ) - L(1+γ)²B²/(2 λ̄²)
        - LB²(1+γ)²/(λ̄² K) (2√(2K) + 2).

B bounds the dissimilarity of the clients *where ‖∇f‖² > ε*: nearer to the minimum it has no bound,
so the theorem leads to a neighbourhood of the minimum and no further. The paper writes μ for λ.
"""

import math
from dataclasses import dataclass

from mlsys_lib.core.validate import non_negative, positive, positive_int


@dataclass(frozen=True)
class Decrease:
    """What theorem 4 promises of a round.

    Attributes
    ----------
    rho : float
        ρ; -inf if λ̄ ≤ 0, where the theorem says nothing.
    unmet : tuple of str
        Conditions that fail, in words. Those of γB and of B are necessary for ρ > 0.
    """

    rho: float
    unmet: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Return whether f is sure to fall in expectation."""
        return self.rho > 0 and not self.unmet


def fedprox_decrease(
    *,
    proximal_weight: float,
    smoothness: float,
    dissimilarity: float,
    num_sampled: int,
    inexactness: float = 0.0,
    nonconvexity: float = 0.0,
) -> Decrease:
    """Return ρ and the conditions that are not met.

    Parameters
    ----------
    proximal_weight : float
        λ > 0.
    smoothness : float
        L > 0 of every f_i.
    dissimilarity : float
        B ≥ 1, a bound along the way; see `objective.dissimilarity`.
    num_sampled : int
        K.
    inexactness : float
        γ in [0, 1]; 0 is an exact local solve, 1 no work at all.
    nonconvexity : float
        L₋ ≥ 0: no eigenvalue of a client's second derivatives is below -L₋. λ̄ = λ - L₋.

    Examples
    --------
    Convex and exact, with λ = 6 L B² as in the paper's corollary 7, whose ρ is about 1 / (24 L B²):

    >>> fedprox_decrease(proximal_weight=24, smoothness=1, dissimilarity=2, num_sampled=100).holds
    True
    >>> fedprox_decrease(proximal_weight=24, smoothness=1, dissimilarity=2, num_sampled=4).unmet
    ('dissimilarity must be < sqrt(num_sampled) = 2, got 2', 'rho must be > 0, got -0.0375')
    """
    lam = positive("proximal_weight", proximal_weight)
    L, B = positive("smoothness", smoothness), float(dissimilarity)
    K, gamma = positive_int("num_sampled", num_sampled), float(inexactness)
    if not 1 <= B < math.inf:
        raise ValueError(f"dissimilarity must be finite and >= 1, got {dissimilarity!r}")
    if not 0 <= gamma <= 1:
        raise ValueError(f"inexactness must be in [0, 1], got {inexactness!r}")
    bent = lam - non_negative("nonconvexity", nonconvexity)
    rho = _rho(lam, bent, L, B, K, gamma) if bent > 0 else -math.inf
    rules = (
        (gamma * B < 1, f"inexactness times dissimilarity must be < 1, got {gamma * B:.4g}"),
        (
            math.sqrt(K) > B,
            f"dissimilarity must be < sqrt(num_sampled) = {math.sqrt(K):.4g}, got {B:.4g}",
        ),
        (bent > 0, f"proximal_weight must be > nonconvexity, got {lam:.4g} <= {lam - bent:.4g}"),
        (rho > 0, f"rho must be > 0, got {rho:.3g}"),
    )
    return Decrease(rho, tuple(words for met, words in rules if not met))


def _rho(lam: float, bent: float, L: float, B: float, K: int, gamma: float) -> float:
    """Return ρ, term by term as above; `bent` is λ̄."""
    moved = B * (1 + gamma) / bent  # bounds how far clients move, in units of ‖∇f‖
    return (
        1 / lam
        - gamma * B / lam
        - math.sqrt(2) * moved / math.sqrt(K)
        - L * moved / lam
        - L * moved**2 / 2
        - L * moved**2 * (2 * math.sqrt(2 * K) + 2) / K
    )
