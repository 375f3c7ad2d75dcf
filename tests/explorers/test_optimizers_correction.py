"""Adam's first steps: the reference numbers, the law between the formulas, and real trainings."""

import gzip
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.explorers.optimizers import correction as module
from mlsys_lib.explorers.optimizers import correction_explorer
from mlsys_lib.explorers.optimizers.correction import (
    LEARNING_RATES,
    NUM_LOSS_STEPS,
    NUM_STEPS,
    close_from,
    correction,
    correction_table,
    describe_correction,
    make_adam,
    step_lengths,
    train_network,
)
from mlsys_lib.optimizers import Adam
from mlsys_lib.plots.optimizers import Correction, CorrectionPlot
from mlsys_lib.plots.optimizers.correction import NAMES
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(correction_explorer().positions())
DECAYS = (0.9, 0.99, 0.999)


def check_reference_numbers() -> None:
    """3.16228 in step 1, 6.5685 in step 12, 1.2576 in step 1000; corrected 1; sheet 0.0032."""
    module.step_lengths.cache_clear()
    lengths = step_lengths("not corrected", 0.999, "constant")
    assert int(lengths.argmax()) + 1 == 12
    assert lengths[[0, 11, 999]] == pytest.approx([3.16228, 6.5685, 1.2576], abs=5e-5)
    assert step_lengths("corrected", 0.999, "constant") == pytest.approx(1.0, rel=1e-7)
    assert step_lengths("as on the sheet", 0.999, "constant")[0] == pytest.approx(0.00316, abs=1e-5)


def test_reference_numbers() -> None:
    check_reference_numbers()


@pytest.mark.parametrize("planted", ["decays not swapped", "always corrected"])
def test_a_wrong_formula_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(name: str, weights: Any, decay: float, learning_rate: float) -> Adam:
        corrected = planted == "always corrected" or name == "corrected"
        return Adam(
            weights, learning_rate=learning_rate, decays=(0.9, decay), bias_correction=corrected
        )

    monkeypatch.setattr(module, "make_adam", wrong)
    with pytest.raises(AssertionError):
        check_reference_numbers()
    module.step_lengths.cache_clear()


@pytest.mark.parametrize("gradients", ["constant", "noisy"])
@pytest.mark.parametrize("decay", DECAYS)
def test_without_the_correction_steps_are_longer_by_a_law(decay: float, gradients: str) -> None:
    """Whatever the gradients: (1 - δ₁ᵗ) / √(1 - δ₂ᵗ). A noisy one can be as small as ε₀ is felt."""
    without, corrected = (
        step_lengths(name, decay, gradients) for name in ("not corrected", "corrected")
    )
    t = np.arange(1, NUM_STEPS + 1)
    law = (1 - 0.9**t) / np.sqrt(1 - decay**t)
    np.testing.assert_allclose(without / corrected, law, rtol=1e-4)


def test_the_larger_the_decay_the_longer_it_lasts() -> None:
    """With δ₂ᵗ = 1 - 1/1.1² the step is a tenth too long; with 0.9 for both it is too short."""
    assert [close_from(decay) for decay in DECAYS] == [16, 175, 1751]
    for decay in (0.99, 0.999):
        expected = math.log(1 - 1 / 1.21) / math.log(decay)
        assert close_from(decay) == pytest.approx(expected, abs=1)
    assert step_lengths("not corrected", 0.9, "constant").max() < 1.0001


def test_with_equal_decays_the_sheet_only_lacks_the_correction() -> None:
    for gradients in ("constant", "noisy", "of the network"):
        shown = correction(0.9, gradients, 0.03)
        assert shown.lengths["as on the sheet"] == shown.lengths["not corrected"]


