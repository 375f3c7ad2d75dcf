"""The depth from which on histograms are dearer than bits, in whole bits."""


def first_dearer(
    num_rows: int,
    num_features: int,
    num_bins: int,
    num_statistics: int,
    cut_words: int,
    word_bytes: int,
    limit: int,
) -> int | None:
    """Return the first depth at which PLANET sends more than Yggdrasil; None up to `limit`."""
    histogram_words = num_features * num_bins * num_statistics
    for depth in range(1, limit + 1):
        more_words = (2**depth - 1) * (histogram_words - cut_words)
        if more_words * word_bytes * 8 > depth * num_rows:
            return depth
    return None


def rows_that_tie(words_more: int, word_bytes: int, depth: int) -> int:
    """Return rows, a multiple of 8, at which both send about the same at `depth`.

    At depth 1 they send the same to the bit. `words_more` is what a histogram has more than a cut.
    """
    more_bytes = ((1 << depth) - 1) * words_more * word_bytes
    return more_bytes // depth * 8
