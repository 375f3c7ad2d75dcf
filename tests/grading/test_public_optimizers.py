"""The exercises to Optimizers: what they hold answers to, and what catches each mistake."""

import numpy as np
import pytest

from mlsys_lib.collectives import (
    halving_doubling_all_reduce,
    ring_all_gather,
    tree_all_reduce,
)
from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.grading.expect import Mismatch
from mlsys_lib.grading.public.optimizers import TESTS
from mlsys_lib.grading.public.optimizers.clipping import clipped
from mlsys_lib.grading.public.optimizers.normalizing import (
    draw_layer,
    expect_sync_batch_norm,
    normalized,
    trained,
)
from mlsys_lib.grading.public.optimizers.steps import path_of, rates_of, stepped
from mlsys_lib.grading.public.optimizers.stopping import (
    MIN_DELTA,
    PATIENCE,
    draw_curve,
    own_curve,
    stopped,
)
from mlsys_lib.grading.variants import variant
from mlsys_lib.optimizers import (
    Adagrad,
    Adam,
    BatchNorm,
    EarlyStopping,
    Nesterov,
    SyncBatchNorm,
)
from tests.grading.assignment import Assignment

# What each planted mistake is caught by among the public tests: words of what the learner reads.
CAUGHT = {
    "early_stop": {
        "stops_at_the_first_rise": "One loss that is worse is noise",
        "never_starts_anew": "starts the count anew",
        "one_too_patient": "The stop is the step of the second",
        "counts_from_one": "Steps count from 0",
        "compares_with_the_one_before": "not with the loss before",
        "keeps_the_last": "those of the best step, not of the last",
        "keeps_the_lowest": "does not become the best",
        "moves_the_best_a_little": "does not become the best",
        "min_delta_turned_around": "it must be more",
        "as_good_is_better": "Lower by min_delta is not enough",
        "looks_ahead": "never been measured",
        "takes_nan_for_the_best": "NaN improves on nothing",
    },
    "adagrad_rates": {
        "averages_the_squares": "a sum and no mean",
        "forgets_the_root": "the root is taken of it",
        "adds_absolute_values": "The squares are",
        "squares_the_sum": "The squares are",
        "leaves_out_the_newest": "holds this step's gradient too",
        "knows_only_the_newest": "The sum holds",
        "forgets_like_rmsprop": "Nothing is ever forgotten",
        "along_the_coordinates": "The sum holds",
        "returns_the_moves": "0.1 is divided by the roots",
        "eps_inside_the_root": "eps is added to the root",
        "forgets_eps": "eps alone keeps the rate finite",
        "one_rate_for_all": "Each coordinate has a sum of its own",
    },
    "adam_step": {
        "multiplies_by_the_correction": "got .*e-06.*at 0 if one multiplies",
        "corrects_nothing": "got .0.683772.*Without corrections it ends at 0.684",
        "corrects_the_first_only": "as long as the learning rate",
        "decays_swapped": "decays.0. of itself",
        "literally_the_sheet": "decays.0. of itself",
        "eps_inside_the_root": "not under the root",
        "eps_before_the_correction": "not to the root of the uncorrected one",
        "eps_added_to_the_weights": "not to the weights",
        "counts_from_zero": "t is 1 in the first step",
        "keeps_the_corrected": "They are returned as they are",
        "squares_the_average": "g and g squared",
        "climbs": "not along it",
        "steps_by_the_gradient": "not against the newest one alone",
        "changes_its_arguments": "Return new arrays",
    },
    "nesterov_path": {
        "gradient_where_it_stands": "got .*0.76 if the gradient is taken at w_1",
        "momentum_backwards": "with its sign",
        "steps_from_where_it_stands": "the step starts there",
        "looks_ahead_in_full": "leads on to 0.85",
        "returns_the_points_ahead": "The points ahead",
        "learning_rate_twice": "scales the gradient alone",
        "velocity_is_an_average": "that goes on, whole",
        "begins_with_a_move": "w_1 is 0.9",
        "one_array_many_times": "w_1 is 0.9",
        "leaves_out_the_start": r"num_steps \+ 1 rows, w_0 first",
        "moves_the_start": "Return new arrays",
    },
    "clip_gradients": {
        "each_array_alone": "so that it points where it did",
        "clips_each_entry": "so that it points where it did",
        "makes_short_ones_longer": "is not made longer",
        "forgets_the_root": "got 169.*nor 169",
        "adds_norms": "got 17.*neither 17",
        "means_the_squares": "one long vector, of norm 13",
        "clips_to_one": "halve it",
        "tells_the_norm_after": "before they were clipped",
        "squares_single_precision": "square in float64",
        "all_become_double": "have the dtype",
        "divides_by_zero": "no reason to divide",
        "clips_in_place": "Return new arrays",
    },
    "batch_norm_train": {
        "keeps_the_biased": "What is kept is the variance that divides by n - 1",
        "normalizes_with_the_unbiased": "To normalize, divide by n",
        "momentum_turned_around": "the share of the new value",
        "along_the_features": "down the rows",
        "one_mean_for_all": "for each feature",
        "eps_outside_the_root": "add eps under the root",
        "divides_by_the_variance": "under the root",
        "normalizes_with_the_running": "of this batch",
        "runs_over_what_comes_out": "the mean of x itself",
        "runs_over_deviations": "What is kept is the variance",
        "one_row_divides_by_zero": "got .nan.*One row says nothing",
        "one_row_has_variance_zero": "One row says nothing",
        "changes_the_running_ones": "Return new arrays",
    },
    "sync_batch_norm": {
        "each_rank_alone": "not around their rank's own",
        "averages_the_variances": "spread around the mean of all",
        "shares_the_mean_only": "a shard counts by its rows",
        "means_without_weights": "a shard counts by its rows",
        "divides_by_one_less": "divides by the count, not by one less",
        "mean_of_no_rows": "No rows have no mean",
        "stays_away": r"ended: rank\(s\) \[1\]",
        "squares_before_the_mean": "Find the mean first",
        "a_message_a_statistic": "into one array",
        "a_message_a_feature": "into one array",
        "gathers_the_rows": "no rows",
        "centers_in_place": "Leave x alone",
    },
}
IMPORTS = "from mlsys_lib.collectives import ring_all_reduce"
ASSIGNMENT = Assignment("optimizers", TESTS, IMPORTS, CAUGHT, may_warn="")
cell = ASSIGNMENT.cell


