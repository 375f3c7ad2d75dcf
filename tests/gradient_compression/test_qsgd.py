import math
import re
from collections.abc import Callable

import numpy as np
import pytest

from mlsys_lib.gradient_compression import QSGD, MessageError, qsgd_variance
from mlsys_lib.gradient_compression import qsgd as qsgd_module
from mlsys_lib.gradient_compression.qsgd import BLOCK, MAX_LEVELS, bucket_norms, nonzeros_bound
from mlsys_lib.gradient_compression.wire import float32_above
from tests.gradient_compression.chance import Constant, all_outcomes, worst_deviation

SEVEN = np.array([2.0, -3.0, 6.0, 0.0])  # ‖x‖ = 7: all probabilities are multiples of 1/7
BUCKETS = np.array([2.0, -3.0, 6.0, 0.0, 0.0, 0.0, -6.0, 2.0, 3.0, 7.0])  # 7 in threes, and 7 alone
CASES = [
    (SEVEN, QSGD(1)),
    (SEVEN, QSGD(3)),
    (SEVEN, QSGD(7)),
    (SEVEN, QSGD(200)),
    (SEVEN, QSGD(1, "elias")),
    (SEVEN, QSGD(3, "elias_dense")),
    (BUCKETS, QSGD(2, "fixed", 3)),
    (BUCKETS, QSGD(1, "elias", 3)),
]


def outcomes_fit(x: np.ndarray, compressor: QSGD) -> tuple[bool, bool]:
    """Whether the mean is x, and the mean squared error what the formula says; both exact."""
    outcomes = all_outcomes(compressor, x, 7)
    variance = qsgd_variance(x, compressor.num_levels, compressor.bucket_size)
    squared_error = np.mean(np.sum((outcomes - x) ** 2, axis=1))
    return (
        np.allclose(outcomes.mean(axis=0), x, atol=1e-12),
        bool(np.isclose(squared_error, variance, atol=1e-12)),
    )


@pytest.mark.parametrize(("x", "compressor"), CASES, ids=repr)
def test_the_mean_is_x_and_the_variance_that_of_the_formula(
    x: np.ndarray, compressor: QSGD
) -> None:
    assert outcomes_fit(x, compressor) == (True, True)


class Nearest(QSGD):
    """Wrong: rounds to the nearest level, so nothing is left to chance."""

    def _random_levels(self, magnitudes, norms, rng):  # type: ignore[no-untyped-def]
        return super()._random_levels(magnitudes, norms, Constant(0.5))


class Truncating(QSGD):
    """Wrong: always the lower level."""

    def _random_levels(self, magnitudes, norms, rng):  # type: ignore[no-untyped-def]
        return super()._random_levels(magnitudes, norms, Constant(1.0))


class WrongWay(QSGD):
    """Wrong: the lower level with the probability of the higher one."""

    def _random_levels(self, magnitudes, norms, rng):  # type: ignore[no-untyped-def]
        low = super()._random_levels(magnitudes, norms, Constant(1.0))
        high = super()._random_levels(magnitudes, norms, Constant(0.0))
        return low + high - super()._random_levels(magnitudes, norms, rng)


class OneLevelMore(QSGD):
    """Wrong: counts 0 as a level when it decodes."""

    def decode(self, message):  # type: ignore[no-untyped-def]
        return super().decode(message) * self.num_levels / (self.num_levels + 1)


@pytest.mark.parametrize("wrong", [Nearest, Truncating, WrongWay, OneLevelMore])
@pytest.mark.parametrize("num_levels", [1, 3])
def test_a_biased_version_is_caught(wrong: type[QSGD], num_levels: int) -> None:
    assert not outcomes_fit(SEVEN, wrong(num_levels))[0]


def test_one_norm_for_all_buckets_is_unbiased_but_has_another_variance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def norm_of_all(magnitudes: np.ndarray, bucket_size: int | None = None) -> np.ndarray:
        return np.full(len(bucket_norms(magnitudes, bucket_size)), 14.0)  # above ‖BUCKETS‖ = 12.1

    compressor = QSGD(2, "fixed", 3)
    expected = qsgd_variance(BUCKETS, 2, 3)
    monkeypatch.setattr(qsgd_module, "bucket_norms", norm_of_all)
    outcomes = all_outcomes(compressor, BUCKETS, 7)
    np.testing.assert_allclose(outcomes.mean(axis=0), BUCKETS, atol=1e-12)
    assert np.mean(np.sum((outcomes - BUCKETS) ** 2, axis=1)) > 1.5 * expected


