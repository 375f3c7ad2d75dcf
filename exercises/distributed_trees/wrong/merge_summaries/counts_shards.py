"""Lets each shard's mean count once when shards are compared, and not by its rows."""


def merge_summaries(summaries: list[tuple[int, float, float]]) -> tuple[int, float, float]:
    count = sum(n for n, _, _ in summaries)
    if count == 0:
        return 0, 0.0, 0.0
    filled = [summary for summary in summaries if summary[0]]
    mean = sum(n * own for n, own, _ in filled) / count
    within = sum(n * variance for n, _, variance in filled) / count
    between = sum((own - mean) ** 2 for _, own, _ in filled) / len(filled)
    return count, mean, within + between
