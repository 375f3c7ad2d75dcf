"""What every compressor keeps to, whatever it does inside."""

import re
import tracemalloc

import numpy as np
import pytest

from mlsys_lib.gradient_compression import (
    QSGD,
    Atomo,
    Compressor,
    MessageError,
    OneBit,
    RandomK,
    Sign,
    SpectralAtomo,
    TernGrad,
    Threshold,
    TopK,
    Uncompressed,
    wire,
)
from mlsys_lib.gradient_compression.compressor import as_gradient
from tests.gradient_compression.chance import damaged

ANY_SIZE = [
    Uncompressed(),
    QSGD(1),
    QSGD(5),
    QSGD(1000),
    QSGD(2, "elias"),
    QSGD(3, "elias_dense"),
    QSGD(4, "fixed", 3),
    QSGD(1, "elias", 2),
    QSGD(7, "elias_dense", 4),
    TernGrad(),
    TernGrad(2.5),
    TernGrad(0.5),
    Sign(),
    OneBit(),
    TopK(1),
    RandomK(1, unbiased=True),
    RandomK(1, unbiased=False),
    Threshold(0.5),
    Atomo(1),
]
TWELVE = [*ANY_SIZE, TopK(5), RandomK(5, unbiased=True), Atomo(4.5), SpectralAtomo([(3, 4)], 2)]
FIXED = [c for c in ANY_SIZE if c.name in ("uncompressed", "QSGD", "TernGrad", "sign", "1-bit")]


