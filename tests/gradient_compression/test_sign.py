import math

import numpy as np
import pytest
import torch

from mlsys_lib.gradient_compression import (
    Compressor,
    MessageError,
    OneBit,
    Sign,
    pack_signs,
    unpack_signs,
)
from mlsys_lib.gradient_compression import sign as sign_module


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def vectors() -> list[np.ndarray]:
    chance = rng()
    gaussian = [chance.standard_normal(k) for k in (1, 2, 7, 8, 9, 1000)]
    return [*gaussian, gaussian[-1] ** 5, np.array([1.0, 0, 0]), np.array([-1.0, 0]), np.ones(20)]


def theta(x: np.ndarray) -> float:
    return 1 - float(np.abs(x).sum() ** 2 / (len(x) * (x @ x)))


def share_left(compressor: Compressor, x: np.ndarray) -> float:
    return float(np.sum((compressor.compress(x, rng()) - x) ** 2) / (x @ x))


def test_sign_is_torchs_sign_times_the_mean_magnitude() -> None:
    for x in vectors():
        signs = torch.sign(torch.from_numpy(x)).numpy()
        expected = np.where(signs == 0, 1, signs) * np.abs(x).mean()
        np.testing.assert_allclose(Sign().compress(x, rng()), expected, rtol=1e-7)


def test_sign_leaves_the_share_of_the_formula() -> None:
    for x in vectors():
        assert share_left(Sign(), x) == pytest.approx(theta(x), abs=1e-12)
        assert theta(x) <= Sign().error_bound(len(x))


@pytest.mark.parametrize("scale", ["sum", "largest", "root mean square", "twice the mean"])
def test_another_scale_leaves_more(scale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scales = {
        "sum": lambda x: np.sum(np.abs(x)),
        "largest": lambda x: np.max(np.abs(x)),
        "root mean square": lambda x: math.sqrt(np.mean(x**2)),
        "twice the mean": lambda x: 2 * np.mean(np.abs(x)),
    }
    x = np.random.default_rng(1).standard_normal(100)
    original = sign_module.pack_float32
    monkeypatch.setattr(sign_module, "pack_float32", lambda _: original(scales[scale](x)))
    assert share_left(Sign(), x) > theta(x) + 0.02


@pytest.mark.parametrize("k", [1, 2, 8, 100])
def test_a_single_spike_is_the_worst_gradient(k: int) -> None:
    spike = np.zeros(k)
    spike[-1] = 2.0
    for compressor in (Sign(), OneBit()):
        assert share_left(compressor, spike) == pytest.approx(1 - 1 / k, abs=1e-12)
        assert share_left(compressor, spike) <= compressor.error_bound(k)


def test_a_negative_spike_costs_one_bit_nothing() -> None:
    assert share_left(OneBit(), np.array([0.0, 0.0, -2.0])) == 0


def test_gaussian_numbers_keep_two_over_pi() -> None:
    x = np.random.default_rng(2).standard_normal(100_000)
    assert 1 - share_left(Sign(), x) == pytest.approx(2 / math.pi, abs=0.005)
    assert 1 - theta(x) == pytest.approx(0.6366, abs=0.005)


def test_one_bit_is_the_least_squares_fit_of_the_two_halves() -> None:
    for x in vectors():
        halves = np.stack([x >= 0, x < 0], axis=1).astype(np.float64)
        means = np.linalg.lstsq(halves, x, rcond=None)[0]
        np.testing.assert_allclose(
            OneBit().compress(x, rng()), halves @ means, rtol=1e-7, atol=1e-12
        )


class AroundTheMean(OneBit):
    """Wrong: two values around the mean of all."""

    def compress(self, x, rng):  # type: ignore[no-untyped-def]
        return x.mean() + np.where(x < 0, -1, 1) * np.abs(x - x.mean()).mean()


class SumOfHalves(OneBit):
    """Wrong: the sums of the halves over k, so that both values are too small."""

    def compress(self, x, rng):  # type: ignore[no-untyped-def]
        return np.where(x < 0, x[x < 0].sum(), x[x >= 0].sum()) / len(x)


@pytest.mark.parametrize("wrong", [AroundTheMean(), SumOfHalves(), Sign()])
def test_other_values_for_the_halves_leave_more(wrong: Compressor) -> None:
    x = np.random.default_rng(3).standard_normal(99) + 0.3
    assert share_left(wrong, x) > share_left(OneBit(), x) + 1e-3


def test_one_bit_keeps_the_sum() -> None:
    for x in vectors():
        assert OneBit().compress(x, rng()).sum() == pytest.approx(x.sum(), rel=1e-6, abs=1e-6)


def test_one_bit_is_no_worse_than_sign() -> None:
    for x in vectors():
        assert share_left(OneBit(), x) <= theta(x) + 1e-12


@pytest.mark.parametrize("compressor", [Sign(), OneBit()])
def test_nothing_is_left_to_chance(compressor: Compressor) -> None:
    chance = rng()
    compressor.encode(np.ones(3), chance)
    assert chance.random() == rng().random()


@pytest.mark.parametrize("value", [0.0, -0.0])
def test_the_sign_of_zero_is_plus(value: float) -> None:
    x = np.array([value, -3.0])
    assert unpack_signs(pack_signs(x), 2).tolist() == [1, -1]
    assert Sign().compress(x, rng()).tolist() == [1.5, -1.5]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 1001])
def test_signs_come_back(count: int) -> None:
    x = np.random.default_rng(count).standard_normal(count)
    packed = pack_signs(x)
    assert len(packed) == -(-count // 8)
    signs = unpack_signs(packed, count)
    assert signs.dtype == np.int8
    np.testing.assert_array_equal(signs, np.sign(x))


def test_signs_of_another_length_are_refused() -> None:
    packed = pack_signs(np.ones(9))
    with pytest.raises(MessageError, match="truncated"):
        unpack_signs(packed[:1], 9)
    with pytest.raises(MessageError, match="too long"):
        unpack_signs(packed, 8)
    with pytest.raises(MessageError, match="last bits"):
        unpack_signs(np.array([0, 2], np.uint8), 9)


def test_signs_of_what_is_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="x must be finite, got nan at entry 0"):
        pack_signs(np.array([np.nan]))


def test_a_negative_scale_is_refused() -> None:
    message = Sign().encode(np.ones(3), rng())
    message[8] |= 0x80
    with pytest.raises(MessageError, match=r"scale -1\.0"):
        Sign().decode(message)


def test_the_largest_numbers_of_float16_do_not_overflow_the_mean() -> None:
    x = np.full(1000, 65_504, np.float16)
    for compressor in (Sign(), OneBit()):
        np.testing.assert_array_equal(compressor.compress(x, rng()), x)
