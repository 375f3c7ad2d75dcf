"""The exercises to Federated learning: what answers are held to, what catches mistakes."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mlsys_lib.grading.public.federated_learning import TESTS
from mlsys_lib.grading.public.federated_learning.averages import (
    averaged,
    draw_replies,
    draw_shares,
    fair_stepped,
)
from mlsys_lib.grading.public.federated_learning.averages import draw_updates as draw_answers
from mlsys_lib.grading.public.federated_learning.drift import (
    after_a_round,
    own_clients,
    resting_point,
    spread_of,
    trained,
)
from mlsys_lib.grading.public.federated_learning.masks import (
    draw_seeds,
    draw_updates,
    handed_in,
    mask_of,
    masked_of,
)
from mlsys_lib.grading.public.federated_learning.rounds import (
    after_rounds,
    draw_blocks,
    expect_rounds,
    trained_alone,
)
from mlsys_lib.grading.variants import variant
from tests.grading.assignment import Assignment

SECRETS = (b"one", b"two", b"three")

# What each planted mistake is caught by among the public tests: words of what the learner reads.
CAUGHT = {
    "weighted_mean": {
        "squared_counts": "got .0.121.*n_i² would leave it 0.012 and make 0.12",
        "divides_by_all_clients": "Divide by the examples of those who answered",
        "plain_mean": "one say for each client would give it a half",
        "absent_keep_the_old": "not even for the old weights",
        "places_for_numbers": "wherever it stands in updates",
        "poisoned": "left out whole",
        "counts_the_broken": "its examples are not counted either",
        "zero_for_nan": "left out whole",
        "looks_for_nan_only": "NaN or infinity",
        "each_weight_alone": "left out whole",
        "nobody_says_zero": "changes nothing",
        "divides_by_nobody": "invalid value|changes nothing",
        "adds_into_the_first": "new array",
    },
    "local_steps": {
        "forgets_the_term": "is there in every step",
        "distance_not_squared": "grows with the distance",
        "anchors_at_the_step_before": "Its end w_t is where the round began",
        "pushes_away": "pulls back",
        "twice_the_term": "has the gradient λ",
        "half_the_term": "has the gradient λ",
        "sums_the_examples": "divided by n",
        "divides_the_term": "outside of that mean",
        "pulls_to_zero": "Nothing draws towards 0",
        "pulls_at_the_end": "is there in every step",
        "moves_in_place": "Its end w_t is where the round began, all the time",
        "one_step_at_least": "means no step",
        "returns_the_change": "Return the weights, not their change",
    },
    "fedavg_fixed_point": {
        "true_minimum": "it is no longer the minimum",
        "mean_of_minima": "stands still at the minimum",
        "forgets_to_divide": "find where they cancel",
        "plain_mean": "p_i stands before it",
        "squares_the_weights": "once, above and below",
        "weighs_what_is_left": "1 less that share",
        "power_of_the_rate": "The power E belongs to 1 - η L_i",
        "one_step_more": "stands still at the minimum",
        "epochs_multiply": "it is no longer the minimum",
        "forgets_the_rate": "stands still at the minimum|Weigh these moves",
        "weighs_by_curvature_too": "whatever the curvatures",
        "stops_after_ten_rounds": "and nowhere else",
    },
    "dissimilarity": {
        "mean_of_norms": "got 1.34.*would make 1.34",
        "forgets_the_root": "got 2.0.*the root of 2",
        "plain_means": "weighs p_i above and below",
        "plain_mean_above": "weighs p_i above and below",
        "plain_mean_below": "weighs p_i above and below",
        "weights_inside_the_square": "p_i stands outside the squared norm",
        "turned_around": "B is never below 1",
        "variance": "No mean is subtracted",
        "divides_by_zero": "invalid value|divide by zero",
        "always_infinite": "nothing is left to do",
        "always_one": "no B is large enough",
        "guards_with_eps": "it is math.inf",
    },
    "qfedavg_step": {
        "power_after_the_mean": "before anything is added up",
        "loss_after_training": "the loss before training",
        "weights_to_the_power": "once and without a power",
        "bends_with_the_whole_power": "below, q - 1 where q",
        "divides_by_a_loss_of_zero": "cannot be raised to a negative power|ZeroDivision",
        "forgets_the_smoothness": "stands for the client's gradient",
        "mean_over_sum": "The step ends at the mean",
        "norm_not_squared": "the squared norm of Δ_i",
        "fedavg_whatever_q": "the step goes towards client 0",
        "losses_as_weights": "both terms stand below",
        "goes_uphill": "a step goes against it",
        "plain_sums": "by p_i: FedAvg",
        "one_power_more": "Above, the loss has the power q",
        "moves_in_place": "Return a new array",
    },
    "masked_update": {
        "always_adds": "it subtracts the mask",
        "signs_turned": "it adds the mask",
        "masks_itself": "The own entry of seeds is no pair",
        "forgets_the_modulus": "between 0 and modulus - 1",
        "keeps_the_sign": "A number below 0 goes round too",
        "wraps_the_masks_only": "Sums go round in circles",
        "cuts_off": "go round in circles",
        "adds_up_the_seeds": "from the pair's own seed",
        "one_pair_only": "A mask for each pair",
        "adds_into_the_update": "still needs its update",
    },
    "unmasked_sum": {
        "leaves_the_masks": "have no counterpart",
        "takes_all_away": "have subtracted",
        "once_more": "Undo what is in the sum",
        "one_mask_a_dropout": "four of them",
        "one_mask_a_survivor": "four of them",
        "forgets_the_modulus": "990 stands for -10",
        "never_negative": "mean the negative ones",
        "goes_round_too_early": "go round the circle once more",
        "means_instead_of_sums": "the sum, not the mean",
        "adds_into_the_first": "Add up in a new array",
    },
    "federated_rounds": {
        "sends_to_everybody": "bytes sent by rank 0.*to nobody else",
        "everybody_trains": "bytes sent by rank 0.*to nobody else",
        "gathers_the_examples": "bytes sent by rank 1.*Examples stay where they are",
        "plain_mean": "A client counts by its examples",
        "old_weights_vote": "The server has no examples and is not counted",
        "divides_by_all_clients": "neither the old weights",
        "waits_without_being_asked": "rank 3 waits to receive from rank 0",
        "receives_before_it_sends": "rank 0 waits to receive from rank 1",
        "one_after_the_other": "simulated seconds.*train at the same time",
        "counts_apart": "sent by rank 1.*fit into one message",
        "starts_over": "the second round goes on",
        "single_precision": "float32|Numbers travel as float64",
        "tells_everybody_at_the_end": "after the last round nothing",
        "nobody_has_a_mean": "invalid value|divides by nothing",
    },
}


def given_cell(name: str) -> str:
    """Return a cell in which the notebook defines what answers may call."""
    plain = Assignment("federated_learning", TESTS, "")
    return next("".join(c["source"]) for c in plain.cells[""] if c["id"] == name)


IMPORTS = f"import math\n{given_cell('pair-mask')}\n{given_cell('local-training')}"
ASSIGNMENT = Assignment("federated_learning", TESTS, IMPORTS, CAUGHT)
cell, graded = ASSIGNMENT.cell, ASSIGNMENT.graded


# -- the measures say what the papers say ----------------------------------------------------------
def test_the_mean_is_numpys_over_those_whose_answer_is_finite():
    rng = np.random.default_rng(0)
    w, counts = rng.normal(size=3), [5, 90, 2, 40]
    updates = draw_answers(rng, [3, 0, 1], 3)
    wanted = np.average([updates[i] for i in (0, 1, 3)], axis=0, weights=[5, 90, 40])
    np.testing.assert_allclose(averaged(w, updates, counts), wanted)
    updates[1][2] = np.inf
    wanted = np.average([updates[i] for i in (0, 3)], axis=0, weights=[5, 40])
    np.testing.assert_allclose(averaged(w, updates, counts), wanted)


def test_steps_on_a_leash_end_where_the_exact_proximal_step_does():
    rng = np.random.default_rng(1)
    w, X, y = rng.normal(size=3), rng.normal(size=(8, 3)), rng.normal(size=8)
    best = np.linalg.solve(X.T @ X / 8 + 0.7 * np.eye(3), X.T @ y / 8 + 0.7 * w)
    np.testing.assert_allclose(trained(w, X, y, 0.3, 500, 0.7), best, rtol=1e-9)
    without = np.linalg.lstsq(X, y)[0]
    np.testing.assert_allclose(trained(w, X, y, 0.3, 5000, 0.0), without, rtol=1e-6)


def test_fedavg_rests_where_the_reference_numbers_say():
    pair = ([1.0, 10.0], [0.0, 1.0], [0.5, 0.5])
    rests = [resting_point(pair, 0.05, local_epochs) for local_epochs in (1, 2, 20, 5000)]
    np.testing.assert_allclose(rests, [0.909091, 0.884956, 0.609193, 0.5], atol=5e-7)
    for local_epochs, rest in zip((1, 2, 20), rests, strict=False):
        assert math.isclose(after_a_round(rest, pair, 0.05, local_epochs), rest)


def test_the_dissimilarity_blows_up_as_the_reference_numbers_say():
    near = [spread_of(np.array([[w], [10 * (w - 1)]]), [0.5, 0.5]) for w in (5.0, 1.5, 0.95, 0.92)]
    np.testing.assert_allclose(near, [1.267, 1.136, 3.374, 14.37], rtol=5e-4)


def test_clients_whose_data_are_drawn_alike_have_a_dissimilarity_above_one_that_falls():
    rng = np.random.default_rng(2)
    spreads = [spread_of(1 + rng.normal(size=(200, 1)) / n**0.5, [1 / 200] * 200) for n in (1, 100)]
    assert spreads[0] > spreads[1] > 1


def test_a_fair_step_with_q_of_zero_is_the_weighted_mean():
    rng = np.random.default_rng(3)
    answers, shares = draw_replies(rng, 5, 3), draw_shares(rng, 5)
    wanted = np.average([own for own, *_ in answers], axis=0, weights=shares)
    w = rng.normal(size=3)
    np.testing.assert_allclose(fair_stepped(w, answers, shares, 0.0, 7.0), wanted)


@pytest.mark.parametrize(("q", "rest"), [(0.0, 0.3077), (1.0, 0.5177), (60.0, 0.66)])
def test_fair_steps_rest_at_the_minimum_of_the_fair_objective(q, rest):
    def answer(w, bend, at):
        loss, slope = bend / 2 * (w - at) ** 2 + 0.1, bend * (w - at)
        return w - slope / 8, float(loss[0]), 0.0  # L = 8: a client's step of length 1/8

    w = np.array([0.6])
    for _ in range(3000):
        answers = [answer(w, 1.0, 0.0), answer(w, 4.0, 1.0)]
        w = fair_stepped(w, answers, [0.9, 0.1], q, 8.0)
    assert math.isclose(w[0], rest, abs_tol=1e-2 if q > 1 else 5e-5)


@pytest.mark.parametrize("dropped", [[], [2], [0, 3], [1, 2, 3, 4]])
def test_masks_cancel_and_what_is_revealed_undoes_the_rest(dropped):
    rng = np.random.default_rng(4)
    seeds, updates = draw_seeds(rng, 5), draw_updates(rng, 5, 6, 1000)
    masked, revealed = handed_in(updates, seeds, dropped, 1000)
    total = sum(masked.values())
    for survivor, lost, seed in revealed:
        total = total + (1 if survivor > lost else -1) * mask_of(seed, 6, 1000)
    wanted = sum(updates[i] for i in masked)
    assert np.array_equal(total % 1000, wanted % 1000)
    assert np.abs(wanted).max() < 500
    assert len(revealed) == len(masked) * len(dropped)


def test_a_masked_update_does_not_tell_what_was_in_it():
    seeds = draw_seeds(np.random.default_rng(5), 2)
    sent = [masked_of(0, np.full(20_000, u), seeds[0], 8) for u in (-3, 3)]
    shares = [np.bincount(numbers, minlength=8) / 20_000 for numbers in sent]
    np.testing.assert_allclose(shares, 1 / 8, atol=0.01)


def test_what_the_notebook_gives_is_what_answers_are_held_to():
    namespace: dict[str, Any] = {"np": np, "Communicator": object}
    exec(IMPORTS, namespace)
    assert np.array_equal(namespace["pair_mask"](7, 5, 1000), mask_of(7, 5, 1000))

    class Clock:
        seconds = 0.0

        def compute(self, seconds: float, label: str) -> None:
            self.seconds += seconds

    rng, clock = np.random.default_rng(6), Clock()
    w, X, y = rng.normal(size=3), rng.normal(size=(7, 3)), rng.normal(size=7)
    theirs = namespace["local_training"](clock, w, X, y)
    np.testing.assert_allclose(theirs, trained_alone(w, X, y))
    assert clock.seconds == 0.007


def test_rounds_with_all_clients_go_down():
    rng = np.random.default_rng(7)
    blocks = draw_blocks(rng, (12, 30, 5), 3)
    X, y = (np.concatenate(part) for part in zip(*blocks, strict=True))
    losses = [
        float(((X @ after_rounds(np.zeros(3), blocks, [[1, 2, 3]] * t) - y) ** 2).mean())
        for t in range(4)
    ]
    assert all(new < old for old, new in pairwise(losses))


# -- right answers that are written in another way -------------------------------------------------
RIGHT = {
    "weighted_mean": """
