"""The exercises to Gradient compression: what answers are held to, and what catches mistakes."""

import math
from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import all_to_all, ring_all_gather
from mlsys_lib.grading.public.gradient_compression import TESTS
from mlsys_lib.grading.public.gradient_compression.chances import (
    chances,
    draw_magnitudes,
    own_magnitudes,
)
from mlsys_lib.grading.public.gradient_compression.exchange import (
    draw_float32,
    expect_majority,
    expect_mean,
)
from mlsys_lib.grading.public.gradient_compression.kept import mean_of_kept, remembered
from mlsys_lib.grading.public.gradient_compression.levels import draw_levels, leveled
from mlsys_lib.grading.public.gradient_compression.signs import (
    draw_gradients,
    majority,
    packed,
    signs_of,
)
from mlsys_lib.grading.public.gradient_compression.sizes import SCHEMES, bits_of, draw_case
from mlsys_lib.grading.variants import variant
from tests.grading.assignment import Assignment

SECRETS = (b"one", b"two", b"three")

# What each planted mistake is caught by among the public tests: words of what the learner reads.
CAUGHT = {
    "stochastic_levels": {
        "rounds_to_the_nearest": "Always the nearest",
        "rounds_down": "always down",
        "rounds_up": "always up",
        "largest_for_norm": "root of the sum of squares",
        "sum_for_norm": "root of the sum of squares",
        "forgets_the_root": "root of the sum of squares",
        "loses_the_sign": "A number below 0 has a level below 0",
        "coin_turned_around": "is below 0.6",
        "as_small_is_enough": "no random number is below 0",
        "divides_by_zero": "norm of zeros is 0",
        "one_level_too_many": "Levels from 0 to num_levels",
        "one_level_too_few": "also at the highest",
        "one_coin_for_all": "if its own random number",
        "returns_the_numbers": "an array of int64; the norm travels beside them",
        "changes_the_gradient": "the gradient belongs to the caller",
    },
    "pack_signs": {
        "a_byte_a_sign": "Eight signs make one byte",
        "a_word_a_byte": "of the dtype uint8",
        "zero_is_negative": "0 counts as \\+1",
        "minus_zero_is_negative": "-0.0 is 0",
        "zero_has_no_sign": "0 counts as \\+1",
        "bits_turned_around": "stands highest",
        "reads_backwards": "what unpack_signs returns.*stands highest",
        "one_is_negative": "A bit is 1 for \\+1",
        "forgets_k": "only k tells",
        "whole_bytes_only": "Eleven signs need two bytes",
        "a_byte_too_many": "need no third",
        "fills_up_with_ones": "at the end of the second are 0",
        "zeros_and_ones": "1.0 and -1.0",
        "wraps_around": "got .*255.*255 in it",
    },
    "top_k_step": {
        "memory_twice": "the old one is in it, once",
        "remembers_the_gradient_only": "the old one is in it, once",
        "forgets_what_is_left": "what is not sent is remembered",
        "never_uses_the_memory": "gradient \\+ memory = ",
        "forgets_the_rate": "learning rate comes first",
        "rate_twice": "as they are",
        "rate_on_the_memory": "has met the learning rate already",
        "keeps_the_largest": "largest magnitudes",
        "keeps_the_smallest": "largest magnitudes",
        "chooses_by_the_gradient": "The choice is made among these",
        "remembers_what_was_sent": "what is not sent is remembered",
        "scales_what_is_sent": "as they are",
        "sends_all_ties": "No more than num_kept",
        "last_of_equal_ones": "the first ones are kept",
        "changes_the_memory": "changes the caller's",
        "turns_the_sign": "with their signs",
    },
    "atomo_probabilities": {
        "cuts_off": "got .*The sum is 2, and not 1.857",
        "looks_once": "Look again each time one is full",
        "scales_up_again": "cannot have more than 1",
        "adds_the_rest_evenly": "by their shares of 7.5",
        "sorts_the_answer": "in the order in which they came",
        "squares": "of the magnitudes themselves",
        "keeps_the_budget": "they share a budget of 1",
        "keeps_the_sum": "by their shares of 7.5",
        "shares_evenly": "the magnitude's share of the sum",
        "sends_zeros_too": "its chance is 0, even where budget is left",
        "divides_by_zero": "0 / 0 is NaN",
        "sorts_in_place": "Return a new array",
        "whole_budgets": "the magnitude's share of the sum",
    },
    "bits_needed": {
        "bytes_for_bits": "bits, and not bytes",
        "forgets_the_norm": "The norm takes 32 more",
        "forgets_the_scale": "32 for the scale",
        "forgets_the_indices": "must be told its place too",
        "logarithm_not_rounded": "round up, for each number",
        "rounds_down": "round up",
        "logarithm_of_floats": "got 124.*29 for 2",
        "levels_without_sign": "from -num_levels",
        "levels_without_zero": "with 0 between them",
        "counts_from_one": "from 0 to k - 1",
        "doubles": "A value takes 32",
        "places_by_those_kept": "so k values must be told apart",
        "first_gap_from_zero": "counted from -1",
        "gap_without_its_length": "1, 1, 5 and 13 bits",
        "codes_the_index": "The gaps are 1, 1, 4 and 64",
        "zeros_of_top_k": "must be told its place too",
        "rounds_to_bytes": "filled up to bytes",
    },
    "majority_vote": {
        "sign_of_the_mean": "however large its number is",
        "averages_the_signs": "the verdict is",
        "a_byte_a_vote": "bytes sent.*pack eight into a byte",
        "floats_down": "bytes sent.*one bit on its way down",
        "everybody_counts": "bytes sent.*Only rank 0 counts",
        "rank_0_does_not_vote": "votes as well",
        "ties_are_negative": "a tie is \\+1",
        "ties_are_zero": "A verdict is never 0",
        "half_rounded_down": "all that counts",
        "zero_is_negative": "A 0 votes \\+1",
        "keeps_its_own": "what rank [12] returned.*the verdict is",
        "zeros_and_ones": "the verdict is \\+1.0 or -1.0",
        "wraps_around": "the verdict is \\+1.0 or -1.0",
        "forgets_the_count": "the bits that fill a byte up",
        "signs_of_bytes": "has one vote",
    },
    "compressed_mean": {
        "adds_as_it_comes": "cannot be added up as it comes",
        "at_its_own_places": "cannot be added up as it comes",
        "sends_dense": "bytes sent.*Zeros between them",
        "cuts_the_mean_again": "has more numbers than one rank kept",
        "divides_by_the_senders": "not over those who sent",
        "divides_by_who_kept": "the mean over all three",
        "forgets_to_divide": "Divide by the ranks",
        "last_one_wins": "Where both send, the numbers are added",
        "loses_what_collides": "Where both send, the numbers are added",
        "pads_to_the_longest": "bytes sent.*padding",
        "twice_the_bytes": "bytes sent.*an int32 for the place",
        "keeps_the_largest": "-6 is large",
        "last_of_equal_ones": "Of equal magnitudes the first",
        "all_keep_as_many": "dtype and shape must agree",
        "leaves_itself_out": "8 stands at place 0",
        "stays_away": r"ended: rank\(s\) \[1\]",
        "scales_what_is_kept": "8 stands at place 0",
        "clears_its_gradient": "the gradient belongs to the caller",
    },
}
IMPORTS = "from mlsys_lib.collectives import gather, ring_all_gather, tree_broadcast"


