"""Sends the numbers that are not kept, as zeros."""


def bits_needed(scheme: str, num_elements: int, num_levels: int, indices: list[int]) -> int:
    if scheme == "sign":
        return 32 + num_elements
    if scheme == "qsgd":
        return 32 + num_elements * (2 * num_levels).bit_length()
    if scheme == "top_k":
        return 32 * num_elements
    gaps = [index - before for before, index in zip([-1, *indices], indices, strict=False)]
    return sum(32 + 2 * (gap.bit_length() - 1) + 1 for gap in gaps)
