"""Public tests of what one rank makes of a gradient: levels, signs, numbers kept, chances, bits."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.gradient_compression.chances import expect_chances, own_magnitudes
from mlsys_lib.grading.public.gradient_compression.kept import expect_remembered
from mlsys_lib.grading.public.gradient_compression.levels import expect_levels, expect_unbiased
from mlsys_lib.grading.public.gradient_compression.signs import expect_packed
from mlsys_lib.grading.public.gradient_compression.sizes import expect_bits
from mlsys_lib.grading.student import own_variant

Answer = Callable[..., Any]


# -- stochastic_levels -----------------------------------------------------------------------------
def rounds_by_the_coin(stochastic_levels: Answer) -> None:
    """Two numbers of norm 5, and one level."""
    expect_levels(
        stochastic_levels,
        np.array([3.0, -4.0]),
        1,
        np.array([0.5, 0.9]),
        "3 is 0.6 of the norm, so it goes up to level 1 with a chance of 0.6: if its random number "
        "is below 0.6. 4 goes up if its number is below 0.8. Who does not go up goes down.",
    )


def rounds_with_four_levels(stochastic_levels: Answer) -> None:
    """Four numbers of norm 3, and four levels."""
    expect_levels(
        stochastic_levels,
        np.array([1.0, -2.0, 2.0, 0.0]),
        4,
        np.array([0.2, 0.5, 0.8, 0.0]),
        "4 · 2/3 = 2.67 lies between the levels 2 and 3, and goes up if its own random number is "
        "below 0.67. Levels from 0 to num_levels are 1/num_levels of the norm apart. A number "
        "below 0 has a level below 0.",
    )


def is_right_on_average(stochastic_levels: Answer) -> None:
    """Ten calls whose random numbers are spread evenly."""
    expect_unbiased(
        stochastic_levels,
        np.array([3.0, -4.0]),
        1,
        10,
        "The errors of many roundings must cancel: a chance of 0.6 of going up makes 0.6 of it on "
        "average. Always the nearest, always down and always up are wrong in the same direction "
        "each time.",
    )


def leaves_whole_levels_alone(stochastic_levels: Answer) -> None:
    """One number as long as the norm, and two zeros."""
    expect_levels(
        stochastic_levels,
        np.array([0.0, -2.0, 0.0]),
        3,
        np.array([0.0, 0.0, 0.5]),
        "What stands at a level stays there, also at the highest, num_levels: its distance from "
        "the level below is 0, and no random number is below 0.",
    )


def rounds_zeros(stochastic_levels: Answer) -> None:
    """Zeros, and nothing else."""
    expect_levels(
        stochastic_levels,
        np.zeros(3),
        4,
        np.array([0.0, 0.5, 0.9]),
        "The norm of zeros is 0, and 0 / 0 is NaN: no number has a level but 0.",
    )


# -- pack_signs ------------------------------------------------------------------------------------
def packs_eight_signs(pack_signs: Answer, unpack_signs: Answer) -> None:
    """Eight numbers: one byte."""
    expect_packed(
        pack_signs,
        unpack_signs,
        np.array([1.0, -2.0, 0.5, -1.0, -1.0, -3.0, 2.0, 4.0]),
        "Eight signs make one byte. A bit is 1 for +1 and 0 for -1, and the first number's stands "
        "highest, where it counts 128: np.packbits does it so.",
    )


def packs_eleven_signs(pack_signs: Answer, unpack_signs: Answer) -> None:
    """Eleven numbers: a byte that is not full."""
    expect_packed(
        pack_signs,
        unpack_signs,
        np.array([-1.0, 2, 2, -2, 1, 1, -1, -1, 1, -1, 3]),
        "Eleven signs need two bytes. The five bits at the end of the second are 0 and belong to "
        "no number: only k tells how many do.",
    )


def packs_zeros(pack_signs: Answer, unpack_signs: Answer) -> None:
    """Zeros among the numbers, with both signs that a float has for them."""
    expect_packed(
        pack_signs,
        unpack_signs,
        np.array([0.0, -1.0, -0.0, 1.0]),
        "A bit has two values: here 0 counts as +1, and -0.0 is 0.",
    )


def packs_other_lengths(pack_signs: Answer, unpack_signs: Answer) -> None:
    """1, 7, 16 and 17 numbers."""
    for k in (1, 7, 16, 17):
        expect_packed(
            pack_signs,
            unpack_signs,
            np.array([(-1.0) ** (i // 3) for i in range(k)]),
            "k signs need k / 8 bytes, rounded up: 16 fill two, and need no third.",
        )


# -- top_k_step ------------------------------------------------------------------------------------
def keeps_two_of_four(top_k_step: Answer) -> None:
    """Four numbers and no memory yet; two are kept."""
    expect_remembered(
        top_k_step,
        np.array([4.0, -8.0, 2.0, 1.0]),
        np.zeros(4),
        0.5,
        2,
        "The learning rate comes first: due are [2, -4, 1, 0.5]. Kept are the largest magnitudes, "
        "with their signs and as they are; what is not sent is remembered.",
    )


def sends_what_it_remembers(top_k_step: Answer) -> None:
    """Three numbers, and a memory that is larger than the gradient."""
    expect_remembered(
        top_k_step,
        np.array([1.0, -2.0, 3.0]),
        np.array([0.5, -3.0, 0.25]),
        0.5,
        1,
        "Due are 0.5 · gradient + memory = [1, -4, 1.75]: the memory has met the learning rate "
        "already. The choice is made among these, and what is due and not sent is the new memory: "
        "the old one is in it, once.",
    )


def keeps_the_lower_of_equal_ones(top_k_step: Answer) -> None:
    """Three numbers of the same magnitude for two places."""
    expect_remembered(
        top_k_step,
        np.array([2.0, -2.0, 2.0, 1.0]),
        np.zeros(4),
        1.0,
        2,
        "No more than num_kept numbers are sent. Of equal magnitudes the first ones are kept.",
    )


def sends_small_gradients_in_the_end(top_k_step: Answer) -> None:
    """Five steps with the same gradient; one of two numbers is kept."""
    memory = np.zeros(2)
    for _ in range(5):
        _, memory = expect_remembered(
            top_k_step,
            np.array([1.0, 0.4]),
            memory,
            0.5,
            1,
            "A number that is never the largest adds up in the memory, until it is. Nothing gets "
            "lost and nothing is sent twice: what was sent and the memory together are the "
            "learning rate times all gradients.",
        )


# -- atomo_probabilities ---------------------------------------------------------------------------
def fills_your_own_atoms(atomo_probabilities: Answer, student: str) -> None:
    """Your own five magnitudes, with a budget of 3."""
    rng, remark = own_variant(student, "atomo_probabilities")
    expect_chances(
        atomo_probabilities,
        *own_magnitudes(rng),
        f"{remark}An atom whose share is 1 or more is sent for certain. The others share what is "
        "left of the budget, and then another one may be full.",
    )


def shares_where_nothing_is_full(atomo_probabilities: Answer, student: str) -> None:
    """Four magnitudes whose sum is 10, with budgets of 1 and 2.5."""
    for budget in (1.0, 2.5):
        expect_chances(
            atomo_probabilities,
            np.array([2.0, 4.0, 1.0, 3.0]),
            budget,
            "Where no chance comes out above 1, it is the budget times the magnitude's share of "
            "the sum: of the magnitudes themselves, and in the order in which they came.",
        )


def gives_on_what_is_too_much(atomo_probabilities: Answer, student: str) -> None:
    """Magnitudes 1, 10, 3, 0.5, 2 and 1, with a budget of 2."""
    expect_chances(
        atomo_probabilities,
        np.array([1.0, 10.0, 3.0, 0.5, 2.0, 1.0]),
        2.0,
        "10 of 17.5 would get 1.14, and cannot have more than 1. What is above goes to the others: "
        "they share a budget of 1 by their shares of 7.5. The sum is 2, and not 1.857.",
    )


def fills_one_after_the_other(atomo_probabilities: Answer, student: str) -> None:
    """Magnitudes 2, 20, 1, 6 and 1, with a budget of 3."""
    expect_chances(
        atomo_probabilities,
        np.array([2.0, 20.0, 1.0, 6.0, 1.0]),
        3.0,
        "Once 20 is full, 6 of the 10 that are left would get 2 · 0.6 = 1.2 and is full too. Only "
        "then do the last three share what is left, 1. Look again each time one is full.",
    )


def leaves_zeros_at_home(atomo_probabilities: Answer, student: str) -> None:
    """Magnitudes of 0, and budgets for everybody."""
    idea = (
        "An atom of magnitude 0 need not be sent: its chance is 0, even where budget is left. All "
        "others are certain where the budget is enough for them. 0 / 0 is NaN."
    )
    expect_chances(atomo_probabilities, np.array([0.0, 5.0, 0.0, 1.0]), 3.0, idea)
    expect_chances(atomo_probabilities, np.array([0.0, 5.0, 0.0, 1.0]), 4.0, idea)
    expect_chances(atomo_probabilities, np.zeros(2), 1.0, idea)
    expect_chances(atomo_probabilities, np.array([2.0, 1.0, 4.0]), 3.0, idea)


# -- bits_needed -----------------------------------------------------------------------------------
def bits_of_signs(bits_needed: Answer) -> None:
    """Signs of a thousand and one numbers."""
    expect_bits(
        bits_needed,
        ("sign", 1001, 4, [7, 500]),
        "A bit for each of the k numbers, and 32 for the scale, once: bits, and not bytes, nor "
        "bits filled up to bytes.",
    )


def bits_of_levels(bits_needed: Answer) -> None:
    """Levels of a thousand numbers: 1, 7 and 8 of them."""
    for num_levels in (1, 7, 8):
        expect_bits(
            bits_needed,
            ("qsgd", 1000, num_levels, [7, 500]),
            "Levels go from -num_levels to num_levels, with 0 between them: 15 values for 7, which "
            "need 4 bits. A part of a bit cannot be sent: round up, for each number. The norm "
            "takes 32 more.",
        )


def bits_of_plain_indices(bits_needed: Answer) -> None:
    """Two numbers of 1024, of 1025, and of 2²⁹."""
    for num_elements in (1024, 1025, 2**29):
        expect_bits(
            bits_needed,
            ("top_k", num_elements, 4, [3, 700]),
            "Who is told a value must be told its place too. Places count from 0 to k - 1, so k "
            "values must be told apart: 10 bits for 1024, 11 for 1025, 29 for 2²⁹. A value takes "
            "32.",
        )


def bits_of_gaps(bits_needed: Answer) -> None:
    """Places 0, 1, 5 and 69: gaps of 1, 1, 4 and 64."""
    expect_bits(
        bits_needed,
        ("top_k_gaps", 1000, 4, [0, 1, 5, 69]),
        "The gaps are 1, 1, 4 and 64: the first is counted from -1, so that none is 0. Their codes "
        "take 1, 1, 5 and 13 bits, and a value takes 32.",
    )


def bits_of_a_single_number(bits_needed: Answer) -> None:
    """One number alone, in each way."""
    for scheme in ("sign", "qsgd", "top_k", "top_k_gaps"):
        expect_bits(
            bits_needed,
            (scheme, 1, 2, [0]),
            "Where there is one place only, nobody need be told which: a plain index takes no bit. "
            "A gap of 1 takes one.",
        )
