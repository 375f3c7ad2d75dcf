"""Bits: bytes and noise are those of messages, and the two halves of the picture weigh the same."""

import gzip
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.explorers.gradient_compression import bits as module
from mlsys_lib.explorers.gradient_compression import bits_explorer
from mlsys_lib.explorers.gradient_compression.bits import (
    BITS,
    BUCKET_SIZES,
    EDGES,
    NUM_ELEMENTS,
    bits_of_gradient,
    bits_table,
    describe_bits,
    gradient,
    layers,
    setting,
    shares,
    terngrad,
)
from mlsys_lib.gradient_compression import QSGD, TernGrad
from mlsys_lib.gradient_compression.cost import qsgd_fixed_bytes
from mlsys_lib.plots.gradient_compression.bits import Bits, BitsPlot
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(bits_explorer().positions())


def test_the_gradient_is_that_of_a_network_in_step_100() -> None:
    assert [part.shape for part in layers()] == [(128, 784), (128,), (10, 128), (10,)]
    assert gradient().shape == (NUM_ELEMENTS,)
    assert np.abs(layers()[3].sum()) < 1e-12  # the classes' errors sum to 0
    assert np.mean(gradient() == 0) == pytest.approx(0.27, abs=0.01)


def held_to_messages(bits: int, bucket_size: int) -> None:
    """Compare bytes and noise with ten messages, and the noise with the definition."""
    x, one = gradient(), setting(bits, bucket_size)
    compressor = QSGD(2**bits - 1, bucket_size=bucket_size)
    errors = []
    for seed in range(10, 20):
        message = compressor.encode(x, np.random.default_rng(seed))
        assert one.message_bytes == len(message)
        errors.append(np.sum((compressor.decode(message) - x) ** 2) / (x @ x))
    assert one.noise == pytest.approx(np.mean(errors), rel=0.08)
    assert one.measured == pytest.approx(one.noise, rel=0.12)
    assert one.noise < one.bound


@pytest.mark.parametrize(("bits", "bucket_size"), [(1, NUM_ELEMENTS), (3, 512), (5, 8), (8, 64)])
def test_bytes_and_noise_are_those_of_messages(bits: int, bucket_size: int) -> None:
    held_to_messages(bits, bucket_size)


