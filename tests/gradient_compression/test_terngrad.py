import math
import re

import numpy as np
import pytest

from mlsys_lib.gradient_compression import MessageError, TernGrad, terngrad_variance
from mlsys_lib.gradient_compression import terngrad as terngrad_module
from mlsys_lib.gradient_compression.terngrad import clipped, pack_trits, unpack_trits
from mlsys_lib.gradient_compression.wire import float32_above
from tests.gradient_compression.chance import Constant, all_outcomes, worst_deviation

QUARTERS = np.array([4.0, -1.0, 2.0, 0.0, -3.0])  # all probabilities are multiples of 1/4


def outcomes_fit(x: np.ndarray, compressor: TernGrad) -> tuple[bool, bool]:
    """Whether the mean is x, and the mean squared error what the formula says; both exact."""
    outcomes = all_outcomes(compressor, x, 4)
    squared_error = np.mean(np.sum((outcomes - x) ** 2, axis=1))
    return (
        np.allclose(outcomes.mean(axis=0), x, atol=1e-12),
        bool(np.isclose(squared_error, terngrad_variance(x), atol=1e-12)),
    )


def test_the_mean_is_x_and_the_variance_that_of_the_formula() -> None:
    assert outcomes_fit(QUARTERS, TernGrad()) == (True, True)
    assert terngrad_variance(QUARTERS) == 4 * 10 - 30


class Nearest(TernGrad):
    """Wrong: what is above half the scale is sent, always."""

    def encode(self, x, rng):  # type: ignore[no-untyped-def]
        return super().encode(x, Constant(0.5))


class WithoutSign(TernGrad):
    """Wrong: the magnitude comes back."""

    def decode(self, message):  # type: ignore[no-untyped-def]
        return np.abs(super().decode(message))


class MeanScale(TernGrad):
    """Wrong: the scale of the receiver is the mean magnitude, not the largest."""

    def decode(self, message):  # type: ignore[no-untyped-def]
        return super().decode(message) / 2


@pytest.mark.parametrize("wrong", [Nearest, WithoutSign, MeanScale, lambda: TernGrad(1.0)])
def test_a_biased_version_is_caught(wrong: type[TernGrad]) -> None:
    assert not outcomes_fit(QUARTERS, wrong())[0]


def test_a_larger_scale_is_unbiased_but_has_more_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terngrad_module, "float32_above", lambda value: 2 * float32_above(value))
    outcomes = all_outcomes(TernGrad(), QUARTERS, 8)
    np.testing.assert_allclose(outcomes.mean(axis=0), QUARTERS, atol=1e-12)
    assert np.mean(np.sum((outcomes - QUARTERS) ** 2, axis=1)) == pytest.approx(8 * 10 - 30)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_it_agrees_with_the_definition(clip: float | None) -> None:
    x = np.random.default_rng(0).standard_normal(123)
    sigma = math.sqrt(sum(v * v for v in x.tolist()) / len(x))
    cut = [min(abs(v), math.inf if clip is None else clip * sigma) for v in x.tolist()]
    scale, rng = float32_above(max(cut)), np.random.default_rng(1)
    expected = [
        math.copysign(scale, value) if rng.random() < magnitude / scale else 0.0
        for value, magnitude in zip(x.tolist(), cut, strict=True)
    ]
    np.testing.assert_allclose(
        TernGrad(clip).compress(x, np.random.default_rng(1)), expected, rtol=1e-6
    )


def test_simulated_means_are_near_x_without_the_clip_only() -> None:
    """The worst of 50 means is within 5 standard errors, but for once in 30 000 seeds."""
    x = np.random.default_rng(2).uniform(0.5, 1, 50) * (-1) ** np.arange(50)
    assert worst_deviation(TernGrad(), x, 1000) < 5
    assert worst_deviation(TernGrad(1.0), x, 1000) > 5


def test_a_largest_number_that_is_a_float32_is_sent_for_sure() -> None:
    for value in (1.5, 2.0**-100, float(np.finfo(np.float32).max)):
        x = np.array([value, 0.0, -value])
        for chance in (0.0, 1 - 2.0**-53):
            np.testing.assert_array_equal(TernGrad().compress(x, Constant(chance)), x)


def test_another_one_is_now_and_then_not_sent_as_its_scale_is_larger() -> None:
    x = np.array([0.1])
    chance = 0.1 / float32_above(0.1)
    assert 1 - 2e-8 < chance < 1
    assert TernGrad().compress(x, Constant(chance - 1e-12))[0] == float32_above(0.1)
    assert TernGrad().compress(x, Constant(chance + 1e-12))[0] == 0


def test_the_clip_is_at_a_multiple_of_the_root_mean_square() -> None:
    magnitudes = np.array([1.0, 1.0, 1.0, 1.0, 6.0])
    sigma = math.sqrt(8)
    np.testing.assert_allclose(clipped(magnitudes, 1.0), [1, 1, 1, 1, sigma])
    np.testing.assert_array_equal(clipped(magnitudes, 2.5), magnitudes)
    np.testing.assert_array_equal(clipped(magnitudes, None), magnitudes)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e30])
