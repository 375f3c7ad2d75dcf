"""How many bits a compressed gradient takes on the wire.

A scale, a norm and a value are float32. Gaps are written in the γ code of Elias, "Universal
codeword sets and representations of the integers", IEEE Trans. Inform. Theory 21(2), 1975,
doi:10.1109/TIT.1975.1055349.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_equal, show

Answer = Callable[..., Any]
Case = tuple[str, int, int, list[int]]
"""Scheme, k, levels, and which numbers are kept, rising."""

SCHEMES = ("sign", "qsgd", "top_k", "top_k_gaps")
FLOAT_BITS = 32


def bits_of(case: Case) -> int:
    """Return the bits of a message."""
    scheme, num_elements, num_levels, indices = case
    if scheme == "sign":
        return FLOAT_BITS + num_elements
    if scheme == "qsgd":
        return FLOAT_BITS + num_elements * width_of(2 * num_levels + 1)
    if scheme == "top_k":
        return len(indices) * (FLOAT_BITS + width_of(num_elements))
    gaps = [index - before for before, index in zip([-1, *indices], indices, strict=False)]
    return sum(FLOAT_BITS + 2 * width_of(gap + 1) - 1 for gap in gaps)


def width_of(num_values: int) -> int:
    """Return the least number of bits that tell as many values apart."""
    width = 0
    while 2**width < num_values:
        width += 1
    return width


def draw_case(rng: np.random.Generator, scheme: str, num_elements: int, num_kept: int) -> Case:
    """Draw which numbers are kept, and how many levels there are."""
    kept = rng.choice(num_elements, num_kept, replace=False)
    return scheme, num_elements, int(rng.integers(1, 40)), sorted(int(i) for i in kept)


def expect_bits(
    bits_needed: Answer,
    case: Case,
    idea: str = "Count the bits of one message: what has 32, and what has as few as tell its "
    "values apart, rounded up.",
) -> None:
    """Hold a number of bits to `bits_of`."""
    scheme, num_elements, num_levels, indices = case
    got = bits_needed(scheme, num_elements, num_levels, list(indices))
    given = (
        f'scheme = "{scheme}", num_elements = {num_elements}, num_levels = {num_levels}, '
        f"indices = {show(indices)}"
    )
    expect_equal(got, bits_of(case), given=given, hint=idea)
