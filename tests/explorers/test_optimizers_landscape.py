"""The valley: its paths are runs of the library, and its limits are where runs diverge."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.explorers.optimizers import landscape as module
from mlsys_lib.explorers.optimizers import landscape_explorer
from mlsys_lib.explorers.optimizers.landscape import (
    ADAPTIVE,
    CURVATURE,
    NUM_STEPS,
    PLAIN,
    VALLEYS,
    describe_walk,
    effective_step,
    largest_step,
    make_optimizer,
    momenta,
    step_sizes,
    walk,
    walk_table,
)
from mlsys_lib.optimizers import SGD, Adam, Nesterov
from mlsys_lib.optimizers.landscapes import quadratic
from mlsys_lib.plots.optimizers import LandscapePlot, Walk
from mlsys_lib.plots.optimizers.landscape import LEVELS
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(landscape_explorer().positions())
OPTIONS = [(name, delta) for name in (*PLAIN, *ADAPTIVE) for delta in momenta(name)]
CURVATURES = np.array([1.0, CURVATURE])


def test_gradient_descent_shrinks_each_coordinate_by_its_own_factor() -> None:
    """The closed form: (1 - η h)ᵗ."""
    for step_size in step_sizes("gradient descent"):
        shown = walk("gradient descent", 0.0, step_size, "straight")
        factors = (1 - step_size * CURVATURES) ** np.arange(NUM_STEPS + 1)[:, None]
        np.testing.assert_allclose(shown.points, factors * [-4, 1], rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("valley", ["straight", "turned"])
@pytest.mark.parametrize("delta", [0.5, 0.9])
def test_momentum_is_that_of_sgd(valley: str, delta: float) -> None:
    """Another class of the library takes the same steps."""
    landscape = quadratic(CURVATURE, VALLEYS[valley].angle)
    w = landscape.start.copy()
    sgd = SGD([w], learning_rate=0.04, momentum=delta)
    shown = walk("heavy ball", delta, 0.04, valley)
    for point in shown.points[1:]:
        sgd.step([landscape.gradient(w)])
        np.testing.assert_allclose(point, w, rtol=1e-9, atol=1e-12)


def test_nesterov_asks_for_the_gradient_ahead() -> None:
    """The planted mistake, a gradient at the point itself, is another path: the heavy ball's."""
    ahead, w = quadratic(CURVATURE).start.copy(), quadratic(CURVATURE).start.copy()
    for point in walk("Nesterov", 0.9, 0.04, "straight").points[1:]:
        before = w.copy()
        w = ahead - 0.04 * CURVATURES * ahead
        ahead = w + 0.9 * (w - before)
        np.testing.assert_allclose(point, w, rtol=1e-9, atol=1e-12)
    heavy, nesterov = (walk(name, 0.9, 0.04, "straight") for name in ("heavy ball", "Nesterov"))
    assert np.abs(heavy.points[2] - nesterov.points[2]).max() > 0.1


@pytest.mark.parametrize("name", ["gradient descent", "AdaGrad", "RMSProp"])
def test_a_step_is_the_gradient_times_the_effective_step(name: str) -> None:
    for valley in ("straight", "turned"):
        landscape = quadratic(CURVATURE, VALLEYS[valley].angle)
        shown = walk(name, 0.0, step_sizes(name)[1], valley)
        expected = -landscape.gradient(shown.points[:-1]) * shown.effective_steps
        np.testing.assert_allclose(np.diff(shown.points, axis=0), expected, rtol=1e-9, atol=1e-15)


def test_a_step_of_adam_is_the_average_gradient_times_the_effective_step() -> None:
    shown, u = walk("Adam", 0.9, 0.1, "straight"), np.zeros(2)
    for t in range(NUM_STEPS):
        u = 0.9 * u + 0.1 * CURVATURES * shown.points[t]
        moved = -u / (1 - 0.9 ** (t + 1)) * shown.effective_steps[t]
        # ε₀ of 1e-8 is corrected in the library, and not in the formula above
        np.testing.assert_allclose(shown.points[t + 1] - shown.points[t], moved, rtol=1e-6)


