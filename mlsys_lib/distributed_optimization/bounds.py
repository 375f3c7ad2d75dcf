"""How far f can be above f* after t steps: the inequalities behind the convergence table.

Each is for iterates that cost `step` gradients, t >= 1. Where the method is stochastic, the bound
is one of the mean over runs. A bound assumes a step size; the docstring names it.

>>> gradient_descent_bound(10, smoothness=1, radius=1), huber_gap(10, smoothness=1, radius=1)
(0.05, 0.023809523809523808)
"""

import math


def subgradient_bound(step: int, *, gradient_bound: float, radius: float) -> float:
    """Return R_w G / √t, for the average of t iterates with steps R_w / (G √t), f G-Lipschitz.

    Bubeck 2015, arXiv:1405.4980, theorem 3.2; with G² >= E‖g‖² of a stochastic subgradient it
    holds in the mean (Nemirovski, Juditsky, Lan & Shapiro, SIAM Journal on Optimization 19(4),
    2009, doi:10.1137/070704277, section 2.2).
    """
    return radius * gradient_bound / math.sqrt(step)


def gradient_descent_bound(step: int, *, smoothness: float, radius: float) -> float:
    """Return L R_w² / (2t), for the last iterate with steps 1/L, f L-smooth and convex.

    Nesterov 2004, corollary 2.1.2, has 2 L R_w² / (t + 4); this constant is in Beck & Teboulle
    2009, doi:10.1137/080716542, theorem 3.1.
    """
    return smoothness * radius**2 / (2 * step)


def huber_gap(step: int, *, smoothness: float, radius: float) -> float:
    """Return L R_w² / (4t + 2): the bound that cannot be improved (Drori & Teboulle 2014)."""
    return smoothness * radius**2 / (4 * step + 2)


def linear_bound(step: int, *, smoothness: float, strong_convexity: float, radius: float) -> float:
    """Return L R_w²/2 ((κ - 1)/(κ + 1))^(2t), for the last iterate with steps 2/(L + μ).

    Nesterov 2004, theorem 2.1.15.
    """
    contraction = (smoothness - strong_convexity) / (smoothness + strong_convexity)
    return smoothness * radius**2 / 2 * contraction ** (2 * step)


def smooth_sgd_bound(step: int, *, smoothness: float, noise: float, radius: float) -> float:
    """Return R_w σ / √t + L R_w² / (2t), for the average of w_1 … w_t, steps 1/(L + σ √t / R_w).

    Bubeck 2015, theorem 6.3, with his R_w² half of ours; σ² bounds the variance of the gradient.
    """
    return radius * noise / math.sqrt(step) + gradient_descent_bound(
        step, smoothness=smoothness, radius=radius
    )


def strongly_convex_sgd_bound(
    step: int, *, smoothness: float, strong_convexity: float, noise: float, gap: float
) -> float:
    """Return 2κ max(σ²/μ, f(w_0) - f*) / (t + 2κ), for the last iterate, steps 2/(μ (t + 2κ)).

    Bottou, Curtis & Nocedal 2018, doi:10.1137/16M1080173, theorem 4.7, with β = 2/μ, the least
    shift γ that it allows, and noise of bounded variance σ².
    """
    doubled = 2 * smoothness / strong_convexity
    return doubled * max(noise**2 / strong_convexity, gap) / (step + doubled)


def weighted_average_bound(step: int, *, gradient_bound: float, strong_convexity: float) -> float:
    """Return 2 G²/(μ (t + 1)), for the rising average of t iterates, steps 2/(μ (step + 2)).

    Lacoste-Julien, Schmidt & Bach 2012, arXiv:1212.2002. f need not be smooth;
    G² >= E‖g‖² where the iterates go.
    """
    return 2 * gradient_bound**2 / (strong_convexity * (step + 1))


def accelerated_bound(step: int, *, smoothness: float, radius: float) -> float:
    """Return 2 L R_w² / (t + 1)², for Nesterov's method (Beck & Teboulle 2009, theorem 4.4)."""
    return 2 * smoothness * radius**2 / (step + 1) ** 2


def accelerated_linear_bound(
    step: int, *, smoothness: float, strong_convexity: float, radius: float, gap: float
) -> float:
    """Return (1 - 1/√κ)^t (f(w_0) - f* + μ R_w²/2), with constant momentum.

    Nesterov 2004, theorem 2.2.1 with γ_0 = μ.
    """
    contraction = 1 - math.sqrt(strong_convexity / smoothness)
    return contraction**step * (gap + strong_convexity * radius**2 / 2)
