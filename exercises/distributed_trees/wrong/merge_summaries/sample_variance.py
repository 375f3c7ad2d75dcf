"""Divides by the count less one, at both ends."""


def merge_summaries(summaries: list[tuple[int, float, float]]) -> tuple[int, float, float]:
    count = sum(n for n, _, _ in summaries)
    if count < 2:
        return next((one for one in summaries if one[0]), (0, 0.0, 0.0))
    mean = sum(n * own for n, own, _ in summaries) / count
    within = sum((n - 1) * variance for n, _, variance in summaries if n)
    between = sum(n * (own - mean) ** 2 for n, own, _ in summaries)
    return count, mean, (within + between) / (count - 1)