def weighted_mean(w, updates, num_examples):
    ids = [i for i in sorted(updates) if np.isfinite(np.sum(updates[i]))]
    if len(ids) == 0:
        return np.array(w)
    counts = np.array(num_examples)[ids]
    return np.average(np.array([updates[i] for i in ids]), axis=0, weights=counts)
""",
    "local_steps": """
def local_steps(w_global, X, y, learning_rate, num_steps, proximal_weight):
    n, d = X.shape
    hessian = X.T @ X / n + proximal_weight * np.eye(d)
    pull = X.T @ y / n + proximal_weight * w_global
    w = w_global
    for _ in range(num_steps):
        w = w - learning_rate * (hessian @ w - pull)
    return w
""",
    "fedavg_fixed_point": """
def fedavg_fixed_point(curvatures, minima, client_weights, learning_rate, local_epochs):
    L, at, p = (np.array(part) for part in (curvatures, minima, client_weights))
    w = 0.0
    while True:
        new = np.sum(p * (at + (1 - learning_rate * L) ** local_epochs * (w - at)))
        if abs(new - w) <= 1e-14 * (1 + abs(w)):
            return new
        w = new
""",
    "dissimilarity": """
def dissimilarity(gradients, client_weights):
    squares = sum(p * np.linalg.norm(g) ** 2 for p, g in zip(client_weights, gradients))
    below = np.linalg.norm(sum(p * g for p, g in zip(client_weights, gradients)))
    if below == 0:
        return 1 if squares == 0 else float("inf")
    return np.sqrt(squares) / below
