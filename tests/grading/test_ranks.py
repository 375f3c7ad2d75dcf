import numpy as np
import pytest

from mlsys_lib.comm import Faults, Network, PerRank, RankError, Run, simulate
from mlsys_lib.grading.ranks import on_ranks


def shift(comm, x, offset=0.0):
    out = np.empty_like(x)
    comm.send_recv(x, out, (comm.rank + 1) % comm.world_size, (comm.rank - 1) % comm.world_size)
    return out + offset


class Elsewhere:
    """Stands for a function in the grader's sandbox."""

    def __init__(self) -> None:
        self.asked: tuple[object, ...] = ()

    def __call__(self) -> None:
        raise AssertionError("must not be called without ranks")

    def on_ranks(self, *args: object, **kwargs: object) -> Run:
        self.asked = (args, kwargs)
        return simulate(lambda comm: comm.rank, 2)


def test_a_function_of_a_notebook_runs_on_simulated_ranks():
    xs = [np.array([float(r)]) for r in range(3)]
    run = on_ranks(shift, 3, PerRank(xs), offset=10.0)
    assert [r.item() for r in run.results] == [12.0, 10.0, 11.0]
    assert run.ledger.sent_bytes == (8, 8, 8)


def test_network_and_faults_reach_the_simulator():
    network = Network(latency_s=1.0, seconds_per_byte=0.0)
    xs = PerRank([np.zeros(1)] * 2)
    assert on_ranks(shift, 2, xs, network=network).ledger.time_s() == 1.0
    with pytest.raises(RankError):
        on_ranks(shift, 2, xs, faults=Faults(corrupted={(0, 1, 0)}))


def test_what_stands_for_a_function_brings_ranks_of_its_own():
    function = Elsewhere()
    run = on_ranks(function, 2, 5, engine="gloo", offset=1)
    assert run.results == (0, 1)
    assert function.asked == (
        (2, 5),
        {"network": None, "faults": None, "engine": "gloo", "offset": 1},
    )


def test_gloo_is_refused_in_a_notebook_before_anything_runs():
    with pytest.raises(ValueError, match="engine must be 'simulated' in a notebook, got 'gloo'"):
        on_ranks(shift, 2, engine="gloo")
    with pytest.raises(ValueError, match="engine must be one of 'simulated', 'gloo', got 'mpi'"):
        on_ranks(Elsewhere(), 2, engine="mpi")
