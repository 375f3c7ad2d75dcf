"""What there is to read from a log of messages, and where two schedules cost the same."""

from mlsys_lib.datasets.run_log import NUM_RANKS, Message


def reading_of(log: list[Message]) -> dict[str, int]:
    """Return what there is to read: rounds, the busiest rank, idle milliseconds of rank 0."""
    sent = [sum(kilobytes for src, *_, kilobytes in log if src == r) for r in range(NUM_RANKS)]
    busy = {ms for src, dst, start, end, _ in log if 0 in (src, dst) for ms in range(start, end)}
    return {
        "rounds": len({start for _, _, start, _, _ in log}),
        "busiest": sent.index(max(sent)),
        "idle_ms": max(end for *_, end, _ in log) - len(busy),
    }


def crossing(world_size: int, latency_s: float, seconds_per_byte: float) -> float:
    """Return the bytes from which on the ring is the faster one; 0 if there is nothing to send."""
    steps = (world_size - 1).bit_length()
    if steps == 0:
        return 0.0
    saved = steps - (world_size - 1) / world_size
    return (world_size - 1 - steps) * latency_s / (saved * seconds_per_byte)