def test_losses_are_those_of_a_training_written_out_again() -> None:
    from mlsys_lib.datasets import fashion_mnist
    from mlsys_lib.optimizers import Network

    X, y, X_test, y_test = fashion_mnist()
    small, small_test = (
        x.reshape(-1, 7, 4, 7, 4).astype(float).mean(axis=(2, 4)).reshape(-1, 49)
        for x in (X, X_test)
    )
    mean, std = small.mean(), small.std()
    small, small_test = (small - mean) / std, (small_test - mean) / std
    network, rng = Network([49, 32, 10], np.random.default_rng(0)), np.random.default_rng(1)
    adam, losses = Adam(network.weights, learning_rate=0.01), []
    for _ in range(12):
        batch = rng.integers(0, 3000, 32)
        adam.step(network.loss_and_gradients(small[batch], y[batch])[1])
        losses.append(network.loss(small_test, y_test))
    shown = correction(0.999, "constant", 0.01)
    for step, loss in zip(shown.loss_steps, shown.losses["corrected"], strict=True):
        if step <= 12:
            assert loss == pytest.approx(losses[step - 1], rel=1e-9)


def test_the_network_takes_its_first_step_as_long_as_any() -> None:
    """Every weight whose gradient is not 0 moves by η; without the correction by 3.16 η."""
    corrected, without, sheet = (train_network(name, 0.999, 0.001)[0][0] for name in NAMES)
    assert 0.9 < corrected <= 1
    assert without / corrected == pytest.approx(3.162, abs=0.01)
    assert sheet / corrected == pytest.approx(0.00316, abs=1e-4)


def test_what_is_missing_helps_at_a_small_rate_and_harms_at_a_large_one() -> None:
    small, large = (correction(0.999, "constant", rate) for rate in (0.001, 0.1))
    assert small.losses["not corrected"][-1] < small.losses["corrected"][-1]
    assert large.losses["not corrected"][0] > 4 * large.first_loss
    assert large.right["not corrected"] < 0.2 < 0.6 < large.right["corrected"]
    for rate in LEARNING_RATES:
        assert correction(0.999, "constant", rate).right["as on the sheet"] < 0.65


def test_marks_are_the_first_the_longest_and_the_last_step() -> None:
    shown = correction(0.999, "constant", 0.1)
    assert shown.marked_steps == (1, 12, 1000)
    assert correction(0.9, "constant", 0.1).marked_steps == (1, 1000, 1000)
    assert correction(0.999, "of the network", 0.1).steps[-1] == NUM_LOSS_STEPS


def test_adam_by_three_formulas() -> None:
    made = [make_adam(name, [np.zeros(1)], 0.999, 0.1) for name in NAMES]
    assert [adam.bias_correction for adam in made] == [True, False, False]
    assert [adam.decays for adam in made] == [(0.9, 0.999), (0.9, 0.999), (0.999, 0.9)]


def test_description_and_table_say_the_numbers() -> None:
    shown = correction(0.999, "constant", 0.1)
    text = describe_correction(shown)
    assert text.startswith(
        "Mean steps of Adam in units of η, for δ₂ = 0.999 and a constant gradient. Not corrected: "
        "3.16 in step 1, 6.57 in step 12, 1.26 in step 1000. Corrected: 1 in step 1. As on the "
        "sheet: 0.0032 in step 1, 0.632 in step 1000. With a constant gradient the uncorrected "
        "step is within a tenth of η from step 1 751 on. Second panel: test loss of a network "
        "with η = 0.1, 2.85 before: corrected "
    )
    header, rows = correction_table(shown)
    by_step = {row[0]: row for row in rows}
    assert by_step[12][1:4] == ("1", "6.57", "0.0141")
    assert by_step[1000][1:] == ("1", "1.26", "0.632", "–", "–", "–")
    assert by_step[300][5] == f"{shown.losses['not corrected'][-1]:.3g}"
    assert all(len(row) == len(header) for row in rows)


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(correction_explorer)


def test_every_third_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = correction_explorer()
    for position in [*reversed(POSITIONS)][::3]:
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: the number at the peak stays hidden once it was."""

    class Forgetful(CorrectionPlot):
        def draw(self, shown: Correction) -> Any:
            seen = self._most_number.get_visible()
            drawn = super().draw(shown)
            self._most_number.set_visible(seen and self._most_number.get_visible())
            return drawn

    wrong = replace(correction_explorer(), plot=lambda: Forgetful(NUM_STEPS, NUM_LOSS_STEPS))
    without_peak, with_peak = POSITIONS[0], POSITIONS[24]
    assert wrong.frame(without_peak) == wrong.fresh_frame(without_peak)
    assert wrong.frame(with_peak) != wrong.fresh_frame(with_peak)


def test_the_page_is_light() -> None:
    page = correction_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
