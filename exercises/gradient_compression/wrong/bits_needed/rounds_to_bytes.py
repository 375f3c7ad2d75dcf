"""Fills each message up to whole bytes."""


def bits_needed(scheme: str, num_elements: int, num_levels: int, indices: list[int]) -> int:
    if scheme == "sign":
        return -(-(32 + num_elements) // 8) * 8
    if scheme == "qsgd":
        return -(-(32 + num_elements * (2 * num_levels).bit_length()) // 8) * 8
    if scheme == "top_k":
        return -(-(len(indices) * (32 + (num_elements - 1).bit_length())) // 8) * 8
    gaps = [index - before for before, index in zip([-1, *indices], indices, strict=False)]
    return -(-(sum(32 + 2 * (gap.bit_length() - 1) + 1 for gap in gaps)) // 8) * 8
