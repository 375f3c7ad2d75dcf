"""Follows the rule of D/n: a depth is large if it is no small part of the rows."""


def dearer_from_depth(
    num_rows: int,
    num_features: int,
    num_bins: int,
    num_statistics: int,
    cut_words: int,
    word_bytes: int,
    limit: int,
) -> int | None:
    for depth in range(1, limit + 1):
        if depth / num_rows > 1 / (num_features * num_bins * num_statistics * word_bytes):
            return depth
    return None
