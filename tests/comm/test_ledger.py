"""Counting a run, and merging the logs of ranks that ran apart."""

import numpy as np
import pytest

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Ledger, simulate
from mlsys_lib.comm.ledger import SEND, WAIT, merge_logs
from tests.comm import bodies


def test_counts() -> None:
    ledger = simulate(bodies.blocking, 3, np.zeros(5)).ledger
    assert ledger.sent_bytes == (40, 40, 0) == ledger.received_bytes
    assert ledger.sent_messages == (1, 1, 0)
    assert (ledger.total_bytes, ledger.rounds) == (80, 2)


def test_no_messages_no_rounds() -> None:
    ledger = simulate(bodies.answer, 2).ledger
    assert ledger.rounds == 0 and ledger.total_bytes == 0 and ledger.time_s() == 0.0
    assert ledger.messages == ()


def test_what_a_rank_sends_itself_counts() -> None:
    assert simulate(bodies.to_itself, 1).ledger.sent_bytes == (8,)


def test_merged_logs_tell_the_same_story() -> None:
    """Whatever the order of the ranks, counts, rounds and times are those of the one log."""
    ledger = simulate(ring_all_reduce, 4, np.arange(9.0)).ledger
    apart: list[list[tuple[object, ...]]] = [[], [], [], []]
    for entry in ledger.log:
        apart[entry[1] if entry[0] == WAIT else entry[1][0]].append(entry)
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        merged = Ledger(4, merge_logs([apart[rank] for rank in order]))
        assert sorted(merged.messages) == sorted(ledger.messages)
        assert merged.timeline().time_s == ledger.timeline().time_s
        assert merged.rounds == ledger.rounds


def test_a_send_comes_before_its_receive() -> None:
    message = (0, 1, 0, 0, 8)
    merged = merge_logs([[(WAIT, 1, (), (message,))], [(SEND, message), (WAIT, 0, (message,), ())]])
    assert [entry[0] for entry in merged] == [SEND, WAIT, WAIT]


def test_logs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a message was received that nobody sent"):
        merge_logs([[(WAIT, 1, (), ((0, 1, 0, 0, 8),))]])