def test_a_forgotten_correction_is_noticed() -> None:
    """The planted mistake: v of Adam as it is, thirty times too small in the first step."""
    w = np.array([-4.0, 1.0])
    adam = make_optimizer("Adam", [w], 0.1, 0.9)
    adam.step([np.array([1.0, 1.0])])
    assert effective_step(adam) == pytest.approx(0.1, rel=1e-6)
    planted = 0.1 / np.sqrt(adam.state[0]["second_moment"])
    assert planted == pytest.approx(0.1 * np.sqrt(1000), rel=1e-6)


def grows(name: str, delta: float, step_size: float, curvature: float) -> bool:
    """Take 3000 steps on ½ h w² with a constant step, and say whether |w| grew."""
    w = np.array([1.0])
    optimizer = make_optimizer(name, [w], step_size, delta)
    if isinstance(optimizer, Adam):  # an average so slow that v stays 1
        optimizer = Adam(
            [w], learning_rate=step_size, decays=(delta, 1 - 1e-15), bias_correction=False
        )
        optimizer.state[0]["second_moment"][:] = 1.0
    sizes = []
    for _ in range(3000):
        at = optimizer.look_ahead()[0] if isinstance(optimizer, Nesterov) else w
        optimizer.step([curvature * at])
        sizes.append(abs(w[0]))
        if sizes[-1] > 1e3:
            return True
    return bool(max(sizes[-50:]) > max(sizes[:50]))


@pytest.mark.parametrize(("name", "delta"), [o for o in OPTIONS if o[0] in (*PLAIN, "Adam")])
def test_the_limit_is_where_runs_begin_to_diverge(name: str, delta: float) -> None:
    for curvature in (1.0, CURVATURE):
        limit = largest_step(name, delta) / curvature
        assert not grows(name, delta, 0.98 * limit, curvature)
        assert grows(name, delta, 1.02 * limit, curvature)


@pytest.mark.parametrize(("name", "delta"), [o for o in OPTIONS if o[0] in PLAIN])
def test_who_is_above_the_limit_leaves_and_who_is_below_does_not(name: str, delta: float) -> None:
    for step_size in step_sizes(name):
        shown = walk(name, delta, step_size, "straight")
        assert shown.returns is (step_size < min(shown.limits)), step_size


def test_an_adaptive_step_hangs_at_the_limit() -> None:
    """RMSProp's step grows as gradients shrink, until w₂ swings; then it stays there."""
    shown = walk("RMSProp", 0.0, 0.5, "straight")
    late = shown.effective_steps[5:, 1]
    assert shown.limits[1] / 2 < late.min() and late.max() < 2 * shown.limits[1]
    assert shown.num_crossings > 20


