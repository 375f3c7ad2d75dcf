"""Public tests of the exercises to Distributed optimization.

Their inputs stand in the text of `alone` and `together`. What they hold an answer to is in the
other files of this folder, and the hidden tests use it with inputs that only the grader can draw.
"""

from mlsys_lib.grading.public import PublicTest
from mlsys_lib.grading.public.distributed_optimization import alone, together

TESTS: dict[str, tuple[PublicTest, ...]] = {
    "gradient_step": (
        alone.goes_down_on_one_example,
        alone.takes_the_mean_of_four_examples,
        alone.is_pulled_by_the_penalty_alone,
    ),
    "iterations_needed": (
        alone.steps_of_a_lipschitz_function,
        alone.steps_that_are_rounded,
        alone.steps_of_a_smooth_function,
        alone.steps_of_a_strongly_convex_function,
        alone.steps_where_one_is_enough,
    ),
    "weighted_average": (
        alone.averages_your_own_workers,
        alone.averages_equal_shards,
        alone.averages_with_a_worker_that_has_nothing,
    ),
    "dual_step": (
        alone.steps_from_zero,
        alone.steps_with_a_scale,
        alone.steps_with_the_other_label,
        alone.steps_as_far_as_is_allowed,
        alone.steps_for_an_example_of_zeros,
    ),
    "bias_corrected": (
        together.removes_a_bias,
        together.corrects_with_shards_of_different_sizes,
        together.corrects_with_a_rank_without_examples,
        together.corrects_five_weights_on_four_ranks,
    ),
    "duality_gap": (
        together.gap_before_the_first_step,
        together.gap_of_two_ranks,
        together.gap_where_a_dual_is_not_allowed,
        together.gap_with_a_rank_without_examples,
    ),
    "cocoa_round": (
        together.one_rank_is_done_in_a_round,
        together.two_ranks_average,
        together.three_ranks_with_the_same_examples_add,
        together.a_later_round_with_a_rank_without_examples,
        together.many_examples_travel_as_one_vector,
    ),
}
