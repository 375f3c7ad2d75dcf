"""Public tests of the exercises to Distributed trees.

Their inputs stand in the text of `alone` and `together`. What they hold an answer to is in the
other files of this folder, and the hidden tests use it with inputs that only the grader can draw.
"""

from mlsys_lib.grading.public import PublicTest
from mlsys_lib.grading.public.distributed_trees import alone, together

TESTS: dict[str, tuple[PublicTest, ...]] = {
    "merge_summaries": (
        alone.merges_your_own_shards,
        alone.merges_shards_that_differ_only_from_each_other,
        alone.merges_shards_without_rows,
    ),
    "best_cut": (
        alone.cuts_where_it_gains_most,
        alone.cuts_by_rows_and_not_by_bins,
        alone.takes_the_lowest_of_equal_cuts,
        alone.leaves_no_side_empty,
        alone.does_not_cut_for_nothing,
    ),
    "bin_edges": (
        alone.cuts_what_two_workers_have,
        alone.cuts_by_weight,
        alone.cuts_around_a_frequent_value,
        alone.cuts_with_a_worker_that_has_nothing,
    ),
    "dearer_from_depth": (
        alone.depth_of_the_first_line,
        alone.depth_of_the_wide_table,
        alone.depth_with_three_statistics,
        alone.depth_after_a_tie,
        alone.depth_at_the_limit,
    ),
    "level_histograms": (
        together.two_ranks_count_one_feature,
        together.rows_in_leaves_do_not_count,
        together.a_rank_without_rows_takes_part,
        together.many_rows_travel_as_one_histogram,
    ),
    "route_rows": (
        together.routes_sixteen_rows,
        together.routes_eleven_rows,
        together.routes_from_another_owner,
    ),
    "elect_features": (
        together.elects_by_votes,
        together.elects_the_lower_of_equal_ones,
        together.elects_nobody_without_a_vote,
    ),
}