# -- a student's own curve -------------------------------------------------------------------------
@pytest.mark.parametrize("student", ["ada", "ben", "cleo", "dan"])
def test_the_notebook_prints_the_curve_that_the_tests_draw(student, capsys):
    namespace = {"np": np, "variant": variant, "STUDENT": student}
    exec(cell("early_stop", "given"), namespace)
    curve = own_curve(variant(student, "early_stop"))
    assert namespace["losses"].tolist() == curve
    assert len(capsys.readouterr().out.splitlines()) == len(curve)


@pytest.mark.parametrize("seed", range(30))
def test_common_misreadings_of_an_own_curve_give_other_steps(seed):
    curve = own_curve(np.random.default_rng(seed))
    stop, best = stopped(curve, PATIENCE, MIN_DELTA)
    assert best is not None and best + PATIENCE == stop < len(curve) - 2
    assert min(curve) > 0
    rises = [step for step in range(1, stop) if curve[step] > curve[step - 1]]
    assert rises[0] < best < int(np.argmin(curve[: stop + 1])) < stop < int(np.argmin(curve))


# -- the measures agree with the library -----------------------------------------------------------
@pytest.mark.parametrize("seed", range(20))
def test_stops_are_those_of_the_librarys_early_stopping(seed):
    rng = np.random.default_rng(seed)
    patience, min_delta = int(rng.integers(1, 6)), float(rng.integers(0, 4)) / 8
    losses = draw_curve(rng, 25)
    losses[int(rng.integers(25))] = float("nan")
    stopping = EarlyStopping(patience, min_delta)
    step = next((i for i, loss in enumerate(losses) if stopping.update(loss, [])), len(losses) - 1)
    assert stopped(losses, patience, min_delta) == (step, stopping.best_index)


@pytest.mark.parametrize("seed", range(5))
def test_steps_are_those_of_the_librarys_adam_and_adagrad(seed):
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(9, 3))
    w, u, v = rng.normal(size=3), np.zeros(3), np.zeros(3)
    ours, adagrad = w.copy(), w.copy()
    adam, divided = Adam([ours], learning_rate=0.1), Adagrad([adagrad], learning_rate=0.1)
    moved = w - (rates_of(gradients, 0.1, 1e-10) * gradients).sum(axis=0)
    for t, gradient in enumerate(gradients, 1):
        w, u, v = stepped((w, u, v), gradient, t, 0.1, (0.9, 0.999), 1e-8)
        adam.step([gradient])
        divided.step([gradient])
    np.testing.assert_allclose(w, ours, rtol=1e-12)
    np.testing.assert_allclose(moved, adagrad, rtol=1e-12)


