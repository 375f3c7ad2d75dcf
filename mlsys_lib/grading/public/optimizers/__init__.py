"""Public tests of the exercises to Optimizers for deep learning.

Their inputs stand in the text of `in_hand`, `moves` and `together`. What they hold an answer to is
in the other files of this folder, and the hidden tests use it with inputs that only the grader can
draw.
"""

from mlsys_lib.grading.public import PublicTest
from mlsys_lib.grading.public.optimizers import in_hand, moves, together

TESTS: dict[str, tuple[PublicTest, ...]] = {
    "early_stop": (
        in_hand.stops_on_your_own_curve,
        in_hand.outlasts_a_rise,
        in_hand.compares_with_the_best,
        in_hand.asks_for_more_than_min_delta,
        in_hand.goes_to_the_end,
        in_hand.does_not_take_nan_for_a_loss,
    ),
    "adagrad_rates": (
        moves.rates_of_three_gradients,
        moves.rates_of_gradients_as_small_as_the_guard,
        moves.rates_of_a_rare_coordinate,
        moves.rates_of_gradients_that_fade,
    ),
    "adam_step": (
        moves.steps_three_times,
        moves.steps_with_a_guard_that_counts,
        moves.steps_in_the_middle_of_a_run,
        moves.steps_without_a_gradient,
    ),
    "nesterov_path": (
        moves.walks_two_steps,
        moves.walks_down_a_valley,
        moves.stays_where_it_is,
    ),
    "clip_gradients": (
        in_hand.clips_by_one_norm,
        in_hand.leaves_short_gradients_alone,
        in_hand.clips_what_is_zero,
        in_hand.clips_large_single_precision,
    ),
    "batch_norm_train": (
        in_hand.normalizes_two_rows,
        in_hand.normalizes_as_many_rows_as_features,
        in_hand.normalizes_a_feature_that_hardly_varies,
        in_hand.normalizes_a_single_row,
    ),
    "sync_batch_norm": (
        together.normalizes_shards_that_differ_only_from_each_other,
        together.normalizes_two_shards,
        together.a_rank_without_rows_takes_part,
        together.normalizes_numbers_around_a_million,
        together.few_short_messages,
    ),
}
