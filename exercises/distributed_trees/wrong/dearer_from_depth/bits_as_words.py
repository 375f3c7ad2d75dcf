"""Charges a whole word for each row's bit."""


def dearer_from_depth(
    num_rows: int,
    num_features: int,
    num_bins: int,
    num_statistics: int,
    cut_words: int,
    word_bytes: int,
    limit: int,
) -> int | None:
    word_bits = 8 * word_bytes
    for depth in range(1, limit + 1):
        nodes = 2**depth - 1
        planet_bits = nodes * num_features * num_bins * num_statistics * word_bits
        yggdrasil_bits = nodes * cut_words * word_bits + depth * num_rows * word_bits
        if planet_bits > yggdrasil_bits:
            return depth
    return None