def by_definition(x: np.ndarray, compressor: QSGD, rng: np.random.Generator) -> list[float]:
    """The paper's equation, a number at a time."""
    size = compressor.bucket_size or len(x)
    result = []
    for start in range(0, len(x), size):
        part = x[start : start + size].tolist()
        norm = float32_above(max(math.sqrt(math.fsum(v * v for v in part)), *map(abs, part), 0.0))
        for value in part:
            scaled = compressor.num_levels * abs(value) / norm if norm else 0.0
            level = math.floor(scaled) + (rng.random() < scaled - math.floor(scaled))
            result.append(math.copysign(norm * level / compressor.num_levels, value))
    return result


@pytest.mark.parametrize("code", ["fixed", "elias", "elias_dense"])
@pytest.mark.parametrize("bucket_size", [None, 1, 7, 64, 1000])
@pytest.mark.parametrize("num_levels", [1, 4, 255, 256, MAX_LEVELS])
def test_it_agrees_with_the_definition(code: str, bucket_size: int | None, num_levels: int) -> None:
    x = np.random.default_rng(1).standard_normal(150)
    x[20:40] = 0
    compressor = QSGD(num_levels, code, bucket_size)
    expected = by_definition(x, compressor, np.random.default_rng(2))
    decoded = compressor.compress(x, np.random.default_rng(2))
    np.testing.assert_allclose(decoded, expected, rtol=1e-12)


def test_a_bucket_larger_than_the_gradient_is_one_bucket() -> None:
    compressor, rng = QSGD(4, "fixed", 2**31), np.random.default_rng(0)
    assert np.array_equal(
        compressor.compress(SEVEN, rng), QSGD(4).compress(SEVEN, np.random.default_rng(0))
    )


def test_blocks_are_no_boundary() -> None:
    x = np.random.default_rng(3).standard_normal(BLOCK + 7)
    for bucket_size in (None, 1000):
        compressor = QSGD(9, "fixed", bucket_size)
        expected = by_definition(x, compressor, np.random.default_rng(4))
        decoded = compressor.compress(x, np.random.default_rng(4))
        np.testing.assert_allclose(decoded, expected, rtol=1e-12)


def test_it_is_odd_and_scales_with_powers_of_two() -> None:
    x = np.random.default_rng(5).standard_normal(100)
    decoded = QSGD(3).compress(x, np.random.default_rng(6))
    for factor in (-1.0, 2.0**20, -(2.0**-20)):
        scaled = QSGD(3).compress(factor * x, np.random.default_rng(6))
        np.testing.assert_array_equal(scaled, factor * decoded)


@pytest.mark.parametrize("compressor", [QSGD(1), QSGD(4), QSGD(2, "fixed", 16)], ids=repr)
def test_simulated_means_are_near_x(compressor: QSGD) -> None:
    """The worst of 50 means is within 5 standard errors, but for once in 30 000 seeds.

    No number is so small that it hardly ever comes up.
    """
    x = np.random.default_rng(7).uniform(0.5, 1, 50) * (-1) ** np.arange(50)
    assert worst_deviation(compressor, x, 1000) < 5
    assert worst_deviation(Nearest(4), x, 1000) > 5


def cut_off(values: np.ndarray) -> np.ndarray:
    """Round down to float32."""
    near = values.astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(0)), near).astype(np.float64)


@pytest.mark.parametrize("num_levels", [1, 3, 255, MAX_LEVELS])
@pytest.mark.parametrize("value", [0.1, 0.3, 1e-30, 3.1e38, 1e-44])
def test_no_level_exceeds_the_largest(num_levels: int, value: float) -> None:
    """One number is its own norm, and with this chance goes up whenever it may."""
    decoded = QSGD(num_levels).compress(np.array([value]), Constant(0.0))[0]
    assert value * (1 - 1e-12) <= decoded <= float32_above(value)