@pytest.mark.parametrize("planted", ["one length for all", "a level too many"])
def test_a_wrong_noise_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistakes: the formula forgets the buckets, or takes 2ᵇ for 2ᵇ - 1 levels."""
    right = module.qsgd_variance

    def wrong(x: np.ndarray, num_levels: int, bucket_size: int) -> float:
        if planted == "one length for all":
            return right(x, num_levels)
        return right(x, num_levels + 1, bucket_size)

    module.setting.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(module, "qsgd_variance", wrong)
        with pytest.raises(AssertionError):
            held_to_messages(2, 512)
    module.setting.cache_clear()


def test_with_one_bit_a_long_gradient_is_as_bad_as_its_length_says() -> None:
    """‖x‖₁/‖x‖ - 1, by the formula of one level; it grows with the number that share a length."""
    x = gradient()
    whole = np.abs(x).sum() / math.sqrt(x @ x) - 1
    assert setting(1, NUM_ELEMENTS).noise == pytest.approx(whole, rel=1e-5)
    noises = [setting(1, size).noise for size in BUCKET_SIZES]
    assert noises == sorted(noises)
    assert [round(noise, 2) for noise in noises] == [1.26, 4.79, 13.21, 145.74]


def test_a_bit_divides_by_two_or_three_until_the_levels_reach_the_root_of_all() -> None:
    whole = [bits_of_gradient(bits, NUM_ELEMENTS).gain or 0 for bits in BITS[:-1]]
    assert all(2 < gain < 3.6 for gain in whole)
    in_eights = [bits_of_gradient(bits, 8).gain or 0 for bits in BITS[:-1]]
    assert all(gain == pytest.approx(4.2, abs=0.5) for gain in in_eights[2:])
    assert bits_of_gradient(8, 64).gain is None


def test_a_length_for_512_is_worth_more_than_three_bits() -> None:
    assert setting(3, 512).noise < setting(6, NUM_ELEMENTS).noise
    extra = setting(3, 512).message_bytes - setting(3, NUM_ELEMENTS).message_bytes
    assert 8 * extra / NUM_ELEMENTS == pytest.approx(1 / 16, abs=1e-3)


def test_terngrad_is_its_message() -> None:
    message_bytes, noise = terngrad()
    assert message_bytes == 9 + math.ceil(NUM_ELEMENTS / 5)
    x, rng = gradient(), np.random.default_rng(0)
    errors = [np.sum((TernGrad().compress(x, rng) - x) ** 2) / (x @ x) for _ in range(5)]
    assert noise == pytest.approx(np.mean(errors), rel=0.05)


@pytest.mark.parametrize(("bits", "bucket_size"), [(1, NUM_ELEMENTS), (2, 512), (4, 64), (1, 8)])
def test_what_arrives_weighs_the_same_and_lies_further_right_by_the_noise(
    bits: int, bucket_size: int
) -> None:
    """Σ |C(x)_j| · length is right on average; its mean size is 1 + noise times that of x."""
    x = gradient()
    shown = bits_of_gradient(bits, bucket_size)
    lengths = [
        math.sqrt(x[start : start + bucket_size] @ x[start : start + bucket_size])
        for start in range(0, NUM_ELEMENTS, bucket_size)
    ]
    spread = np.repeat(lengths, bucket_size)[:NUM_ELEMENTS]
    assert shown.mean_size == pytest.approx((x @ x) / (np.abs(x) @ spread), rel=1e-5)
    compressor = QSGD(2**bits - 1, bucket_size=bucket_size)
    draws = [compressor.compress(x, np.random.default_rng(seed)) for seed in range(8)]
    weights = [np.abs(draw) @ spread for draw in draws]
    assert np.mean(weights) == pytest.approx(np.abs(x) @ spread, rel=0.06)
    stretched = np.mean([draw @ draw for draw in draws]) / np.mean(weights)
    assert stretched == pytest.approx(shown.mean_size * (1 + shown.setting.noise), rel=0.03)
    assert shown.num_zeros == np.count_nonzero(draws[0] == 0)
    assert sum(shown.sizes) == pytest.approx(1)
    assert sum(shown.arrived) == pytest.approx(1)


def test_bars_hold_what_lies_between_their_edges() -> None:
    x, lengths = np.array([0.0, 3.0, -4.0, 2.0]), np.array([5.0, 5.0, 5.0, 2.0])
    counted = dict(zip(EDGES[:-1], shares(x, lengths), strict=True))
    full = {edge: share for edge, share in counted.items() if share}
    assert list(full.values()) == pytest.approx([15 / 39, 20 / 39, 4 / 39])
    assert EDGES[-2] < 1 < EDGES[-1]


def test_bytes_follow_the_closed_form() -> None:
    for bucket_size in BUCKET_SIZES:
        for bits in BITS:
            bound = qsgd_fixed_bytes(NUM_ELEMENTS, 2**bits - 1, bucket_size)
            assert setting(bits, bucket_size).message_bytes == bound


def test_description_and_table_say_the_numbers() -> None:
    shown = bits_of_gradient(3, 512)
    assert describe_bits(shown) == (
        "QSGD on a gradient of 101 770 numbers, 3 bits and a sign each, one length for 512 "
        "numbers. What arrives is multiples of 1/7 × the length; the root mean square of the "
        "numbers is 1/22.6 of it. 81.5% of the numbers arrive as 0 and the others larger: where "
        "each counts by its size, the mean size grows 2.13 times. Second panel, noise against "
        "bits: noise 1.13 (measured 1.12, at most 3.23) for 51.7 kB, 4.06 bits a number. A "
        "further bit divides the noise by 4.54. By how many share a length, with as many bits: 8:"
        " 0.0237; 64: 0.148; 512: 1.13; 101 770: 20. TernGrad: 1.6 bits a number, "
        "noise 16.2."
    )
    header, rows = bits_table(shown)
    assert len(rows) == len(BITS)
    assert all(len(row) == len(header) for row in rows)
    assert rows[2] == (3, 7, "51 694", "1.13", "1.12", "3.23", "4.54")
    assert rows[-1][-1] == "–"
    assert "A further bit" not in describe_bits(bits_of_gradient(8, 64))


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(bits_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = bits_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: after the last bit the step to a further one stays where it was."""

    class Forgetful(BitsPlot):
        def draw(self, shown: Bits) -> Any:
            before = self._step.get_xydata().copy()
            drawn = super().draw(shown)
            if shown.gain is None and len(before):
                self._step.set_data(*before.T)
            return drawn

    wrong = replace(bits_explorer(), plot=lambda: Forgetful(BUCKET_SIZES))
    assert wrong.frame(POSITIONS[0]) == wrong.fresh_frame(POSITIONS[0])
    assert wrong.frame(POSITIONS[-1]) != wrong.fresh_frame(POSITIONS[-1])


def test_the_page_is_light() -> None:
    page = bits_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