def label(compressor: Compressor) -> str:
    text = repr(compressor)
    return compressor.name if "object at" in text else text


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def vectors(k: int) -> list[np.ndarray]:
    """Random ones, a heavy tail, one spike, all equal, one spike among equal ones."""
    gaussian = rng().standard_normal(k)
    spike = np.zeros(k)
    spike[k // 2] = 3.0
    worst = np.full(k, 1 / (np.sqrt(k) + 1))  # TernGrad's
    worst[0] = 1.0
    return [gaussian, gaussian**5, spike, np.full(k, -0.1), worst]


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
def test_a_message_is_bytes_and_means_a_finite_vector(compressor: Compressor) -> None:
    x = rng().standard_normal(12)
    before = x.copy()
    message = compressor.encode(x, rng())
    assert message.dtype == np.uint8 and message.ndim == 1
    sent = message.copy()
    decoded = compressor.decode(message)
    assert decoded.dtype == np.float64 and decoded.shape == (12,)
    assert np.isfinite(decoded).all()
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(message, sent)
    np.testing.assert_array_equal(compressor.compress(x, rng()), decoded)


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
def test_a_message_is_read_the_same_from_any_memory(compressor: Compressor) -> None:
    """A view with strides, and one that may not be written."""
    message = compressor.encode(rng().standard_normal(12), rng())
    expected = compressor.decode(message)
    spread = np.repeat(message, 2)[::2]
    spread.flags.writeable = False
    np.testing.assert_array_equal(compressor.decode(spread), expected)


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
def test_zeros_stay_zeros(compressor: Compressor) -> None:
    for zeros in (np.zeros(12), -np.zeros(12)):
        np.testing.assert_array_equal(compressor.compress(zeros, rng()), np.zeros(12))


@pytest.mark.parametrize("compressor", ANY_SIZE, ids=label)
@pytest.mark.parametrize("value", [2.0, -0.1, 1e-30, -1e38])
def test_one_number_is_kept(compressor: Compressor, value: float) -> None:
    if isinstance(compressor, Threshold) and abs(value) < 0.5:
        expected = 0.0
    elif compressor == TernGrad(0.5):
        expected = value / 2
    else:
        expected = value
    assert compressor.compress(np.array([value]), rng())[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("compressor", FIXED, ids=label)
@pytest.mark.parametrize("k", [1, 2, 5, 8, 40])
def test_the_error_is_within_its_bound(compressor: Compressor, k: int) -> None:
    """Mean over draws, if chance matters; the margin of 4 standard errors fails once in 30 000."""
    draws, chance = 60 if compressor.name in ("QSGD", "TernGrad") else 1, rng()
    for x in vectors(k):
        sample = [compressor.compress(x, chance) for _ in range(draws)]
        errors = np.sum((np.array(sample) - x) ** 2, axis=1) / np.sum(x**2)
        margin = 4 * errors.std() / np.sqrt(draws)
        assert errors.mean() <= compressor.error_bound(k) + margin + 1e-13


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_all_float_types_are_taken_alike(compressor: Compressor, dtype: type) -> None:
    x = rng().standard_normal(12).astype(np.float16)  # the same numbers in all three
    expected = compressor.compress(x.astype(np.float64), rng())
    decoded = compressor.compress(x.astype(dtype), rng())
    np.testing.assert_allclose(decoded, expected, rtol=1e-3 if dtype == np.float16 else 1e-6)


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_its_place(compressor: Compressor, bad: float) -> None:
    x = np.ones(12)
    x[[3, 7]] = bad
    chance = rng()
    with pytest.raises(ValueError, match=re.escape(f"x must be finite, got {bad} at entry 3")):
        compressor.encode(x, chance)
    assert chance.random() == rng().random(), "no chance is used up"


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
@pytest.mark.parametrize(
    ("x", "error", "reason"),
    [
        ([1.0, 2.0], TypeError, "x must be an array of float16, float32 or float64, got list"),
        (np.arange(12), TypeError, "got int64"),
        (np.ones(12, np.longdouble), TypeError, "got longdouble|got float128"),
        (np.ones(12) * 1j, TypeError, "got complex128"),
        (np.ones((3, 4)), ValueError, re.escape("x must be one-dimensional, got shape (3, 4)")),
        (np.float64(3), TypeError, "x must be"),
        (np.zeros(0), ValueError, f"x must have 1…{wire.MAX_ELEMENTS} entries, got 0"),
    ],
)
def test_what_is_no_gradient_is_refused(
    compressor: Compressor, x: np.ndarray, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        compressor.encode(x, rng())


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
def test_damaged_bytes_mean_a_finite_vector_or_raise_a_message_error(
    compressor: Compressor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Largest k is set low, as a message of few bytes may well say many zeros."""
    monkeypatch.setattr(wire, "MAX_ELEMENTS", 2**12)
    message = compressor.encode(rng().standard_normal(12), rng())
    refused = 0
    for changed in damaged(message):
        try:
            decoded = compressor.decode(changed)
        except MessageError:
            refused += 1
        else:
            assert len(changed) >= wire.HEADER_BYTES
            assert decoded.shape == (int(changed[1:5].view("<u4")[0]),)
            assert np.isfinite(decoded).all()
    assert refused > len(message), "each truncation, and some of the rest"


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
def test_all_truncations_and_a_tail_are_refused(compressor: Compressor) -> None:
    message = compressor.encode(rng().standard_normal(12), rng())
    for length in range(len(message)):
        with pytest.raises(MessageError):
            compressor.decode(message[:length])
    with pytest.raises(MessageError):
        compressor.decode(np.append(message, np.uint8(0)))


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
def test_a_message_of_another_compressor_is_refused(compressor: Compressor) -> None:
    own = compressor.encode(np.ones(12), rng())[0]
    for other in TWELVE:
        message = other.encode(np.ones(12), rng())
        if message[0] != own:
            with pytest.raises(MessageError, match="must be of kind"):
                compressor.decode(message)


@pytest.mark.parametrize("compressor", FIXED, ids=label)
def test_a_short_message_of_a_large_k_takes_little_memory(compressor: Compressor) -> None:
    """Right header and settings, and then random bytes."""
    message = compressor.encode(np.ones(12), rng())
    settings = message[5:13] if compressor.name == "QSGD" else message[:0]
    header = np.concatenate([message[:1], wire.pack_uint32(wire.MAX_ELEMENTS), settings])
    chance = rng()
    tracemalloc.start()
    for _ in range(30):
        body = chance.integers(0, 256, chance.integers(0, 60)).astype(np.uint8)
        with pytest.raises(MessageError):
            compressor.decode(np.concatenate([header, body]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("compressor", TWELVE, ids=label)
def test_a_compressor_says_what_it_is(compressor: Compressor) -> None:
    assert compressor.name
    assert compressor.aggregation in ("all_reduce", "all_gather")
    contraction = compressor.error_bound(12) < 1
    assert compressor.is_unbiased or contraction or compressor.name in ("TernGrad", "threshold")


@pytest.mark.parametrize("value", [1e39, -1e300])
@pytest.mark.parametrize("compressor", [c for c in ANY_SIZE if c.name != "threshold"], ids=label)
def test_numbers_beyond_float32_are_refused(compressor: Compressor, value: float) -> None:
    with pytest.raises(ValueError, match="must fit into float32"):
        compressor.encode(np.array([value]), rng())


def test_a_gradient_longer_than_any_message_is_refused() -> None:
    """Repeated without memory: an array whose stride is 0."""
    x = np.broadcast_to(np.float32(1), wire.MAX_ELEMENTS + 1)
    with pytest.raises(ValueError, match=f"entries, got {wire.MAX_ELEMENTS + 1}"):
        as_gradient(x)


def test_uncompressed_is_exact_for_float32() -> None:
    x = rng().standard_normal(100).astype(np.float32)
    np.testing.assert_array_equal(Uncompressed().compress(x, rng()), x)
