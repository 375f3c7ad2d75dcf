"""The exercises to Distributed optimization: what answers are held to, what catches mistakes."""

import math
from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import halving_doubling_all_reduce, tree_all_reduce
from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.distributed_optimization import (
    Hinge,
    Objective,
    Squared,
    bounds,
    cocoa,
    one_shot_average,
    solve,
)
from mlsys_lib.distributed_optimization.sdca import plain_sdca
from mlsys_lib.grading.public.distributed_optimization import TESTS
from mlsys_lib.grading.public.distributed_optimization.averages import averaged, own_answers
from mlsys_lib.grading.public.distributed_optimization.hinge import (
    best_dual,
    draw_blocks,
    draw_step,
    gap_of,
    weights_of,
)
from mlsys_lib.grading.public.distributed_optimization.needed import (
    KINDS,
    draw_case,
    draw_tie,
    exact_steps,
    first_promised,
)
from mlsys_lib.grading.public.distributed_optimization.rounds import (
    draw_targets,
    expect_corrected,
    expect_gap,
    expect_round,
    round_of,
    solved,
)
from mlsys_lib.grading.public.distributed_optimization.steps import stepped
from mlsys_lib.grading.variants import variant
from tests.grading.assignment import Assignment

SECRETS = (b"one", b"two", b"three")

# What each planted mistake is caught by among the public tests: words of what the learner reads.
CAUGHT = {
    "gradient_step": {
        "goes_uphill": "points uphill",
        "sums_the_examples": "f is a mean over the examples",
        "forgets_the_penalty": "is λ w",
        "twice_the_penalty": "is λ w",
        "half_the_penalty": "is λ w",
        "divides_the_penalty": "no n divides it",
        "adds_the_penalty": "towards zero",
        "forgets_the_half": "The ½ in f",
        "one_example": "every example counts",
        "moves_in_place": "return a new array",
    },
    "iterations_needed": {
        "forgets_the_square": "t is a square",
        "smoothness_for_slope": "knows G and not L",
        "rounds_down": "next whole number",
        "one_step_more": "To reach ε exactly is enough",
        "rounds_to_the_nearest": "next whole number",
        "forgets_the_two": "the 2 stays below",
        "squares_the_tolerance": "R_w is squared, ε is not",
        "radius_once": "R_w is squared",
        "no_logarithm": "solved for by a logarithm",
        "one_power": "2t is the exponent",
        "decimal_logarithm": "by a logarithm",
        "distance_for_value": "L R_w²/2 stands before the power",
        "kappa_of_one": "division by zero",
        "no_step_at_all": "t is still at least 1",
    },
    "weighted_average": {
        "plain_mean": "every example has the same say",
        "inverse_counts": "every example has the same say",
        "divides_by_workers": "sum to one",
        "forgets_to_divide": "sum to one",
        "zero_times_nan": "NaN is NaN",
        "nothing_says_zero": "every example has the same say",
        "largest_shard": "every example has the same say",
        "squared_counts": "sum to one",
        "adds_into_the_first": "new array",
    },
    "dual_step": {
        "forgets_the_clip": "take the nearer end",
        "clips_at_one": "take the nearer end",
        "forgets_the_label": "with the label -1",
        "forgets_lambda_n": "λ and n stand below",
        "forgets_n": "λ and n stand below",
        "multiplies_by_lambda_n": "λ and n stand below",
        "forgets_the_scale": "with twice the s",
        "scales_the_score": "s does not stand at x·w",
        "norm_not_squared": "the norm is squared",
        "returns_the_change": "not how far it moves",
        "starts_from_zero": "Return the new ζ'",
        "goes_down": "derivative to zero",
        "zeros_stay": "no parabola",
        "divides_by_zero": "division by zero",
    },
    "bias_corrected": {
        "plain_mean": "count by their rank's examples",
        "forgets_to_divide": "what is left of the truth is 1 - share",
        "adds_the_part": "Subtract it",
        "subtracts_all_of_it": "share times the second",
        "turns_the_two_around": "share times the second",
        "no_correction": "share times the second",
        "zero_times_nan": "NaN is NaN",
        "divides_by_ranks": "what is left of the truth",
        "sends_both_answers": "bytes sent.*The formula is linear",
        "counts_apart": "at most 2 messages.*costs its latency",
        "stays_away": r"ended: rank\(s\) \[1\]",
    },
    "duality_gap": {
        "own_count": "not what a rank has",
        "penalty_of_every_rank": "not once a rank",
        "adds_the_dual": "P - D",
        "penalty_once": "is added to P and subtracted from D",
        "penalty_cancels": "is added to P and subtracted from D",
        "gap_of_one_rank": "over all ranks. examples",
        "mean_of_gaps": "over all ranks' examples",
        "label_once": "as well as at ζ",
        "forgets_the_label": "a label stands at x·w",
        "no_kink": "never below 0",
        "allows_everything": "the gap is math.inf",
        "allows_one_sign": "the gap is math.inf",
        "infinite_alone": "also on those whose own duals are fine",
        "clips_the_dual": "the gap is math.inf",
        "three_all_reduces": "bytes sent.*Two sums",
        "two_messages": "at most 2 messages.*costs its latency",
    },
    "cocoa_round": {
        "adds_with_scale_one": "ω′ goes to the local solver",
        "scales_the_step_instead": "ω′ goes to the local solver",
        "forgets_aggregation": "ω times the sum",
        "adds_the_duals": "as w does",
        "divides_twice": "nothing else divides by m",
        "moves_before_the_sum": "nothing else divides by m",
        "keeps_its_own": "the same on every rank",
        "own_count": "n counts all ranks. examples",
        "forgets_lambda_n": r"XᵀΔζ/\(λn\)",
        "starts_over": "Go on from where",
        "takes_change_for_dual": "as w does",
        "forgets_the_old_w": "Go on from where",
        "sends_examples": "bytes sent.*Only one vector",
        "sends_duals_too": "bytes sent.*Only one vector",
        "moves_in_place": "after the call",
        "stays_away": r"ended: rank\(s\) \[1\]",
    },
}


