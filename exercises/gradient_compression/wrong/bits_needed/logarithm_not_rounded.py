"""Sends parts of bits, and rounds at the end."""

import math


def bits_needed(scheme: str, num_elements: int, num_levels: int, indices: list[int]) -> int:
    if scheme == "sign":
        return 32 + num_elements
    if scheme == "qsgd":
        return math.ceil(32 + num_elements * math.log2(2 * num_levels + 1))
    if scheme == "top_k":
        return math.ceil(len(indices) * (32 + math.log2(num_elements)))
    gaps = [index - before for before, index in zip([-1, *indices], indices, strict=False)]
    return sum(32 + 2 * (gap.bit_length() - 1) + 1 for gap in gaps)
