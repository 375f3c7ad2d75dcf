"""Public tests of the exercises to Federated learning.

Their inputs stand in the text of `alone`, `apart`, `covered` and `together`. What they hold an
answer to is in the other files of this folder, and the hidden tests use it with inputs that only
the grader can draw.
"""

from mlsys_lib.grading.public import PublicTest
from mlsys_lib.grading.public.federated_learning import alone, apart, covered, together

TESTS: dict[str, tuple[PublicTest, ...]] = {
    "weighted_mean": (
        alone.averages_nine_hundred_and_a_hundred,
        alone.averages_three_of_five_clients,
        alone.leaves_out_what_is_not_finite,
        alone.keeps_the_weights_if_nobody_answers,
    ),
    "local_steps": (
        alone.first_step_feels_no_leash,
        alone.three_steps_on_a_leash,
        alone.takes_the_mean_of_four_examples,
        alone.straggler_without_a_step,
    ),
    "fedavg_fixed_point": (
        apart.rests_with_your_own_clients,
        apart.rests_at_the_minimum_for_one_step,
        apart.rests_elsewhere_for_more_steps,
        apart.rests_between_the_minima_in_the_end,
    ),
    "dissimilarity": (
        apart.clients_that_agree,
        apart.clients_at_right_angles,
        apart.clients_of_unequal_weight,
        apart.clients_that_cancel,
        apart.clients_that_rest,
        apart.clients_near_the_minimum,
    ),
    "qfedavg_step": (
        apart.steps_like_fedavg,
        apart.steps_towards_the_worse_client,
        apart.steps_with_a_power_of_three,
        apart.steps_alone,
    ),
    "masked_update": (
        covered.masks_the_lower_of_two,
        covered.masks_the_higher_of_two,
        covered.masks_the_middle_of_three,
    ),
    "unmasked_sum": (
        covered.adds_up_what_cancels,
        covered.one_has_dropped_out,
        covered.two_have_dropped_out,
    ),
    "federated_rounds": (
        together.one_client_trains_twice,
        together.two_clients_with_one_and_three_examples,
        together.others_are_left_in_peace,
        together.a_round_without_clients,
        together.clients_train_at_the_same_time,
    ),
}