ASSIGNMENT = Assignment(
    "gradient_compression",
    TESTS,
    IMPORTS,
    CAUGHT,
    may_warn="",
    answers={"pack_signs": ("pack_signs", "unpack_signs")},
)
cell, graded = ASSIGNMENT.cell, ASSIGNMENT.graded


# -- the measures keep the laws of what they measure -----------------------------------------------
@pytest.mark.parametrize("num_levels", [1, 3, 16])
def test_levels_are_right_on_average_and_within_the_bound_of_the_paper(num_levels):
    rng = np.random.default_rng(1)
    x = rng.normal(size=50)
    num_coins = 4000
    total, squares = np.zeros(50), 0.0
    for coin in (np.arange(num_coins) + 0.5) / num_coins:
        norm, levels = leveled(x, num_levels, np.full(50, coin))
        sent = norm * levels / num_levels
        total += sent
        squares += ((sent - x) ** 2).sum()
    np.testing.assert_allclose(total / num_coins, x, atol=norm / num_levels / num_coins)
    bound = min(50 / num_levels**2, math.sqrt(50) / num_levels) * (x @ x)
    assert squares / num_coins <= bound


def test_drawn_numbers_are_not_decided_by_rounding():
    rng = np.random.default_rng(2)
    for num_levels in (1, 3, 127):
        for _ in range(20):
            x, uniform = draw_levels(rng, 30, num_levels)
            unit = x / np.linalg.norm(x)
            below = np.floor(np.abs(unit) * num_levels)
            levels = below + (uniform < np.abs(unit) * num_levels - below)
            assert np.array_equal(leveled(x, num_levels, uniform)[1], np.sign(x) * levels)