def given_solver() -> str:
    """Return the cell in which the notebook defines the local solver."""
    plain = Assignment("distributed_optimization", TESTS, "")
    return next("".join(c["source"]) for c in plain.cells[""] if c["id"] == "local-solver")


IMPORTS = f"import math\nfrom mlsys_lib.collectives import ring_all_reduce\n{given_solver()}"
ASSIGNMENT = Assignment("distributed_optimization", TESTS, IMPORTS, CAUGHT)
cell, graded = ASSIGNMENT.cell, ASSIGNMENT.graded


# -- the measures agree with the library -----------------------------------------------------------
@pytest.mark.parametrize("seed", range(5))
def test_a_step_goes_against_the_librarys_gradient(seed):
    rng = np.random.default_rng(seed)
    w, X, y = rng.normal(size=3), rng.normal(size=(8, 3)), rng.normal(size=8)
    gradient = Objective(X, y, Squared(), 0.3).gradient(w)
    np.testing.assert_allclose(stepped(w, X, y, 0.3, 0.2), w - 0.2 * gradient, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_step_promised_is_the_first_of_the_librarys_bound(kind):
    def bound(t, R_w, G, L, mu):
        if kind == "lipschitz":
            return bounds.subgradient_bound(t, gradient_bound=G, radius=R_w)
        if kind == "smooth":
            return bounds.gradient_descent_bound(t, smoothness=L, radius=R_w)
        return bounds.linear_bound(t, smoothness=L, strong_convexity=mu, radius=R_w)

    rng = np.random.default_rng(0)
    cases = [draw_case(rng, kind) for _ in range(50)]
    cases += [draw_tie(rng, kind) for _ in range(20) if kind != "strongly_convex"]
    for case in cases:
        _, tolerance, *constants = case
        first = first_promised(*case)
        assert bound(first, *constants) <= tolerance < bound(first - 1, *constants)


def test_ties_are_met_exactly():
    rng = np.random.default_rng(0)
    for kind in ("lipschitz", "smooth"):
        assert all(exact_steps(*draw_tie(rng, kind)).denominator == 1 for _ in range(50))


@pytest.mark.parametrize("kind", ["inside", "zero", "one", "empty"])
def test_the_best_dual_is_the_librarys(kind):
    rng = np.random.default_rng(1)
    for _ in range(30):
        x, y, dual, w, penalty, n, scale = step = draw_step(rng, kind)
        numbers = dual, y, float(x @ w), scale * float(x @ x) / (penalty * n)
        assert math.isclose(best_dual(*step), Hinge().best_dual(*numbers), abs_tol=1e-12)
        theirs = np.array([dual])
        plain_sdca(x[None], np.array([y]), theirs, w, Hinge(), penalty * n, scale, np.array([0]))
        assert math.isclose(best_dual(*step), theirs[0], abs_tol=1e-12)


def test_the_average_is_that_of_the_librarys_one_shot():
    rng = np.random.default_rng(2)
    blocks = [(rng.normal(size=(n, 2)), rng.normal(size=n)) for n in (9, 4, 20)]
    alone = [solve(Objective(X, y, Squared(), 0.1)).weights for X, y in blocks]
    X, y = (PerRank(part) for part in zip(*blocks, strict=True))
    run = simulate(one_shot_average, 3, X, y, Squared(), 0.1)
    np.testing.assert_allclose(averaged(alone, [9, 4, 20]), run.results[0], rtol=1e-9)


def test_the_gap_is_the_one_that_the_librarys_run_certifies():
    rng = np.random.default_rng(3)
    blocks = draw_blocks(rng, (12, 5, 0, 8), 3)
    X, y = (PerRank([b[i] for b in blocks]) for i in (0, 1))
    run = simulate(cocoa, 4, X, y, Hinge(), 0.1, 3)
    ended = [(*block[:2], dual.dual) for block, dual in zip(blocks, run.results, strict=True)]
    w = weights_of(ended, 0.1)
    np.testing.assert_allclose(w, run.results[0].weights, atol=1e-12)
    assert math.isclose(gap_of(ended, w, 0.1), run.results[0].gaps[-1], rel_tol=1e-9)


@pytest.mark.parametrize("aggregation", [1.0, 0.25])
def test_a_round_is_one_of_the_librarys_whose_solver_leaves_next_to_nothing(aggregation):
    blocks = [
        (X, y, np.zeros(len(y))) for X, y, _ in draw_targets(np.random.default_rng(4), [9] * 4, 3)
    ]
    X, y = (PerRank([b[i] for b in blocks]) for i in (0, 1))
    run = simulate(cocoa, 4, X, y, Squared(), 0.2, 1, aggregation=aggregation, theta=1e-12)
    w, duals = round_of(blocks, np.zeros(3), 0.2, aggregation, 4 * aggregation)
    np.testing.assert_allclose(w, run.results[0].weights, rtol=1e-4)
    np.testing.assert_allclose(duals[2], run.results[2].dual, rtol=1e-4)


def test_adding_is_done_in_one_round_where_all_ranks_hold_the_same():
    (same,) = draw_targets(np.random.default_rng(5), [6], 3)
    blocks = [(same[0], same[1], np.zeros(6))] * 3
    w, _ = round_of(blocks, np.zeros(3), 0.1, 1.0, 3.0)
    best = solve(Objective(same[0], same[1], Squared(), 0.1)).weights
    np.testing.assert_allclose(w, best, rtol=1e-6)


def test_the_notebooks_solver_is_the_one_that_answers_are_held_to():
    namespace: dict[str, Any] = {"np": np}
    exec(given_solver(), namespace)
    for block in draw_targets(np.random.default_rng(6), [7, 0, 1], 3):
        ours = solved(block, np.ones(3), 0.2, 30, 2.5)
        theirs = namespace["local_solver"](*block, np.ones(3), 0.2, 30, 2.5)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        assert ours.shape == (len(block[1]),)


# -- right answers that are written in another way -------------------------------------------------
@pytest.mark.parametrize("all_reduce", [halving_doubling_all_reduce, tree_all_reduce])
def test_every_all_reduce_that_sends_no_more_may_add_up(all_reduce):
    def answer(exercise):
        namespace = {"np": np, "ring_all_reduce": all_reduce, "Communicator": object}
        exec(f"{given_solver()}\n{cell(exercise, 'answer')}", namespace)
        return namespace[exercise]

    rng = np.random.default_rng(7)
    whole, part = rng.normal(size=(2, 3, 3))
    expect_corrected(answer("bias_corrected"), list(whole), list(part), (4, 1, 9), 0.3)
    expect_gap(answer("duality_gap"), draw_blocks(rng, (4, 0, 9), 4), 0.1)
    expect_round(answer("cocoa_round"), draw_targets(rng, (4, 0, 9), 4), 0.1, 1.0, 3.0)


RIGHT = {
    "gradient_step": """
def gradient_step(w, X, y, penalty, learning_rate):
    new = (1 - learning_rate * penalty) * w
    for row, target in zip(X, y):
        new -= learning_rate / len(X) * (row @ w - target) * row
    return new
""",
    "iterations_needed": """
def iterations_needed(kind, eps, R_w, G, L, mu):
    t = 1
    while True:
        bound = {
            "lipschitz": R_w * G / t**0.5,
            "smooth": L * R_w**2 / (2 * t),
            "strongly_convex": L * R_w**2 / 2 * ((L - mu) / (L + mu)) ** (2 * t),
        }[kind]
        if bound <= eps:
            return t
        t += 1
""",
    "weighted_average": """
def weighted_average(answers, counts):
    keep = np.array(counts) > 0
    return np.average(np.array(answers)[keep], axis=0, weights=np.array(counts)[keep])
""",
    "dual_step": """
def dual_step(x, y, dual, w, penalty, num_examples, scale):
    q = scale * np.linalg.norm(x) ** 2 / (penalty * num_examples)
    top = dual + (y - x @ w) / q if q else y
    return np.clip(top, min(y, 0.0), max(y, 0.0))
""",
    "duality_gap": """
def duality_gap(comm, X, y, dual, w, penalty, num_examples):
    own = np.maximum(0, 1 - y * (X @ w)) - y * dual
    own[(y * dual < 0) | (y * dual > 1)] = np.inf
    return ring_all_reduce(comm, np.array([own.sum()]))[0] / num_examples + penalty * (w @ w)
""",
    "cocoa_round": """
def cocoa_round(comm, X, y, dual, w, penalty, num_examples, aggregation, scale):
    change = aggregation * local_solver(X, y, dual, w, penalty, num_examples, scale)
    own = sum((c * x for c, x in zip(change, X)), np.zeros(len(w))) / (penalty * num_examples)
    return w + ring_all_reduce(comm, own), dual + change
""",
}


@pytest.mark.parametrize("exercise", RIGHT)
def test_a_right_answer_that_is_written_in_another_way_passes(exercise):
    for secret in (*SECRETS, *(bytes([i]) for i in range(5))):
        for role in ("public", "hidden"):
            assert graded(exercise, RIGHT[exercise], role, secret) == ""


# -- the notebook ----------------------------------------------------------------------------------
def test_the_notebook_prints_the_workers_that_the_test_averages():
    for student in ("ada", "grace"):
        namespace: dict[str, Any] = {"STUDENT": student, "variant": variant, "print": str}
        exec(cell("weighted_average", "given"), namespace)
        answers, counts = own_answers(variant(student, "weighted_average"))
        assert np.array_equal(namespace["answers"], answers)
        assert namespace["counts"] == counts
        assert sum(counts) == 10


def test_no_student_has_workers_whose_plain_mean_is_right():
    for student in map(str, range(200)):
        answers, counts = own_answers(variant(student, "weighted_average"))
        assert not np.allclose(averaged(answers, counts), np.mean(answers, axis=0))


def test_the_numbers_of_the_mark_scheme_are_those_of_the_closed_forms():
    vector_s = 1e6 * 8 / (10e9 / 8)
    half_ring_s = 31 * 50e-6 + 31 / 32 * vector_s
    swap_s = 40e-3 + vector_s
    all_reduce_s = 2 * half_ring_s + swap_s
    example_s, own = 2 * 100 / 1e8, 1e8 / 64
    assert math.isclose(half_ring_s, 7.75e-3)
    assert math.isclose(swap_s, 46.4e-3)
    assert math.isclose(all_reduce_s, 61.9e-3)
    assert own == 1_562_500
    assert math.isclose(own * example_s, 3.125)
    assert round(all_reduce_s / example_s, -3) == 31_000
    assert round(all_reduce_s / (all_reduce_s + own * example_s), 2) == 0.02
    assert round(own / 1e6, 1) == 1.6
