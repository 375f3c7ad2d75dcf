"""Public tests of what needs no ranks: steps, bounds, averages and one dual number."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_equal
from mlsys_lib.grading.public.distributed_optimization.averages import (
    expect_averaged,
    own_answers,
)
from mlsys_lib.grading.public.distributed_optimization.hinge import expect_best_dual
from mlsys_lib.grading.public.distributed_optimization.needed import (
    Case,
    describe,
    first_promised,
)
from mlsys_lib.grading.public.distributed_optimization.steps import expect_stepped
from mlsys_lib.grading.student import own_variant

Answer = Callable[..., Any]


# -- gradient_step ---------------------------------------------------------------------------------
def goes_down_on_one_example(gradient_step: Answer) -> None:
    """One example, one weight, no penalty."""
    expect_stepped(
        gradient_step,
        np.array([0.0]),
        np.array([[2.0]]),
        np.array([6.0]),
        0.0,
        0.1,
        "The gradient points uphill, so a step goes against it. Here x·w is below its target, and "
        "w must grow. The ½ in f takes the 2 of the square away.",
    )


def takes_the_mean_of_four_examples(gradient_step: Answer) -> None:
    """Four examples, two weights, no penalty."""
    expect_stepped(
        gradient_step,
        np.array([1.0, -1.0]),
        np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]]),
        np.array([2.0, 3.0, 0.0, 1.0]),
        0.0,
        0.5,
        "f is a mean over the examples, and so is its gradient: every example counts, and with "
        "each of them twice the step is the same.",
    )


def is_pulled_by_the_penalty_alone(gradient_step: Answer) -> None:
    """Two examples of zeros: only the penalty is left."""
    expect_stepped(
        gradient_step,
        np.array([4.0, -2.0]),
        np.zeros((2, 2)),
        np.zeros(2),
        0.5,
        0.5,
        "The gradient of λ/2 ‖w‖² is λ w. It draws w towards zero, and no n divides it.",
    )


# -- iterations_needed -----------------------------------------------------------------------------
def _expect_needed(iterations_needed: Answer, case: Case, hint: str) -> None:
    expect_equal(iterations_needed(*case), first_promised(*case), given=describe(case), hint=hint)


def steps_of_a_lipschitz_function(iterations_needed: Answer) -> None:
    """Lipschitz, numbers that come out even."""
    _expect_needed(
        iterations_needed,
        ("lipschitz", 0.25, 2.0, 4.0, 10.0, 1.0),
        "√t stands in the bound, so t is a square: half of ε costs four times the steps. This line "
        "knows G and not L. To reach ε exactly is enough.",
    )


def steps_that_are_rounded(iterations_needed: Answer) -> None:
    """Lipschitz, numbers that do not come out even."""
    _expect_needed(
        iterations_needed,
        ("lipschitz", 0.7, 1.0, 3.0, 10.0, 1.0),
        "Solve for t, and take the next whole number: 18 steps promise a little less than ε asks "
        "for. Return an int.",
    )


def steps_of_a_smooth_function(iterations_needed: Answer) -> None:
    """Smooth, numbers that come out even."""
    _expect_needed(
        iterations_needed,
        ("smooth", 0.125, 2.0, 4.0, 10.0, 1.0),
        "L R_w² / (2t) ≤ ε, solved for t: R_w is squared, ε is not, and the 2 stays below. To "
        "reach ε exactly is enough.",
    )


def steps_of_a_strongly_convex_function(iterations_needed: Answer) -> None:
    """Smooth and strongly convex, κ = 100, for two tolerances."""
    for tolerance in (1e-3, 1e-6):
        _expect_needed(
            iterations_needed,
            ("strongly_convex", tolerance, 3.0, 4.0, 100.0, 1.0),
            "An exponent is solved for by a logarithm; here 2t is the exponent, and L R_w²/2 "
            "stands before the power. A thousand times the precision costs some more steps, not a "
            "thousand times as many.",
        )


def steps_where_one_is_enough(iterations_needed: Answer) -> None:
    """Strongly convex with κ = 1; and a start that is near enough."""
    hint = "With κ = 1 one step is exact. Where the start is near enough, t is still at least 1."
    _expect_needed(iterations_needed, ("strongly_convex", 0.01, 1.0, 4.0, 8.0, 8.0), hint)
    _expect_needed(iterations_needed, ("strongly_convex", 5.0, 1.0, 4.0, 8.0, 1.0), hint)


# -- weighted_average ------------------------------------------------------------------------------
def averages_your_own_workers(weighted_average: Answer, student: str) -> None:
    """Your own three workers, 10 examples in all."""
    rng, remark = own_variant(student, "weighted_average")
    expect_averaged(
        weighted_average,
        *own_answers(rng),
        f"{remark}An answer counts as often as its worker has examples: every example has the same "
        "say, not every worker. The weights n_i / n sum to one.",
    )


def averages_equal_shards(weighted_average: Answer, student: str) -> None:
    """Two workers with four examples each."""
    expect_averaged(
        weighted_average,
        [np.array([1.0, 5.0]), np.array([2.0, -2.0])],
        [4, 4],
        "With equal shards it is the plain mean, to the digit.",
    )


def averages_with_a_worker_that_has_nothing(weighted_average: Answer, student: str) -> None:
    """Three workers, one of which has no examples."""
    expect_averaged(
        weighted_average,
        [np.array([3.0, 0.0]), np.full(2, np.nan), np.array([0.0, 6.0])],
        [2, 0, 1],
        "Who has no examples has no say. But 0 · NaN is NaN: leave that answer out, do not "
        "multiply it.",
    )


# -- dual_step -------------------------------------------------------------------------------------
def steps_from_zero(dual_step: Answer) -> None:
    """First step of a run: all duals are zero, and so is w."""
    expect_best_dual(
        dual_step,
        (np.array([6.0, 8.0]), 1.0, 0.0, np.zeros(2), 0.125, 200, 1.0),
        "Set the derivative to zero: y - x·w - (s/(λn)) ‖x‖² (ζ' - ζ) = 0. Both λ and n stand "
        "below, and the norm is squared.",
    )


def steps_with_a_scale(dual_step: Answer) -> None:
    """Later in the run, the same example with ω′ = 2."""
    expect_best_dual(
        dual_step,
        (np.array([6.0, 8.0]), 1.0, 0.25, np.array([0.05, 0.025]), 0.125, 200, 2.0),
        "Return the new ζ', not how far it moves. s makes the parabola steeper, so with twice the "
        "s the step is half as long; s does not stand at x·w.",
    )


def steps_with_the_other_label(dual_step: Answer) -> None:
    """Label -1."""
    expect_best_dual(
        dual_step,
        (np.array([6.0, 8.0]), -1.0, -0.125, np.array([0.05, 0.025]), 0.125, 200, 1.0),
        "What is allowed is ζ' y between 0 and 1: with the label -1, ζ' itself lies between -1 and "
        "0.",
    )


def steps_as_far_as_is_allowed(dual_step: Answer) -> None:
    """Tops of parabolas that lie beyond either end."""
    x = np.array([3.0, 4.0])
    for y, w in ((1.0, [-1.0, -1.0]), (1.0, [2.0, 2.0]), (-1.0, [1.0, 1.0]), (-1.0, [-2.0, -2.0])):
        expect_best_dual(
            dual_step,
            (x, y, 0.5 * y, np.array(w), 0.125, 80, 1.0),
            "Where the top lies outside of what is allowed, take the nearer end: ζ' y = 0 or 1.",
        )


def steps_for_an_example_of_zeros(dual_step: Answer) -> None:
    """No feature at all: x is zero."""
    expect_best_dual(
        dual_step,
        (np.zeros(2), 1.0, 0.25, np.array([0.05, 0.025]), 0.125, 200, 1.0),
        "With x = 0 there is no parabola, and nothing to divide by: ζ' y is a line that rises up "
        "to its end.",
    )
