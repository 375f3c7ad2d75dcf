"""The rules of the α–β clock, each sentence of its docstring by a small example."""

import numpy as np
import pytest

from mlsys_lib.collectives import gather
from mlsys_lib.comm import (
    Communicator,
    Ledger,
    Link,
    Network,
    Run,
    Span,
    Transfer,
    simulate,
    wait_all,
)

ALPHA, BETA, OVERHEAD = 10.0, 0.5, 4.0
BYTES = np.zeros(8, np.uint8)  # 8 bytes: n β = 4 s
PLAIN = Network(ALPHA, BETA)
HEAVY = Network(ALPHA, BETA, overhead_s=OVERHEAD)


def two(comm: Communicator, sender_s: float, receiver_s: float) -> float:
    """Rank 0 sends to rank 1; each works for a while before."""
    comm.compute(receiver_s if comm.rank else sender_s)
    if comm.rank:
        comm.recv(BYTES.copy(), 0)
    else:
        comm.send(BYTES, 1)
    return comm.now_s()


@pytest.mark.parametrize("network", [PLAIN, HEAVY])
def test_a_blocking_message_takes_alpha_plus_n_beta(network: Network) -> None:
    assert simulate(two, 2, 0.0, 0.0, network=network).results == (14.0, 14.0)
    assert network.transfer_s(8) == 14.0


def test_a_sender_does_not_wait_for_a_late_receiver() -> None:
    """The receiver's transfer starts when it is posted."""
    assert simulate(two, 2, 0.0, 100.0, network=PLAIN).results == (14.0, 114.0)


def test_a_receiver_waits_for_a_late_sender() -> None:
    assert simulate(two, 2, 100.0, 0.0, network=PLAIN).results == (114.0, 114.0)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_server_that_hears_from_all_at_once(workers: int) -> None:
    """α + (m - 1) o + m n β."""
    for network in (PLAIN, HEAVY):
        run = simulate(gather, workers + 1, BYTES, network=network)
        expected = ALPHA + (workers - 1) * network.overhead_s + workers * 8 * BETA
        assert run.ledger.time_s() == pytest.approx(expected)


def both(comm: Communicator, at_once: bool) -> float:
    """Rank 0 sends twice to rank 1, together or one after the other."""
    outs = [BYTES.copy(), BYTES.copy()]
    if at_once:
        call = comm.irecv if comm.rank else comm.isend
        wait_all([call(out, 1 - comm.rank) for out in outs])
    else:
        for out in outs:
            (comm.recv if comm.rank else comm.send)(out, 1 - comm.rank)
    return comm.now_s()


def test_messages_waited_for_together_share_a_latency() -> None:
    assert simulate(both, 2, False, network=PLAIN).results == (28.0, 28.0)
    assert simulate(both, 2, True, network=PLAIN).results == (18.0, 18.0)
    assert simulate(both, 2, True, network=HEAVY).results == (22.0, 22.0)


def test_rounds_count_waits_not_messages() -> None:
    assert simulate(both, 2, False).ledger.rounds == 2
    assert simulate(both, 2, True).ledger.rounds == 1


def swap(comm: Communicator) -> float:
    comm.send_recv(BYTES, BYTES.copy(), 1 - comm.rank, 1 - comm.rank)
    return comm.now_s()


def test_a_port_sends_and_receives_at_the_same_time() -> None:
    assert simulate(swap, 2, network=PLAIN).results == (14.0, 14.0)


def post_early(comm: Communicator, early: bool) -> float:
    """Rank 1 works while the message comes, if it has offered its receive before."""
    out = BYTES.copy()
    if comm.rank == 0:
        comm.send(BYTES, 1)
    elif early:
        request = comm.irecv(out, 0)
        comm.compute(20.0)
        request.wait()
    else:
        comm.compute(20.0)
        comm.recv(out, 0)
    return comm.now_s()


def test_a_receive_posted_early_overlaps_with_work() -> None:
    assert simulate(post_early, 2, True, network=PLAIN).results[1] == 20.0
    assert simulate(post_early, 2, False, network=PLAIN).results[1] == 34.0


def test_one_slow_link_slows_that_link_alone() -> None:
    network = Network(ALPHA, BETA, links={(0, 1): Link(100.0, 2.0)})
    assert simulate(two, 2, 0.0, 0.0, network=network).results == (116.0, 116.0)
    back = simulate(swap, 2, network=network).results
    assert back == (116.0, 116.0)  # rank 0's send is slow, rank 1's reception of it too
    assert network.link(0, 1).latency_s == 100.0 and network.link(1, 0) is network


def test_timeline_says_who_sent_what_to_whom_when() -> None:
    run = simulate(two, 2, 3.0, 0.0, network=PLAIN)
    timeline = run.ledger.timeline()
    assert timeline.transfers == (Transfer(0, 1, 0, 8, 3.0, 17.0),)
    assert set(timeline.spans) == {Span(0, 0.0, 3.0, ""), Span(1, 0.0, 0.0, "")}
    assert timeline.time_s == (17.0, 17.0)


def test_one_run_can_be_timed_on_any_network() -> None:
    ledger = simulate(swap, 2, network=PLAIN).ledger
    assert ledger.time_s() == 14.0
    assert ledger.time_s(Network(1.0, 1.0)) == 9.0
    assert isinstance(ledger, Ledger)


def test_clock_within_the_run_is_the_clock_after_it() -> None:
    run: Run = simulate(both, 2, True, network=HEAVY)
    assert run.results == run.ledger.timeline().time_s


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latency_s": -1.0}, "latency_s must be finite and >= 0, got -1.0"),
        ({"seconds_per_byte": float("nan")}, "seconds_per_byte must be finite and >= 0, got nan"),
        ({"overhead_s": 1.0}, "overhead_s must be <= latency_s .5e-05., got 1.0"),
    ],
)
def test_impossible_networks_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Network(**arguments)
    if "overhead_s" not in arguments:
        with pytest.raises(ValueError, match=f"^{message}$"):
            Link(**{"latency_s": 0.0, "seconds_per_byte": 0.0, **arguments})