""",
    "qfedavg_step": """
def qfedavg_step(w, answers, client_weights, fairness, smoothness):
    own = np.array([answer[0] for answer in answers])
    losses, p = np.array([answer[1] for answer in answers]), np.array(client_weights)
    delta = smoothness * (w - own)
    h = smoothness * losses**fairness
    if fairness:
        h = h + fairness * losses ** (fairness - 1) * (delta**2).sum(axis=1)
    return w - (p * losses**fairness) @ delta / (p @ h)
""",
    "masked_update": """
def masked_update(client, update, seeds, modulus):
    masks = [pair_mask(seed, len(update), modulus) for seed in seeds]
    added = sum(masks[client + 1:], np.zeros(len(update), dtype=np.int64))
    return np.mod(update + added - sum(masks[:client]), modulus)
""",
    "unmasked_sum": """
def unmasked_sum(masked, revealed, modulus):
    total = sum(masked.values())
    for i, j, seed in revealed:
        total = total + np.sign(i - j) * pair_mask(seed, len(total), modulus)
    total = total % modulus
    return np.where(total >= modulus // 2, total - modulus, total)
""",
    "federated_rounds": """
def federated_rounds(comm, w, X, y, schedule):
    new = w
    for sampled in schedule:
        if comm.rank == 0:
            for client in sampled:
                comm.isend(new, client)
            shares, n = 0, 0
            for _ in sampled:
                answer = np.empty(len(w) + 1)
                comm.recv_any(answer, sampled)
                shares, n = shares + answer[-1] * answer[:-1], n + answer[-1]
            new = new + shares / n if n else new
        elif comm.rank in sampled:
            start = np.empty(len(w))
            comm.recv(start, 0)
            change = local_training(comm, start, X, y) - start
            comm.send(np.append(change, len(y)), 0)
    return new if comm.rank == 0 else None
""",
}


@pytest.mark.parametrize("exercise", RIGHT)
def test_a_right_answer_that_is_written_in_another_way_passes(exercise):
    for secret in (*SECRETS, *(bytes([i]) for i in range(5))):
        for role in ("public", "hidden"):
            assert graded(exercise, RIGHT[exercise], role, secret) == ""


def test_the_ledger_is_held_to_seconds_only_where_clients_could_train_together():
    def alone(comm, w, X, y, schedule):
        namespace = {"np": np, "Communicator": object}
        exec(
            f"{IMPORTS}\n{ASSIGNMENT.mistake('federated_rounds', 'one_after_the_other')}", namespace
        )
        return namespace["federated_rounds"](comm, w, X, y, schedule)

    blocks = draw_blocks(np.random.default_rng(8), (20, 30), 2)
    expect_rounds(alone, np.zeros(2), blocks, [[1], [2], [1]])
    with pytest.raises(AssertionError, match="at the same time"):
        expect_rounds(alone, np.zeros(2), blocks, [[1, 2]])


# -- the notebook ----------------------------------------------------------------------------------
def test_the_notebook_prints_the_clients_that_the_test_looks_at():
    for student in ("ada", "grace"):
        namespace: dict[str, Any] = {"STUDENT": student, "variant": variant, "print": str, "np": np}
        exec(cell("fedavg_fixed_point", "given"), namespace)
        clients, learning_rate, local_epochs = own_clients(variant(student, "fedavg_fixed_point"))
        names = ("curvatures", "minima", "client_weights")
        assert tuple(namespace[name] for name in names) == clients
        assert namespace["learning_rate"] == learning_rate
        assert namespace["local_epochs"] == local_epochs


def test_no_student_has_clients_for_which_minimum_or_mean_of_minima_is_right():
    for student in map(str, range(200)):
        clients, learning_rate, local_epochs = own_clients(variant(student, "fedavg_fixed_point"))
        curvatures, minima, p = map(np.array, clients)
        assert 0 < learning_rate * max(curvatures) < 1
        rest = resting_point(clients, learning_rate, local_epochs)
        minimum = np.average(minima, weights=p * curvatures)
        assert min(abs(rest - minimum), abs(rest - p @ minima)) > 0.01


def test_the_numbers_of_the_mark_scheme_are_those_of_the_closed_forms():
    model_mb = 1.4 * 4
    down_s, up_s, line_s = model_mb / 4, model_mb / 1, 1000 * model_mb * 1e6 / (10e9 / 8)
    assert [round(x, 1) for x in (model_mb, down_s, up_s, line_s)] == [5.6, 1.4, 5.6, 4.5]
    little, much = ([down_s + E * n / 100 + up_s for E in (1, 5)] for n in (10, 10_000))
    assert [round(t, 1) for t in little] == [7.1, 7.5]
    assert [round(t) for t in much] == [107, 507]
    assert round(1 - little[0] / much[0], 2) == 0.93
    assert round(2e5 * 1e4 / (2e5 * 1e4 + 1.8e6 * 10), 3) == 0.991
    assert round(9000 / (9000 + 100 * 10_000), 3) == 0.009
    assert 1300 * 0.9 == 1170
    assert round(down_s + 500 / 100 + up_s) == 12
    assert round(9000 / (9000 + 100 * 500), 2) == 0.15
    assert 100 * 900 == 90_000