def test_a_norm_that_is_rounded_down_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qsgd_module, "each_float32_above", cut_off)
    x = np.array([0.1])
    assert cut_off(x) < x
    with pytest.raises(MessageError):
        QSGD(1).compress(x, Constant(0.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_are_those_of_linalg_rounded_up(dtype: type) -> None:
    x = np.abs(np.random.default_rng(8).standard_normal(100)).astype(dtype).astype(np.float64)
    norms = bucket_norms(x, 16)
    exact = [np.linalg.norm(x[start : start + 16]) for start in range(0, 100, 16)]
    assert len(norms) == 7
    assert np.all(norms >= exact) and np.allclose(norms, exact, rtol=2e-7)


@pytest.mark.parametrize("scale", [1e-200, 1e-40, 1e30])
def test_very_small_and_large_numbers_stay_unbiased(scale: float) -> None:
    """A norm below float32's range is its least number: more variance, the same mean."""
    outcomes = QSGD(1).compress(scale * SEVEN, Constant(0.0))
    norm = np.abs(outcomes).max()
    assert np.all(norm >= scale * SEVEN) and norm == pytest.approx(
        max(7 * scale, 2.0**-149), rel=1e-4
    )
    np.testing.assert_array_equal(np.sign(outcomes), np.sign(SEVEN))


@pytest.mark.parametrize(
    ("num_levels", "variance", "bound"),
    [(1, 24.31, 31.62), (4, 5.33, 7.91), (16, 0.651, 1.976), (64, 0.0411, 0.244)],
)
def test_gaussian_numbers_have_the_known_variance(
    num_levels: int, variance: float, bound: float
) -> None:
    """From the reference numbers; another seed moves them by some percent."""
    x = np.random.default_rng(9).standard_normal(1000)
    assert qsgd_variance(x, num_levels) / (x @ x) == pytest.approx(variance, rel=0.05)
    assert QSGD(num_levels).error_bound(1000) == pytest.approx(bound, rel=2e-3)


def test_equal_numbers_come_near_the_bound() -> None:
    x = np.ones(100)
    assert qsgd_variance(x, 1) / 100 == pytest.approx(9)  # √k - 1
    assert QSGD(1).error_bound(100) == pytest.approx(10)


def test_one_level_has_the_closed_form() -> None:
    x = np.random.default_rng(10).standard_normal(1000)
    l1, l2 = np.abs(x).sum(), np.linalg.norm(x)
    assert qsgd_variance(x, 1) == pytest.approx(l1 * l2 - l2**2)


@pytest.mark.parametrize("num_levels", [1, 2, 5, 30, 31, 32, 100])
def test_the_variance_is_within_the_bound(num_levels: int) -> None:
    rng = np.random.default_rng(11)
    for k in (1, 2, 10, 1000):
        for x in (rng.standard_normal(k), rng.standard_normal(k) ** 5, np.ones(k)):
            bound = QSGD(num_levels).error_bound(k) * (x @ x)
            assert qsgd_variance(x, num_levels) <= bound
            for size in (1, 3, 16):
                bucketed = QSGD(num_levels, "fixed", size)
                assert qsgd_variance(x, num_levels, size) <= bucketed.error_bound(k) * (x @ x)


def test_smaller_buckets_have_less_variance() -> None:
    x = np.random.default_rng(12).standard_normal(1024)
    variances = [qsgd_variance(x, 4, size) for size in (None, 256, 64, 16)]
    assert variances == sorted(variances, reverse=True)


@pytest.mark.parametrize("num_levels", [1, 2, 8])
def test_the_mean_number_of_nonzeros_is_within_the_bound(num_levels: int) -> None:
    x = np.random.default_rng(13).standard_normal(400)
    rng = np.random.default_rng(14)
    counts = [np.count_nonzero(QSGD(num_levels).compress(x, rng)) for _ in range(200)]
    assert np.mean(counts) < nonzeros_bound(400, num_levels)
    if num_levels == 1:
        expected = np.abs(x).sum() / np.linalg.norm(x)
        assert abs(np.mean(counts) - expected) < 5 * np.std(counts) / math.sqrt(200)


@pytest.mark.parametrize(
    ("make", "error", "reason"),
    [
        (lambda: QSGD(0), ValueError, f"num_levels must be an integer in 1…{MAX_LEVELS}, got 0"),
        (lambda: QSGD(2**30), ValueError, "num_levels must be"),
        (lambda: QSGD(1.5), TypeError, "num_levels must be an integer"),  # type: ignore[arg-type]
        (lambda: QSGD(1, "huffman"), ValueError, "code must be one of 'fixed', 'elias', 'elias_de"),
        (lambda: QSGD(1, "fixed", 0), ValueError, "bucket_size must be an integer in 1"),
        (lambda: qsgd_variance(SEVEN, 0), ValueError, "num_levels must be"),
        (lambda: qsgd_variance(SEVEN, 1, 0), ValueError, "bucket_size must be"),
        (lambda: qsgd_variance(np.array([np.nan]), 1), ValueError, "nan at entry 0"),
    ],
)
def test_bad_settings_are_refused(
    make: Callable[[], object], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=re.escape(reason)):
        make()


@pytest.mark.parametrize("other", [QSGD(5), QSGD(4, "fixed", 2)])
def test_a_message_of_other_settings_is_refused(other: QSGD) -> None:
    message = other.encode(SEVEN, np.random.default_rng(0))
    with pytest.raises(MessageError, match="message must have 4 levels in buckets of 4, has"):
        QSGD(4).decode(message)
