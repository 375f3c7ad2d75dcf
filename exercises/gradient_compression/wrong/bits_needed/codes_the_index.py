"""Writes the index itself in the code, and not the gap."""


def bits_needed(scheme: str, num_elements: int, num_levels: int, indices: list[int]) -> int:
    if scheme == "sign":
        return 32 + num_elements
    if scheme == "qsgd":
        return 32 + num_elements * (2 * num_levels).bit_length()
    if scheme == "top_k":
        return len(indices) * (32 + (num_elements - 1).bit_length())
    gaps = [index + 1 for index in indices]
    return sum(32 + 2 * (gap.bit_length() - 1) + 1 for gap in gaps)
