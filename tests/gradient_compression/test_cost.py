import math

import numpy as np
import pytest

from mlsys_lib.comm import simulate
from mlsys_lib.gradient_compression import (
    QSGD,
    Atomo,
    OneBit,
    PowerSGD,
    RandomK,
    Sign,
    SpectralAtomo,
    TernGrad,
    Threshold,
    TopK,
    Uncompressed,
    cost,
)
from mlsys_lib.gradient_compression.atomo import draw_atoms
from mlsys_lib.gradient_compression.index_code import encode_indices

SIZES = [1, 2, 5, 7, 8, 9, 100, 1001]


def gaussian(k: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(k)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("k", SIZES)
def test_messages_of_fixed_length_have_it(k: int) -> None:
    x = gaussian(k)
    for compressor, size in (
        (Uncompressed(), cost.uncompressed_bytes(k)),
        (TernGrad(), cost.terngrad_bytes(k)),
        (TernGrad(2.5), cost.terngrad_bytes(k)),
        (Sign(), cost.sign_bytes(k)),
        (OneBit(), cost.one_bit_bytes(k)),
        (RandomK(1, unbiased=True), cost.random_k_bytes(1)),
        (RandomK(k, unbiased=False), cost.random_k_bytes(k)),
    ):
        assert len(compressor.encode(x, rng())) == size, compressor.name


@pytest.mark.parametrize("k", SIZES)
@pytest.mark.parametrize("bucket_size", [None, 1, 8, 64])
@pytest.mark.parametrize("num_levels", [1, 2, 3, 4, 127, 128, 1000])
def test_qsgd_of_fixed_width_has_its_length(
    k: int, bucket_size: int | None, num_levels: int
) -> None:
    message = QSGD(num_levels, "fixed", bucket_size).encode(gaussian(k), rng())
    assert len(message) == cost.qsgd_fixed_bytes(k, num_levels, bucket_size)
    bits = math.ceil(math.log2(num_levels + 1)) + 1
    num_norms = 1 if bucket_size is None else math.ceil(k / bucket_size)
    assert len(message) == 13 + 4 * num_norms + math.ceil(k * bits / 8)


@pytest.mark.parametrize("k", SIZES)
@pytest.mark.parametrize("bucket_size", [None, 8])
@pytest.mark.parametrize("num_levels", [1, 3, 100])
def test_a_sparse_qsgd_message_has_the_length_of_its_levels(
    k: int, bucket_size: int | None, num_levels: int
) -> None:
    x = gaussian(k)
    message = QSGD(num_levels, "elias", bucket_size).encode(x, rng())
    levels = QSGD(num_levels, "fixed", bucket_size)._random_levels(
        np.abs(x), cost.bucket_norms(np.abs(x), bucket_size), rng()
    )
    assert len(message) == cost.qsgd_elias_bytes(levels, bucket_size)


def test_a_sparse_message_of_a_million_numbers_is_within_the_papers_bound() -> None:
    """19 498 bits, of which a Gaussian gradient takes about 16 000."""
    k = 1_000_000
    assert cost.qsgd_elias_bits(k, 1) == pytest.approx(19_498, abs=1)
    message = QSGD(1, "elias").encode(gaussian(k).astype(np.float32), rng())
    assert 0.75 * 19_498 < 8 * len(message) < 19_498


@pytest.mark.parametrize("bucket_size", [None, 100])
@pytest.mark.parametrize("num_levels", [1, 10, 32])
def test_a_dense_message_has_the_expected_bits(num_levels: int, bucket_size: int | None) -> None:
    """Within 5 standard errors of the mean of 60 messages, and a byte of filling."""
    x, chance = gaussian(1000), rng()
    compressor = QSGD(num_levels, "elias_dense", bucket_size)
    lengths = [8 * len(compressor.encode(x, chance)) for _ in range(60)]
    fixed = 8 * (17 + 4 * (1 if bucket_size is None else 10))
    expected = cost.qsgd_dense_expected_bits(x, num_levels, bucket_size)
    error = np.mean(lengths) - fixed - expected
    assert (
        -5 * np.std(lengths) / math.sqrt(60) < error - 7 < 7 + 5 * np.std(lengths) / math.sqrt(60)
    )


def test_gaussian_numbers_take_more_than_the_papers_dense_code_promises() -> None:
    """2.8 bits a number leave out what the paper's o(1) hides: with Elias's ω it is 2.94."""
    x = gaussian(100_000)
    bits = cost.qsgd_dense_expected_bits(x, num_levels=316) / len(x)
    assert cost.qsgd_dense_bits(100_000) == pytest.approx(2.8 * 100_000 + 32)
    assert bits == pytest.approx(2.94, abs=0.01)


def test_no_chance_no_difference_between_mean_and_message() -> None:
    x = np.array([3.0, -4.0, 0.0])  # levels 3, 4, 0: codes of 6, 6 and 1 bits, and two signs
    assert cost.qsgd_dense_expected_bits(x, 5) == 15
    assert len(QSGD(5, "elias_dense").encode(x, rng())) == 17 + 4 + 1 + 2


@pytest.mark.parametrize(
    ("k", "num_kept"), [(1000, 10), (1000, 500), (1000, 1000), (100_000, 1000)]
)
def test_top_k_has_the_mean_length(k: int, num_kept: int) -> None:
    """A choice of width by the true gaps saves a little."""
    lengths = [len(TopK(num_kept).encode(gaussian(k, seed), rng())) for seed in range(20)]
    expected = cost.top_k_bytes(k, num_kept)
    assert np.mean(lengths) == pytest.approx(expected, rel=0.005, abs=2)
    threshold = Threshold(float(np.sort(np.abs(gaussian(k)))[-num_kept]))
    assert len(threshold.encode(gaussian(k), rng())) == lengths[0]


@pytest.mark.parametrize(("k", "count"), [(20, 1), (20, 7), (20, 20), (64, 5)])
def test_the_mean_of_the_gap_code_is_that_of_random_sets(k: int, count: int) -> None:
    chance = rng()
    sets = [np.sort(chance.choice(k, count, replace=False)) for _ in range(400)]
    bits = np.mean([8 * (len(encode_indices(indices, k)) - 5) for indices in sets])
    expected = cost.expected_gap_bits(k, count)
    assert expected - 0.2 * count - 1 < bits < expected + 15, "two parts are filled up to bytes"


def test_no_index_costs_nothing() -> None:
    assert cost.expected_gap_bits(10, 0) == 0


def test_atomo_has_the_mean_length() -> None:
    x = gaussian(2000) ** 3
    for seed in range(3):
        draw = draw_atoms(x, 100, np.random.default_rng(seed))
        message = Atomo(100).encode(x, np.random.default_rng(seed))
        expected = cost.atomo_bytes(2000, len(draw.certain), len(draw.chosen))
        assert len(message) == pytest.approx(expected, rel=0.03)


def test_spectral_atomo_has_its_length() -> None:
    shapes = [(6, 9), (4,)]
    low = np.outer(gaussian(6), gaussian(9)).ravel()  # one atom, and one of the bias
    message = SpectralAtomo(shapes, 1).encode(np.append(low, gaussian(4)), rng())
    assert len(message) == cost.spectral_atomo_bytes(shapes, [1, 1])


@pytest.mark.parametrize("rank_r", [1, 2, 5])
def test_power_sgd_has_its_bytes(rank_r: int) -> None:
    shapes = [(8, 12), (8,), (2, 2)]
    run = simulate(lambda comm: PowerSGD(shapes, rank_r).aggregate(comm, gaussian(108)), 3)
    assert run.results[0].message_bytes == cost.power_sgd_bytes(shapes, rank_r)


def test_the_wire_is_as_thin_as_promised() -> None:
    k = 1_000_000
    whole = cost.uncompressed_bytes(k)
    assert cost.sign_bytes(k) / whole == pytest.approx(1 / 32, rel=1e-3)
    assert cost.top_k_bytes(k, k // 100) / whole < 0.02
    assert 8 * cost.terngrad_bytes(k) / k == pytest.approx(1.6, rel=1e-3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: cost.uncompressed_bytes(0),
        lambda: cost.qsgd_fixed_bytes(0, 1),
        lambda: cost.qsgd_elias_bits(5, 0),
        lambda: cost.qsgd_dense_bits(0),
        lambda: cost.terngrad_bytes(0),
        lambda: cost.sign_bytes(-1),
        lambda: cost.one_bit_bytes(0),
        lambda: cost.random_k_bytes(0),
        lambda: cost.top_k_bytes(5, 6),
        lambda: cost.power_sgd_bytes([(2, 2)], 0),
    ],
)
def test_sizes_that_no_message_has_are_refused(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="must be an integer"):
        call()
