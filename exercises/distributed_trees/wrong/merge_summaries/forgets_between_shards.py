"""Averages the variances by rows, and forgets that shards differ from each other."""


def merge_summaries(summaries: list[tuple[int, float, float]]) -> tuple[int, float, float]:
    count = sum(n for n, _, _ in summaries)
    if count == 0:
        return 0, 0.0, 0.0
    mean = sum(n * own for n, own, _ in summaries) / count
    return count, mean, sum(n * variance for n, _, variance in summaries) / count
