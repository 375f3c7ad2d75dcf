"""Batch norm on replicas: statistics, shares and bytes are those of runs of the library."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives.cost import ring_all_reduce_cost
from mlsys_lib.explorers.optimizers import batch_norm as module
from mlsys_lib.explorers.optimizers import batch_norm_explorer
from mlsys_lib.explorers.optimizers.batch_norm import (
    BATCH_SIZES,
    COUNTS,
    NUM_UNITS,
    REPLICAS,
    UNIT,
    batch_statistics,
    describe_normalization,
    normalization,
    normalization_table,
    shards,
    step_statistics,
    trained,
    training_mode,
)
from mlsys_lib.explorers.optimizers.correction import pooled_images
from mlsys_lib.optimizers import BatchNorm, SyncBatchNorm
from mlsys_lib.plots.optimizers import Normalization, NormalizationPlot
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(batch_norm_explorer().positions())


def layer_bytes(replicas: int) -> int:
    """The closed form of two all-reduces, of 2 d + 1 and of 2 d numbers of 8 bytes."""
    sizes = (2 * NUM_UNITS + 1, 2 * NUM_UNITS)
    sent = [ring_all_reduce_cost(replicas, n, 8).sent_bytes for n in sizes]
    return int(np.sum(sent, axis=0).max())


@pytest.mark.parametrize("count", [2, 8, 64, 512])
def test_means_scatter_as_one_over_the_root_of_the_images(count: int) -> None:
    """300 batches and 32 units that go together: within a fifteenth."""
    assert batch_statistics(count)[0] == pytest.approx(count**-0.5, rel=1 / 15)


def test_variances_of_small_batches_are_too_small_by_one_image() -> None:
    """Divided by n they are (1 - 1/n) σ² on average: a half for two images."""
    for count in (2, 4, 8):
        drawn = np.random.default_rng(0).integers(0, 3000, (20_000, count))
        variance = trained().values[drawn, UNIT].var(axis=1).mean()
        assert variance == pytest.approx(1 - 1 / count, rel=0.05)
    assert (batch_statistics(2)[1][:, 1] ** 2).mean() < 0.65


def test_two_images_become_plus_and_minus_one() -> None:
    """Whatever they are, unless they are alike: as the remark says."""
    (shard,) = shards(2, 1)
    normalized = BatchNorm(NUM_UNITS).forward(shard)
    apart = np.abs(shard[0] - shard[1]) > 0.1
    assert apart.sum() > NUM_UNITS / 2
    np.testing.assert_allclose(np.abs(normalized[:, apart]), 1, atol=5e-3)
    assert normalization(2, 1, "own").remark == "every value becomes +1 or −1"


@pytest.mark.parametrize("replicas", REPLICAS)
@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_statistics_of_the_step_are_those_of_the_images(batch_size: int, replicas: int) -> None:
    parts = [shard[:, UNIT] for shard in shards(batch_size, replicas)]
    for synchronized, groups in ((False, parts), (True, [np.concatenate(parts)])):
        found = step_statistics(batch_size, replicas, synchronized=synchronized)
        if len(groups[0]) < 2:
            assert found.shape == (0, 2)
            continue
        expected = [(group.mean(), group.std()) for group in groups]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def check_bytes() -> None:
    """The ledger says what the form says, whatever the batch."""
    module.synchronized_step.cache_clear()
    for replicas in REPLICAS[1:]:
        for batch_size in (1, 64):
            shown = normalization(batch_size, replicas, "all")
            assert shown.sent_bytes == layer_bytes(replicas)
            assert shown.rounds == 4 * (replicas - 1)


def test_bytes_are_those_of_the_closed_form() -> None:
    check_bytes()
    assert normalization(4, 8, "own").sent_bytes == normalization(4, 1, "all").sent_bytes == 0
    size = sum(w.size for w in trained().network.weights)
    expected = max(ring_all_reduce_cost(8, size, 8).sent_bytes)
    assert normalization(4, 8, "all").gradient_bytes == expected


@pytest.mark.parametrize("planted", ["forwards only", "gathered samples"])
def test_a_wrong_step_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistakes: no backward pass; all samples instead of their sums."""
    from mlsys_lib.collectives import ring_all_gather

    def wrong(comm: Any, shard: np.ndarray) -> BatchNorm:
        layer = BatchNorm(NUM_UNITS, momentum=1.0)
        if planted == "forwards only":
            SyncBatchNorm(comm, layer).forward(shard)
        else:
            layer.forward(np.concatenate(ring_all_gather(comm, shard)))
        return layer

    monkeypatch.setattr(module, "_step", wrong)
    with pytest.raises(AssertionError):
        check_bytes()
    module.synchronized_step.cache_clear()