@pytest.mark.parametrize("k", [1, 7, 8, 9, 64, 1001])
def test_signs_are_packed_as_numpy_packs_them(k):
    (x,) = draw_gradients(np.random.default_rng(k), 1, k)
    assert np.array_equal(packed(x), np.packbits(x >= 0))
    assert np.array_equal(signs_of(x), np.where(np.unpackbits(packed(x), count=k), 1, -1))


def test_drawn_gradients_hold_ties_and_zeros_of_both_signs_and_one_rank_is_loud():
    for seed in range(20):
        gradients = np.array(draw_gradients(np.random.default_rng(seed), 4, 30))
        votes = np.array([signs_of(own) for own in gradients]).sum(axis=0)
        zeros = gradients == 0
        assert (votes == 0).any()
        assert (zeros & np.signbit(gradients)).any()
        assert (zeros & ~np.signbit(gradients)).any()
        assert (majority(list(gradients)) != signs_of(gradients.sum(axis=0))).any()


def test_what_was_sent_and_the_memory_are_all_that_was_due():
    rng = np.random.default_rng(3)
    gradients, memory, sent = rng.normal(size=(40, 12)), np.zeros(12), np.zeros(12)
    for gradient in gradients:
        update, memory = remembered(gradient, memory, 0.1, 2)
        assert np.count_nonzero(update) == 2
        sent += update
    np.testing.assert_allclose(sent + memory, 0.1 * gradients.sum(axis=0), atol=1e-12)


def test_kept_numbers_leave_no_more_than_their_share_of_the_energy():
    rng = np.random.default_rng(4)
    for num_kept in (1, 5, 20):
        x = rng.normal(size=20)
        update, left = remembered(x, np.zeros(20), 1.0, num_kept)
        assert left @ left <= (1 - num_kept / 20) * (x @ x) + 1e-12
        np.testing.assert_allclose(mean_of_kept([x, x], [num_kept] * 2), update)


@pytest.mark.parametrize(
    ("budget", "wanted"),
    [
        (1, [0.571429, 0.171429, 0.114286, 0.057143, 0.057143, 0.028571]),
        (2, [1, 0.4, 0.266667, 0.133333, 0.133333, 0.066667]),
    ],
)
def test_chances_are_those_of_the_worked_example(budget, wanted):
    np.testing.assert_allclose(chances(np.array([10, 3, 2, 1, 1, 0.5]), budget), wanted, atol=5e-7)


def test_chances_meet_the_conditions_of_the_least_variance():
    rng = np.random.default_rng(5)
    for _ in range(200):
        magnitudes = draw_magnitudes(rng, int(rng.integers(1, 12)), float(rng.uniform(0.1, 3)))
        budget = float(rng.uniform(0.1, len(magnitudes)))
        found = chances(magnitudes, budget)
        assert math.isclose(found.sum(), budget)
        assert (found > 0).all()
        assert found.max() <= 1 + 1e-12
        slopes = magnitudes / found  # equal where a chance is open, larger where it is full
        open_atoms = found < 1 - 1e-12
        if open_atoms.any():
            np.testing.assert_allclose(slopes[open_atoms], slopes[open_atoms][0])
            assert slopes.min() >= slopes[open_atoms][0] * (1 - 1e-12)


