"""Counts messages where rounds were asked for."""


def read_timeline(log: list[tuple[int, int, int, int, int]]) -> dict[str, int]:
    sent = dict.fromkeys(range(4), 0)
    busy = set()
    for src, dst, start_ms, end_ms, kilobytes in log:
        sent[src] += kilobytes
        if 0 in (src, dst):
            busy.update(range(start_ms, end_ms))
    return {
        "rounds": len(log),
        "busiest": max(sent, key=sent.get),
        "idle_ms": max(row[3] for row in log) - len(busy),
    }