@pytest.mark.parametrize("name", ["AdaGrad", "RMSProp", "Adam"])
def test_adaptive_methods_lose_in_the_turned_valley_and_plain_ones_do_not(name: str) -> None:
    delta, step_size = momenta(name)[len(momenta(name)) // 2], 0.1 if name != "AdaGrad" else 0.5
    straight, turned = (walk(name, delta, step_size, valley) for valley in ("straight", "turned"))
    assert turned.losses[-1] > 4 * straight.losses[-1]
    ratios = [s.effective_steps[9, 0] / s.effective_steps[9, 1] for s in (straight, turned)]
    assert ratios[0] > 2.5 and 0.5 < ratios[1] < 1.1
    for plain in PLAIN:
        straight, turned = (walk(plain, momenta(plain)[0], 0.04, v) for v in ("straight", "turned"))
        np.testing.assert_allclose(turned.losses, straight.losses, rtol=1e-9, atol=1e-15)


def test_noise_is_the_same_for_all_and_not_in_the_loss() -> None:
    noisy = [walk(name, 0.0, 0.01, "noisy") for name in ("gradient descent", "AdaGrad")]
    for shown in noisy:
        np.testing.assert_allclose(shown.losses, quadratic(CURVATURE).value(shown.points))
    quiet = walk("gradient descent", 0.0, 0.01, "straight")
    first = (noisy[0].points[1] - quiet.points[1]) / 0.01
    np.testing.assert_allclose(first, -2 * np.random.default_rng(0).normal(size=2), rtol=1e-9)


@pytest.mark.parametrize("valley", ["straight", "turned"])
def test_level_lines_lie_where_the_landscape_has_their_levels(valley: str) -> None:
    plot, shown = LandscapePlot(NUM_STEPS), walk("AdaGrad", 0.0, 0.1, valley)
    plot.draw(shown)
    landscape = quadratic(CURVATURE, VALLEYS[valley].angle)
    for level, ellipse in zip(LEVELS, plot._levels, strict=True):
        outline = ellipse.get_patch_transform().transform(ellipse.get_path().vertices)
        np.testing.assert_allclose(landscape.value(outline[::3]), level, rtol=1e-4)


def test_a_walk_off_the_picture_says_so_in_both_places() -> None:
    shown = walk("gradient descent", 0.0, 0.09, "straight")
    assert shown.leaves_in_step == 6 and not shown.returns
    assert "It leaves the picture in step 6 and does not return." in describe_walk(shown)
    plot = LandscapePlot(NUM_STEPS)
    plot.draw(shown)
    assert plot._note.get_text() == "leaves the picture in step 6 and does not return"
    plot.draw(walk("gradient descent", 0.0, 0.07, "straight"))
    assert plot._note.get_text() == ""


def test_crossings_are_those_that_can_be_seen() -> None:
    """0.75ᵗ falls below a hundredth after sixteen steps; a slow crossing is one as well."""
    assert walk("gradient descent", 0.0, 0.07, "straight").num_crossings == 16
    assert walk("gradient descent", 0.0, 0.07, "turned").num_crossings == 16
    assert walk("gradient descent", 0.0, 0.04, "straight").num_crossings == 0
    assert walk("Adam", 0.9, 0.1, "straight").num_crossings == 2


def test_momentum_has_one_position_where_it_means_nothing() -> None:
    assert momenta("AdaGrad") == (0.0,)
    (_, control, *_) = landscape_explorer().controls
    assert control.text(0.0) == "none here"
    assert len(POSITIONS) == 144


def test_description_and_table_say_the_numbers() -> None:
    shown = walk("Adam", 0.9, 0.1, "straight")
    assert describe_walk(shown) == (
        "Adam, η = 0.1, δ = 0.9, in a valley along w₁, of curvature 1 along and 25 across. In 40 "
        "steps the loss goes from 20.5 to 0.339; the path crosses the floor of the valley 2 times. "
        "Second panel: the effective step goes from 0.025 in w₁ and 0.004 in w₂ to 0.042 in w₁ "
        "and 0.012 in w₂. The largest that is stable is 38 in w₁ and 1.5 in w₂."
    )
    header, rows = walk_table(shown)
    assert rows[0] == (0, "-4", "1", "20.5", "–", "–")
    assert rows[-1][0] == NUM_STEPS and rows[-1][3] == "0.339"
    assert all(len(row) == len(header) for row in rows)


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(landscape_explorer)


def test_every_seventh_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = landscape_explorer()
    for position in [*reversed(POSITIONS)][::7]:
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: the note stays when the walk does."""

    class Forgetful(LandscapePlot):
        def draw(self, shown: Walk) -> Any:
            before = self._note.get_text()
            drawn = super().draw(shown)
            self._note.set_text(self._note.get_text() or before)
            return drawn

    wrong = replace(landscape_explorer(), plot=lambda: Forgetful(NUM_STEPS))
    leaves, stays = POSITIONS[9], POSITIONS[6]
    assert leaves["step_size"] == 0.09 and stays["step_size"] == 0.07
    assert wrong.frame(leaves) == wrong.fresh_frame(leaves)
    assert wrong.frame(stays) != wrong.fresh_frame(stays)


def test_a_swapped_optimizer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistake: Nesterov's steps under the name of the heavy ball."""
    make = module.make_optimizer
    monkeypatch.setattr(
        module, "make_optimizer", lambda name, *rest: make("Nesterov", *rest) if name else None
    )
    with pytest.raises(AssertionError):
        test_momentum_is_that_of_sgd("straight", 0.9)


def test_the_page_is_light() -> None:
    page = landscape_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