def test_the_bits_of_a_case_are_those_of_the_formulas():
    rng = np.random.default_rng(6)
    for k in (2, 9, 1024, 5000):
        for num_kept in (1, k // 2, k):
            case = draw_case(rng, "top_k", k, num_kept)
            _, _, levels, indices = case
            gaps = np.diff([-1, *indices])
            wanted = {
                "sign": 32 + k,
                "qsgd": 32 + k * math.ceil(math.log2(2 * levels + 1)),
                "top_k": num_kept * (32 + math.ceil(math.log2(k))),
                "top_k_gaps": int((33 + 2 * np.floor(np.log2(gaps))).sum()),
            }
            for scheme in SCHEMES:
                assert bits_of((scheme, *case[1:])) == wanted[scheme]


# -- right answers that are written in another way -------------------------------------------------
RIGHT = {
    "stochastic_levels": """
def stochastic_levels(x, num_levels, uniform):
    norm = float(np.sqrt((x**2).sum()))
    up = np.ceil(num_levels * np.abs(x) / (norm or 1.0) - uniform)
    return norm, np.where(x < 0, -up, up).astype(np.int64)
""",
    "pack_signs": """
def pack_signs(x):
    bits = np.zeros((-(-len(x) // 8), 8), np.int64)
    bits.flat[: len(x)] = ~(x < 0)
    return (bits @ 2 ** np.arange(7, -1, -1)).astype(np.uint8)

def unpack_signs(data, k):
    return np.array([1.0 if data[i // 8] >> (7 - i % 8) & 1 else -1.0 for i in range(k)])
""",
    "top_k_step": """
def top_k_step(gradient, memory, learning_rate, num_kept):
    memory = memory + learning_rate * gradient
    update = np.zeros(len(memory))
    for _ in range(num_kept):
        i = np.argmax(np.where(update == 0, np.abs(memory), -1))
        update[i], memory[i] = memory[i], 0
    return update, memory
""",
    "atomo_probabilities": """
def atomo_probabilities(magnitudes, budget):
    if budget >= np.count_nonzero(magnitudes):
        return (magnitudes > 0).astype(float)
    low, high = 0.0, magnitudes.sum() / budget
    for _ in range(200):
        level = (low + high) / 2
        short = np.minimum(1, magnitudes / level).sum() < budget
        low, high = (low, level) if short else (level, high)
    return np.minimum(1, magnitudes / high)
""",
    "bits_needed": """
import math
def bits_needed(scheme, num_elements, num_levels, indices):
    if scheme == "sign":
        return num_elements + 32
    if scheme == "qsgd":
        return 32 + math.ceil(math.log2(2 * num_levels + 1)) * num_elements
    if scheme == "top_k":
        return len(indices) * (32 + math.ceil(math.log2(num_elements)))
    return sum(33 + 2 * math.floor(math.log2(gap)) for gap in np.diff([-1] + indices))
""",
    "majority_vote": """
def majority_vote(comm, gradient):
    k, m = len(gradient), comm.world_size
    own = np.packbits(gradient >= 0)
    if comm.rank:
        comm.send(own, 0)
        comm.recv(own, 0)
    else:
        total = np.where(gradient >= 0, 1, -1)
        theirs = np.empty_like(own)
        for _ in range(m - 1):
            comm.recv_any(theirs)
            total += 2 * np.unpackbits(theirs, count=k).astype(int) - 1
        own = np.packbits(total >= 0)
        for rank in range(1, m):
            comm.send(own, rank)
    return 2.0 * np.unpackbits(own, count=k) - 1
""",
    "compressed_mean": """
def compressed_mean(comm, gradient, num_kept):
    m, rank = comm.world_size, comm.rank
    places = sorted(range(len(gradient)), key=lambda i: -abs(gradient[i]))[:num_kept]
    message = np.zeros(num_kept, [("at", np.int32), ("value", np.float32)])
    message["at"], message["value"] = places, gradient[places]
    message = message.view(np.uint8)
    total = np.zeros(len(gradient))
    for src in range(m):
        length = np.array([len(message)], np.int64)
        if src == rank:
            theirs = message
            for dst in range(m):
                if dst != rank:
                    comm.send(length, dst)
                    comm.send(message, dst)
        else:
            comm.recv(length, src)
            theirs = np.empty(length[0], np.uint8)
            comm.recv(theirs, src)
        theirs = theirs.view([("at", np.int32), ("value", np.float32)])
        np.add.at(total, theirs["at"], theirs["value"] / m)
    return total
""",
}


@pytest.mark.parametrize("exercise", RIGHT)
def test_a_right_answer_that_is_written_in_another_way_passes(exercise):
    for secret in (*SECRETS, *(bytes([i]) for i in range(5))):
        for role in ("public", "hidden"):
            assert graded(exercise, RIGHT[exercise], role, secret) == ""


def test_ranks_may_count_a_share_of_the_numbers_each():
    def majority_vote(comm, gradient):
        m, whole = comm.world_size, len(gradient)
        rows = np.packbits((gradient >= 0).reshape(m, -1), axis=1)  # a row for each rank
        votes = np.unpackbits(all_to_all(comm, rows), axis=1, count=whole // m)
        verdict = np.packbits(2 * votes.sum(axis=0) >= m)
        bits = np.unpackbits(ring_all_gather(comm, verdict), axis=1, count=whole // m)
        return np.where(bits.ravel(), 1.0, -1.0)

    rng = np.random.default_rng(7)
    for world_size in (1, 2, 3, 5):
        expect_majority(majority_vote, list(rng.normal(size=(world_size, 16 * world_size))))


def test_a_mean_of_what_was_kept_may_send_one_message_to_each():
    namespace: dict[str, Any] = {"np": np}
    exec(RIGHT["compressed_mean"], namespace)
    rng = np.random.default_rng(8)
    for counts in ((4,), (0, 3), (2, 9, 0, 5)):
        gradients = draw_float32(rng, len(counts), 20)
        expect_mean(namespace["compressed_mean"], gradients, counts)


# -- the notebook ----------------------------------------------------------------------------------
@pytest.mark.parametrize("student", ["ada", "ben", "cleo", "dan"])
def test_the_notebook_prints_the_atoms_that_the_tests_fill(student, capsys):
    namespace = {"np": np, "variant": variant, "STUDENT": student}
    exec(cell("atomo_probabilities", "given"), namespace)
    magnitudes, budget = own_magnitudes(variant(student, "atomo_probabilities"))
    assert np.array_equal(namespace["magnitudes"], magnitudes)
    assert namespace["budget"] == budget
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_common_misreadings_of_a_students_own_atoms_give_other_chances():
    for student in map(str, range(200)):
        magnitudes, budget = own_magnitudes(variant(student, "atomo_probabilities"))
        found = chances(magnitudes, budget)
        assert np.count_nonzero(found == 1) == 2  # one is full only after the other
        shares = budget * magnitudes / magnitudes.sum()
        assert np.count_nonzero(shares >= 1) == 1
        cut = np.minimum(1, shares)
        assert not np.allclose(cut, found)
        open_atoms = shares < 1
        once = cut.copy()
        once[open_atoms] = (budget - 1) * magnitudes[open_atoms] / magnitudes[open_atoms].sum()
        assert not np.allclose(np.minimum(1, once), found)


def test_the_numbers_of_the_mark_scheme_are_those_of_the_closed_forms():
    megabytes = {"float32": 540, "qsgd": 67.5, "sign": 135 / 8, "top_k": 10.8, "powersgd": 5.4}
    assert megabytes["float32"] == 135 * 4
    assert megabytes["qsgd"] == 135 / 2
    assert megabytes["top_k"] == 1.35 * 8
    line_s = {name: size / 1250 for name, size in megabytes.items()}  # 10 Gb/s
    m = 16
    ring, gathered = 2 * (m - 1) / m, m - 1
    dense, half = ring * line_s["float32"], ring * line_s["float32"] / 2 + 0.002
    qsgd = gathered * line_s["qsgd"] + 0.020 + 15 * 0.004
    sign = gathered * line_s["sign"] + 0.010 + 15 * 0.003
    top_k = gathered * line_s["top_k"] + 0.150 + 15 * 0.001
    powersgd = ring * line_s["powersgd"] + 0.060
    times = [dense, half, qsgd, sign, top_k, powersgd]
    wanted = [0.810, 0.407, 0.890, 0.2575, 0.2946, 0.0681]
    assert np.allclose(times, wanted, atol=5e-5)
    steps = [round(0.40 + seconds, 2) for seconds in (dense, half, qsgd, sign, top_k, powersgd)]
    assert steps == [1.21, 0.81, 1.29, 0.66, 0.69, 0.47]
    assert round(0.13 + dense, 2) == 0.94
    assert round(0.13 + half, 2) == 0.54
    assert round((0.13 + half) / (0.40 + powersgd), 2) == 1.15
    assert round(0.13 + half - 0.40 - powersgd, 2) == 0.07
    for share, equal in ((1 / 8, 16), (1 / 32, 64), (0.02, 100)):
        assert math.isclose((equal - 1) * share, 2 * (equal - 1) / equal)
    assert round(ring * line_s["sign"], 3) == 0.025
    assert math.isclose(10 * dense / 0.27, 30)
    bandwidth = (10 * ring * (line_s["float32"] / 2 - line_s["powersgd"])) / (0.46 - 0.132)
    assert round(bandwidth) == 12