def test_paths_are_those_of_the_librarys_nesterov():
    hessian, w0 = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, -2.0])
    w = w0.copy()
    optimizer = Nesterov([w], learning_rate=0.1, momentum=0.7)
    for _ in range(12):
        optimizer.step([hessian @ optimizer.look_ahead()[0]])
    np.testing.assert_allclose(path_of(hessian, w0, 0.1, 0.7, 12)[-1], w, rtol=1e-12)


def test_a_clipped_gradient_has_the_largest_norm_allowed_and_keeps_its_direction():
    gradients = [np.array([3.0, -4.0]), np.array([[0.0, 12.0]])]
    shorter, norm = clipped(gradients, 2.0)
    assert norm == 13.0
    assert clipped(shorter, 20.0)[1] == pytest.approx(2.0)
    for old, new in zip(gradients, shorter, strict=True):
        np.testing.assert_allclose(new, old * 2 / 13)


def test_batches_are_normalized_as_by_the_librarys_layer():
    rng = np.random.default_rng(1)
    x, (scale, shift, mean, variance) = rng.normal(2, 3, (8, 4)), draw_layer(rng, 4)
    layer = BatchNorm(4, momentum=0.2, eps=1e-3)
    layer.scale, layer.shift = scale, shift
    layer.running_mean, layer.running_variance = mean.copy(), variance.copy()
    y, new_mean, new_variance = trained(x, (scale, shift, mean, variance), 0.2, 1e-3)
    np.testing.assert_allclose(layer.forward(x), y, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(layer.running_mean, new_mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_variance, new_variance, rtol=1e-12)


def test_rows_on_ranks_are_normalized_as_by_the_librarys_synchronized_layer():
    rng = np.random.default_rng(2)
    shards = [rng.normal(size=(n, 3)) for n in (4, 0, 7)]
    run = simulate(lambda comm, x: SyncBatchNorm(comm, BatchNorm(3)).forward(x), 3, PerRank(shards))
    whole = normalized(np.concatenate(shards), 1e-5)
    np.testing.assert_allclose(np.concatenate(run.results), whole, rtol=1e-9, atol=1e-9)


# -- other right answers ---------------------------------------------------------------------------
def merged(comm, x, eps):
    """Merge counts, means and squared deviations of all ranks, gathered at once."""
    n, d = x.shape
    mean = x.sum(axis=0) / max(n, 1)
    own = np.concatenate([[n], mean, ((x - mean) ** 2).sum(axis=0)])
    gathered = ring_all_gather(comm, own).reshape(comm.world_size, 2 * d + 1)
    counts, means, squares = gathered[:, :1], gathered[:, 1 : d + 1], gathered[:, d + 1 :]
    center = (counts * means).sum(axis=0) / counts.sum()
    spread = (squares + counts * (means - center) ** 2).sum(axis=0) / counts.sum()
    return (x - center) / np.sqrt(spread + eps)


def in_two_passes(all_reduce):
    """Normalize with two sums, by any of the library's ways to add."""

    def sync_batch_norm(comm, x, eps):
        count, *sums = all_reduce(comm, np.array([len(x), *x.sum(axis=0)], np.float64))
        centered = x - np.array(sums) / count
        squares = all_reduce(comm, (centered**2).sum(axis=0))
        return centered / np.sqrt(squares / count + eps)

    return sync_batch_norm


@pytest.mark.parametrize(
    "answer",
    [merged, in_two_passes(tree_all_reduce), in_two_passes(halving_doubling_all_reduce)],
)
def test_other_ways_to_share_the_statistics_are_right_too(answer):
    rng = np.random.default_rng(3)
    for sizes in ((5,), (3, 0), (4, 9, 1), (2, 7, 0, 30, 1, 8)):
        expect_sync_batch_norm(answer, [1e6 + rng.normal(size=(n, 3)) for n in sizes], 1e-5)


def test_a_mean_of_squares_is_told_from_the_variance_by_any_numbers_around_a_million():
    def cancels(comm, x, eps):
        sums = np.concatenate([[len(x)], x.sum(axis=0), (x**2).sum(axis=0)])
        count, *rest = ring_all_gather(comm, sums).reshape(comm.world_size, -1).sum(axis=0)
        mean, squares = np.array(rest).reshape(2, -1) / count
        return (x - mean) / np.sqrt(np.maximum(squares - mean**2, 0) + eps)

    for seed in range(30):
        rng = np.random.default_rng(seed)
        with pytest.raises(Mismatch):
            expect_sync_batch_norm(cancels, [1e6 + rng.normal(size=(n, 3)) for n in (6, 4)], 1e-5)
