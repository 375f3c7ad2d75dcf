import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mlsys_lib.distributed_optimization import Hinge, Logistic, Squared
from mlsys_lib.distributed_optimization.losses import Loss
from tests.distributed_optimization.tables import LOSSES

SCORES = np.array([-40.0, -3.0, -1.0, -0.2, 0.0, 0.7, 1.0, 5.0, 800.0, -800.0])
named = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@named
@pytest.mark.parametrize("y", [1.0, -1.0])
def test_the_slope_is_the_derivative(loss: Loss, y: float) -> None:
    z = np.array([-2.3, -0.4, 0.3, 1.6])  # away from the hinge's kink
    targets, step = np.full(4, y), 1e-6
    by_difference = (loss.value(z + step, targets) - loss.value(z - step, targets)) / (2 * step)
    np.testing.assert_allclose(loss.slope(z, targets), by_difference, atol=1e-8)


@named
@pytest.mark.parametrize("y", [1.0, -1.0])
def test_slopes_lie_below_the_loss_and_within_its_constants(loss: Loss, y: float) -> None:
    """Convexity: ℓ(b) ≥ ℓ(a) + ℓ'(a)(b - a), at the kink too."""
    targets = np.full(len(SCORES), y)
    values, slopes = loss.value(SCORES, targets), loss.slope(SCORES, targets)
    assert np.isfinite(values).all()
    tangents = values[:, None] + slopes[:, None] * (SCORES[None, :] - SCORES[:, None])
    assert (values[None, :] >= tangents - 1e-9 * (1 + np.abs(tangents))).all()
    assert (np.abs(slopes) <= loss.slope_bound).all()
    near = np.linspace(-4, 4, 2001)
    bend = np.diff(loss.slope(near, np.full(2001, y))) / np.diff(near)
    assert bend.max() <= loss.smoothness * (1 + 1e-9)
    if np.isfinite(loss.smoothness):
        assert bend.max() >= 0.99 * loss.smoothness  # the constant is the least one


@named
@pytest.mark.parametrize("y", [1.0, -1.0])
def test_the_dual_value_is_the_conjugate(loss: Loss, y: float) -> None:
    """-ℓ*(-ζ) = min over z of ℓ(z) + ζ z, by brute force over z."""
    z = np.linspace(-60, 60, 240_001)
    targets = np.full(len(z), y)
    for dual in y * np.array([0.0, 0.1, 0.5, 0.99, 1.0]):
        least = float((loss.value(z, targets) + dual * z).min())
        assert loss.dual_value(np.array([dual]), np.array([y]))[0] == pytest.approx(least, abs=1e-6)
    if not isinstance(loss, Squared):
        outside = loss.dual_value(np.array([-0.1, 1.1]) * y, np.full(2, y))
        assert (outside == -np.inf).all()


@named
@pytest.mark.parametrize("seed", range(40))
def test_the_best_dual_is_the_maximum_over_a_line(loss: Loss, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = float(rng.choice([-1.0, 1.0]))
    dual = y * float(rng.choice([0.0, 1.0, rng.random()]))
    z, q = 3 * rng.standard_normal(), float(10 ** rng.uniform(-3, 3))

    def worse(new: float) -> float:
        value = loss.dual_value(np.array([new]), np.array([y]))[0]
        return -float(value - (new - dual) * z - q / 2 * (new - dual) ** 2)

    low, high = (-200.0, 200.0) if isinstance(loss, Squared) else sorted((0.0, y))
    found = minimize_scalar(worse, bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    best = loss.best_dual(dual, y, z, q)
    assert worse(best) <= found.fun + 1e-9 * (1 + abs(found.fun))
    assert best == pytest.approx(found.x, abs=1e-4 * (1 + abs(found.x)))


@named
@pytest.mark.parametrize("z", [-1e4, -30.0, 0.0, 30.0, 1e4])
@pytest.mark.parametrize("q", [0.0, 1e-12, 1.0, 1e9])
def test_the_best_dual_is_allowed_however_extreme_the_score(loss: Loss, z: float, q: float) -> None:
    for y in (1.0, -1.0):
        for share in (0.0, 1e-300, 0.5, 1.0):
            best = loss.best_dual(share * y, y, z, q)
            assert np.isfinite(loss.dual_value(np.array([best]), np.array([y]))[0])


def test_a_row_of_zeros_goes_to_the_end_that_pays() -> None:
    assert Hinge().best_dual(0.3, -1.0, 0.0, 0.0) == -1.0
    assert Logistic().best_dual(0.3, 1.0, 0.0, 0.0) == pytest.approx(0.5)
    assert Squared().best_dual(0.3, 2.0, 0.0, 0.0) == pytest.approx(2.0)


@pytest.mark.parametrize("loss", [Hinge(), Logistic()], ids=["hinge", "logistic"])
def test_labels_other_than_plus_and_minus_one_are_refused(loss: Loss) -> None:
    with pytest.raises(ValueError, match=r"y must hold labels \+1 and -1 only, got 0"):
        loss.check_targets(np.array([1.0, 0.0]))