def test_the_curve_is_that_of_a_network_that_normalizes_by_hand() -> None:
    """The forward pass written out for two images and for sixteen."""
    *_, X, y = pooled_images()
    weight, bias, scale, shift, last, last_bias = trained().network.weights
    for count in (2, 16):
        drawn = np.random.default_rng(count).integers(0, len(y), (4096 // count, count))
        z = X[drawn] @ weight.T + bias
        mean, variance = z.mean(axis=1, keepdims=True), z.var(axis=1, keepdims=True)
        hidden = np.maximum((z - mean) / np.sqrt(variance + 1e-5) * scale + shift, 0)
        logits = hidden @ last.T + last_bias
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
        of_labels = np.take_along_axis(probabilities, y[drawn][..., None], axis=2)
        right, loss = training_mode()[COUNTS.index(count)]
        assert right == float((logits.argmax(axis=2) == y[drawn]).mean())
        assert loss == pytest.approx(float(-np.log(of_labels).mean()), rel=1e-9)


def test_measuring_leaves_the_running_statistics_alone() -> None:
    *_, X, y = pooled_images()
    training_mode.cache_clear()
    training_mode()
    assert trained().network.accuracy(X, y) == trained().right


def test_the_gap_to_evaluation_closes() -> None:
    shown = normalization(2, 8, "own")
    assert shown.right[0] < 0.5 < 0.78 < shown.right_in_evaluation
    gaps = [abs(right - shown.right_in_evaluation) for right in shown.right]
    assert gaps[0] > 5 * gaps[3] > 0
    assert max(gaps[-4:]) < 0.015
    assert shown.losses[0] > 2 * shown.loss_in_evaluation


def test_synchronized_replicas_count_together() -> None:
    for batch_size in BATCH_SIZES:
        for replicas in REPLICAS:
            assert normalization(batch_size, replicas, "own").count == batch_size
            assert normalization(batch_size, replicas, "all").count == batch_size * replicas
    assert normalization(1, 8, "own").refused and not normalization(1, 8, "all").refused


def test_description_and_table_say_the_numbers() -> None:
    own, together = (normalization(2, 8, statistics) for statistics in ("own", "all"))
    assert describe_normalization(own) == (
        "8 replicas with 2 images each, statistics of each replica alone: 2 images behind each "
        "mean and deviation. Means of such batches scatter by 0.71 deviations around the mean of "
        "all images. With so few, every value becomes +1 or −1. Second panel: with these "
        f"statistics the trained network names {own.right[0]:.1%} of the test images right, in "
        f"evaluation {own.right_in_evaluation:.1%}. Nothing is sent."
    )
    assert describe_normalization(together).endswith(
        "Each replica sends 1.81 kB for the layer in a step, in 28 rounds; the gradient of the "
        "network takes 27.9 kB."
    )
    assert "refused" in describe_normalization(normalization(1, 4, "own"))
    header, rows = normalization_table(together)
    assert [row[0] for row in rows] == [*COUNTS, "running"]
    assert [row[0] for row in rows if row[-1]] == [16]
    assert all(len(row) == len(header) for row in rows)


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(batch_norm_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = batch_norm_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: the marks of an earlier step stay where nothing is normalized."""

    class Forgetful(NormalizationPlot):
        def draw(self, shown: Normalization) -> Any:
            before = self._step.get_data()
            drawn = super().draw(shown)
            if shown.refused:
                self._step.set_data(*before)
            return drawn

    wrong = replace(batch_norm_explorer(), plot=lambda: Forgetful(COUNTS))
    refused, normal = POSITIONS[0], POSITIONS[-1]
    assert wrong.frame(normal) == wrong.fresh_frame(normal)
    assert wrong.frame(refused) != wrong.fresh_frame(refused)


def test_the_page_is_light() -> None:
    page = batch_norm_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
