"""Averages means and variances as if all shards were of one size."""


def merge_summaries(summaries: list[tuple[int, float, float]]) -> tuple[int, float, float]:
    count = sum(n for n, _, _ in summaries)
    if count == 0:
        return 0, 0.0, 0.0
    filled = [(mean, variance) for n, mean, variance in summaries if n]
    mean = sum(mean for mean, _ in filled) / len(filled)
    return count, mean, sum(variance for _, variance in filled) / len(filled)
