"""Public tests of the exercises to Gradient compression.

Their inputs stand in the text of `alone` and `together`. What they hold an answer to is in the
other files of this folder, and the hidden tests use it with inputs that only the grader can draw.
"""

from mlsys_lib.grading.public import PublicTest
from mlsys_lib.grading.public.gradient_compression import alone, together

TESTS: dict[str, tuple[PublicTest, ...]] = {
    "stochastic_levels": (
        alone.rounds_by_the_coin,
        alone.rounds_with_four_levels,
        alone.is_right_on_average,
        alone.leaves_whole_levels_alone,
        alone.rounds_zeros,
    ),
    "pack_signs": (
        alone.packs_eight_signs,
        alone.packs_eleven_signs,
        alone.packs_zeros,
        alone.packs_other_lengths,
    ),
    "top_k_step": (
        alone.keeps_two_of_four,
        alone.sends_what_it_remembers,
        alone.keeps_the_lower_of_equal_ones,
        alone.sends_small_gradients_in_the_end,
    ),
    "atomo_probabilities": (
        alone.fills_your_own_atoms,
        alone.shares_where_nothing_is_full,
        alone.gives_on_what_is_too_much,
        alone.fills_one_after_the_other,
        alone.leaves_zeros_at_home,
    ),
    "bits_needed": (
        alone.bits_of_signs,
        alone.bits_of_levels,
        alone.bits_of_plain_indices,
        alone.bits_of_gaps,
        alone.bits_of_a_single_number,
    ),
    "majority_vote": (
        together.three_ranks_vote,
        together.two_ranks_disagree,
        together.zero_has_a_vote,
        together.one_rank_is_the_majority,
        together.a_bit_up_and_a_bit_down,
    ),
    "compressed_mean": (
        together.two_ranks_keep_other_places,
        together.two_ranks_keep_the_same_place,
        together.ranks_keep_other_counts,
        together.a_rank_that_keeps_nothing,
        together.few_numbers_of_many_travel,
    ),
}
