"""A made-up log of messages between four ranks, small enough to read by eye."""

import numpy as np

Message = tuple[int, int, int, int, int]
NUM_RANKS = 4


def run_log(rng: np.random.Generator) -> list[Message]:
    """Draw a log in which every reading has one answer.

    Messages that start together make a round; the next round starts when the last of them has
    arrived, or a little later. A rank may send and receive at the same time.

    Parameters
    ----------
    rng : Generator
        Most often a student's own, from `mlsys_lib.grading.variant`.

    Returns
    -------
    list of (src, dst, start_ms, end_ms, kilobytes), whole numbers
        In the order in which they start. One rank sends more bytes than any other, and it is
        neither the one that sends most messages nor the one that receives most bytes. Rank 0
        sends and receives at once at least once.

    Examples
    --------
    >>> run_log(np.random.default_rng(0))[0]
    (2, 0, 0, 2, 10)
    """
    while True:  # about one draw in ten will do
        log = _draw(rng)
        if _is_telling(log):
            return log


def _draw(rng: np.random.Generator) -> list[Message]:
    log: list[Message] = []
    start_ms = 0
    for _ in range(int(rng.integers(4, 7))):
        num_messages = int(rng.integers(2, NUM_RANKS))
        sources = rng.permutation(NUM_RANKS)[:num_messages]
        destinations = rng.permutation(NUM_RANKS)[:num_messages]
        ends_ms = [start_ms]
        for src, dst in zip(sources.tolist(), destinations.tolist(), strict=True):
            if src != dst:
                kilobytes = 10 * int(rng.integers(1, 10))
                ends_ms.append(start_ms + 1 + kilobytes // 10)
                log.append((src, dst, start_ms, ends_ms[-1], kilobytes))
        start_ms = max(ends_ms) + int(rng.integers(0, 3))
    return log


def _is_telling(log: list[Message]) -> bool:
    messages, sent, received = (np.zeros(NUM_RANKS, int) for _ in range(3))
    for src, dst, _, _, kilobytes in log:
        messages[src] += 1
        sent[src] += kilobytes
        received[dst] += kilobytes
    busiest = sent.argmax()
    is_alone = (sent == sent[busiest]).sum() == 1
    others_lead = messages[busiest] < messages.max() and received[busiest] < received.max()
    sends_at = {start_ms for src, _, start_ms, _, _ in log if src == 0}
    receives_at = {start_ms for _, dst, start_ms, _, _ in log if dst == 0}
    return bool(is_alone and others_lead and sends_at & receives_at)
