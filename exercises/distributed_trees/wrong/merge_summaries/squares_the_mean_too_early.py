"""Subtracts the mean of the squared means where the squared mean of all belongs."""


def merge_summaries(summaries: list[tuple[int, float, float]]) -> tuple[int, float, float]:
    count = sum(n for n, _, _ in summaries)
    if count == 0:
        return 0, 0.0, 0.0
    mean = sum(n * own for n, own, _ in summaries) / count
    squares = sum(n * (variance + own**2) for n, own, variance in summaries) / count
    return count, mean, squares - sum(n * own**2 for n, own, _ in summaries) / count