def test_the_clip_scales_with_the_gradient(scale: float) -> None:
    magnitudes = np.array([1.0, 1.0, 1.0, 1.0, 6.0])
    np.testing.assert_allclose(clipped(scale * magnitudes, 1.0), scale * clipped(magnitudes, 1.0))


@pytest.mark.parametrize("k", range(1, 7))
def test_so_few_numbers_are_never_cut_at_two_and_a_half(k: int) -> None:
    spike = np.zeros(k)
    spike[0] = 1.0
    np.testing.assert_array_equal(clipped(spike, 2.5), spike)


def test_equal_numbers_survive_the_clip() -> None:
    """Their standard deviation is 0: a clip at a multiple of that would leave nothing."""
    x = np.full(100, -0.5)
    np.testing.assert_array_equal(TernGrad(2.5).compress(x, np.random.default_rng(0)), x)


def test_the_clip_trades_variance_for_bias() -> None:
    """300 Gaussian gradients of 1000. The reference numbers are of a single one, so they scatter.

    With σ = 1 the cut variance is 2.5 E|y| - E y² = 1.007, and the squared bias E (|x| - 2.5)₊² is
    0.0024.
    """
    rng, rows = np.random.default_rng(3), []
    for _ in range(300):
        x = rng.standard_normal(1000)
        bias = np.sum((np.abs(x) - clipped(np.abs(x), 2.5)) ** 2)
        rows.append(np.array([terngrad_variance(x), terngrad_variance(x, 2.5), bias]) / (x @ x))
    mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
    assert np.all(np.abs(mean[1:] - [1.007, 0.0024]) < 5 * spread[1:] / math.sqrt(300))
    assert np.all(np.abs(mean - [2.02, 0.984, 0.0050]) < 3 * spread)


@pytest.mark.parametrize("clip", [None, 0.5, 1.0, 2.5, 100.0])
@pytest.mark.parametrize("k", [1, 2, 6, 7, 100, 1000])
def test_variance_and_bias_are_within_the_bound(clip: float | None, k: int) -> None:
    rng = np.random.default_rng(4)
    worst = np.full(k, 1 / (math.sqrt(k) + 1))
    worst[0] = 1
    spike = np.eye(1, k)[0]
    quarter = np.full(k, 0.25)
    quarter[: k // 10 + 1] = 3
    for x in (rng.standard_normal(k), rng.standard_normal(k) ** 5, worst, spike, quarter):
        magnitudes = np.abs(x)
        bias = np.sum((magnitudes - clipped(magnitudes, clip)) ** 2)
        assert terngrad_variance(x, clip) + bias <= TernGrad(clip).error_bound(k) * (x @ x) + 1e-13


@pytest.mark.parametrize("k", [1, 2, 10, 1000])
def test_the_bound_is_reached(k: int) -> None:
    worst = np.full(k, 1 / (math.sqrt(k) + 1))
    worst[0] = 1
    assert terngrad_variance(worst) / (worst @ worst) == pytest.approx((math.sqrt(k) - 1) / 2)
    assert TernGrad().error_bound(k) == pytest.approx((math.sqrt(k) - 1) / 2, abs=1e-5)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 9, 10, 243, 1001])
def test_trits_are_digits_of_base_three(count: int) -> None:
    trits = np.random.default_rng(count).integers(0, 3, count).astype(np.uint8)
    packed = pack_trits(trits)
    text = [trits[i : i + 5].tolist()[::-1] for i in range(0, count, 5)]
    assert packed.tolist() == [int("".join(map(str, digits)), 3) for digits in text]
    np.testing.assert_array_equal(unpack_trits(packed, count), trits)


def test_bytes_that_hold_no_trits_are_refused() -> None:
    with pytest.raises(MessageError, match="bytes up to 242, got 243"):
        unpack_trits(np.array([243], np.uint8), 5)
    with pytest.raises(MessageError, match="last digits are not zero"):
        unpack_trits(np.array([81], np.uint8), 4)
    with pytest.raises(MessageError, match="truncated"):
        unpack_trits(np.zeros(1, np.uint8), 6)
    with pytest.raises(MessageError, match="too long"):
        unpack_trits(np.zeros(2, np.uint8), 5)


def test_only_without_a_clip_it_says_that_it_is_unbiased() -> None:
    assert TernGrad().is_unbiased
    assert not TernGrad(2.5).is_unbiased


@pytest.mark.parametrize("clip", [0.0, -1.0, math.nan, math.inf])
def test_a_clip_that_is_not_positive_is_refused(clip: float) -> None:
    with pytest.raises(ValueError, match=re.escape(f"clip must be finite and > 0, got {clip}")):
        TernGrad(clip)


def test_a_negative_scale_is_refused() -> None:
    message = TernGrad().encode(QUARTERS, np.random.default_rng(0))
    message[8] |= 0x80
    with pytest.raises(MessageError, match=r"scale -4\.0"):
        TernGrad().decode(message)
