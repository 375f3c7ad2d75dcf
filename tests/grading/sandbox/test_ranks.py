"""Ranks in the sandbox give what `simulate` gives here, and can share nothing but messages."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import Faults, Network, PerRank, simulate
from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.sandbox import Limits, Sandbox

BODIES = '''
import numpy as np
from mlsys_lib.comm import wait_all

def ring(comm, x):
    """Pass the sum around: sends, receives, both at once."""
    total, out = x.copy(), np.empty_like(x)
    right, left = (comm.rank + 1) % comm.world_size, (comm.rank - 1) % comm.world_size
    for _ in range(comm.world_size - 1):
        comm.send_recv(total, out, dst=right, src=left)
        total = out + x
    return total

def words(comm, x, scale=1):
    """Every word of the communicator."""
    out = np.empty_like(x)
    right, left = (comm.rank + 1) % comm.world_size, (comm.rank - 1) % comm.world_size
    requests = [comm.irecv(out, left, tag=3), comm.isend(x * scale, right, tag=3)]
    wait_all(requests)
    comm.compute(1e-3 * comm.rank, "work")
    seen = []
    if comm.rank == 0:
        for _ in range(comm.world_size - 1):
            any_ = np.empty((), np.int32)
            seen.append((comm.recv_any(any_), int(any_)))
    else:
        comm.send(np.array(comm.rank, np.int32), 0)
    pair = comm.group([comm.rank, comm.rank ^ 1][:: 1 if comm.rank < comm.rank ^ 1 else -1])
    other = np.empty(1)
    if pair.rank == 0:
        pair.send(np.array([7.5]), 1)
    else:
        pair.recv(other, 0)
    return float(out.sum()), seen, comm.now_s(), repr(comm)

def fill(comm, x):
    x[:] = comm.rank

def waits(comm):
    comm.recv(np.empty(1), (comm.rank + 1) % comm.world_size)

def raises(comm):
    if comm.rank == 2:
        raise KeyError("mine")
    comm.recv(np.empty(1), 2)

def misfit(comm):
    try:
        comm.recv(np.empty(2), 0) if comm.rank else comm.send(np.ones(3), 1)
    except Exception as error:
        return type(error).__name__, str(error)

def hasty(comm):
    x = np.zeros(2)
    if comm.rank == 0:
        request = comm.isend(x, 1)
        x[0] = 1
        request.wait()
    else:
        comm.recv(x, 0)

def left_over(comm):
    if comm.rank == 0:
        comm.isend(np.ones(1), 1)
    else:
        comm.irecv(np.ones(1), 0, tag=1)

def leaves(comm):
    import os
    os._exit(5)

def hoards(comm):
    if comm.rank == 0:
        for _ in range(100):
            comm.isend(np.ones(2 ** 16), 1)

def answers_much(comm, size):
    return [np.ones(size, np.uint8)] * 3

def asks(comm, operation):
    comm._transport._channel.answer(("operation", operation))
    return comm._transport._channel.receive()[0]

def remembers(comm):
    global count
    count = globals().get("count", 0) + 1
    return count

def prints(comm):
    print("rank", comm.rank)

def refuses(comm):
    """What ranks could share data by, each with how it ended."""
    import fcntl, os, socket, signal
    def tried(act):
        try:
            act()
            return "done"
        except OSError as error:
            return error.errno
    there = os.open("/library/mlsys_lib/__init__.py", os.O_RDONLY)
    return [tried(act) for act in (
        lambda: open("/tmp/x", "w"), lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR),
        lambda: os.mkdir("/tmp/y"), lambda: os.mkfifo("/tmp/z"), lambda: os.symlink("a", "/tmp/l"),
        lambda: os.rename("/tmp/matplotlib", "/tmp/m"), lambda: os.rmdir("/tmp/matplotlib"),
        lambda: os.utime("/tmp"), lambda: os.chmod("/tmp", 0o700), lambda: socket.socket(),
        lambda: socket.socket(socket.AF_UNIX), lambda: socket.socketpair(),
        lambda: os.kill(os.getppid(), 0), lambda: os.kill(os.getpid(), signal.SIGUSR1),
        lambda: fcntl.flock(there, fcntl.LOCK_SH), lambda: fcntl.lockf(there, fcntl.LOCK_SH),
        lambda: os.setpriority(os.PRIO_PROCESS, 0, 5),
    )]

def reads(comm):
    return open("/library/mlsys_lib/__init__.py").read(3)
'''


@pytest.fixture(scope="module")
def ranks(filtered_library: Path, sandbox_user: str | None):
    limits = Limits(cell_s=20.0, submission_s=600.0, message_bytes=2**22)
    with Sandbox(filtered_library, limits=limits, user=sandbox_user) as shared:
        assert shared.run_cell(BODIES, "bodies").status == "graded"
        yield shared


def here(name: str) -> Any:
    names: dict[str, Any] = {}
    exec(BODIES, names)
    return names[name]


@pytest.mark.parametrize("world_size", [1, 2, 5])
def test_results_and_ledger_are_those_of_simulate(ranks: Sandbox, world_size: int) -> None:
    xs = PerRank([np.arange(4.0) * rank for rank in range(world_size)])
    there = ranks.value("ring").on_ranks(world_size, xs)
    expected = simulate(here("ring"), world_size, xs)
    assert np.array_equal(there.results, expected.results)
    assert there.ledger == expected.ledger
    assert there.ledger.log == expected.ledger.log


def test_every_word_of_the_communicator_works(ranks: Sandbox) -> None:
    network = Network(latency_s=1e-3)
    there = ranks.value("words").on_ranks(4, np.ones(2), network=network, scale=3)
    expected = simulate(here("words"), 4, np.ones(2), network=network, scale=3)
    assert there.results == expected.results
    assert there.ledger.log == expected.ledger.log
    assert there.ledger.time_s() == expected.ledger.time_s()


def test_each_rank_changes_its_own_array_in_place(ranks: Sandbox) -> None:
    arrays = [np.zeros(2) for _ in range(3)]
    ranks.value("fill").on_ranks(3, PerRank(arrays))
    assert [array.tolist() for array in arrays] == [[0, 0], [1, 1], [2, 2]]


def failure(sandbox: Sandbox, name: str, world_size: int, **options: Any) -> StudentFault:
    sandbox.begin_test()
    with pytest.raises(StudentFault) as caught:
        sandbox.value(name).on_ranks(world_size, **options)
    assert sandbox.value("fill").on_ranks(2, np.zeros(1)).results == (None, None)
    return caught.value


def test_a_deadlock_names_who_waits_for_whom(ranks: Sandbox) -> None:
    fault = failure(ranks, "waits", 2)
    assert (fault.status, fault.kind) == ("student_error", "DeadlockError")
    assert "rank 0 waits to receive from rank 1" in fault.message


def test_a_rank_that_raises_is_named_with_its_line(ranks: Sandbox) -> None:
    fault = failure(ranks, "raises", 4)
    assert (fault.status, fault.kind, fault.cell) == ("student_error", "KeyError", "bodies")
    assert fault.message == "on rank 2: 'mine'"
    assert BODIES.splitlines()[(fault.line or 0) - 1].strip() == 'raise KeyError("mine")'


def test_errors_of_the_network_are_raised_in_the_students_frame(ranks: Sandbox) -> None:
    there = ranks.value("misfit").on_ranks(2)
    assert there.results[0] is None
    assert there.results[1] == simulate(here("misfit"), 2).results[1]
    assert there.results[1][0] == "MessageError"
    assert "x must not change until wait" in failure(ranks, "hasty", 2).message


def test_a_message_that_nobody_receives_is_a_fault(ranks: Sandbox) -> None:
    fault = failure(ranks, "left_over", 2)
    assert fault.kind == "MessageError"
    assert "never received" in fault.message


def test_a_rank_that_ends_died(ranks: Sandbox) -> None:
    fault = failure(ranks, "leaves", 2)
    assert fault.status == "died"
    assert fault.message == "on rank 0: its process ended with exit code 5"


def test_the_graders_faults_reach_ranks(ranks: Sandbox) -> None:
    fault = failure(ranks, "waits", 2, faults=Faults(dead={1: 0}))
    assert fault.kind == "LostRankError"
    assert "rank 1 is dead" in fault.message


def test_messages_under_way_are_bounded(ranks: Sandbox) -> None:
    assert failure(ranks, "hoards", 2).status == "memory"


@pytest.mark.parametrize(
    "operation",
    [
        ("send", 9, 0, np.ones(1), True),
        ("send", 0, -1, np.ones(1), True),
        ("send", 0, 0, [1], True),
        ("recv", 0, 0, "O", (1,), True),
        ("recv", 0, 0, "<f8", (2**50, 2**50), True),
        ("recv", 0, 0, "<f8", (-1,), True),
        ("recv", 0, 0, "<f8", 3, True),
        ("wait", (1, 1)),
        ("wait", 5),
        ("compute", float("nan"), ""),
        ("compute", 1.0, None),
        ("now_s", 1),
    ],
    ids=str,
)
def test_operations_that_no_communicator_asks_for_are_refused(
    ranks: Sandbox, operation: tuple[Any, ...]
) -> None:
    ((kind, error, _),) = ranks.value("asks").on_ranks(1, operation).results
    assert kind == "raise"
    assert error in ("ValueError", "TypeError", "MemoryError")


@pytest.mark.parametrize("operation", [("fly",), (), 3, ([],)], ids=str)
def test_what_is_no_operation_ends_the_rank(ranks: Sandbox, operation: Any) -> None:
    ranks.begin_test()
    with pytest.raises(StudentFault, match="not an answer") as caught:
        ranks.value("asks").on_ranks(1, operation)
    assert caught.value.status == "died"


@pytest.mark.parametrize("engine", ["simulated", "gloo"])
def test_what_all_ranks_return_is_bounded_together(
    ranks: Sandbox, gloo: Sandbox, engine: str
) -> None:
    sandbox = ranks if engine == "simulated" else gloo
    limit = sandbox._limits.message_bytes
    sandbox.begin_test()
    answers_much = sandbox.value("answers_much")
    assert len(answers_much.on_ranks(2, limit // 2, engine=engine).results[1]) == 3
    with pytest.raises(StudentFault, match=f"together returned more than {limit}") as caught:
        answers_much.on_ranks(3, limit // 2, engine=engine)
    assert caught.value.status == "memory"


def test_ranks_share_no_memory(ranks: Sandbox) -> None:
    ranks.close()
    assert ranks.value("remembers").on_ranks(3).results == (1, 1, 1)


def test_ranks_cannot_share_files_sockets_locks_or_signals(ranks: Sandbox) -> None:
    ranks.begin_test()
    for result in ranks.value("refuses").on_ranks(2).results:
        assert result == [1] * len(result)
    assert ranks.value("reads").on_ranks(2).results == ('"""', '"""')


def test_what_ranks_print_is_kept_in_the_order_in_which_they_run(ranks: Sandbox) -> None:
    ranks.begin_test()
    ranks.value("prints").on_ranks(3)
    assert ranks.output() == "rank 0\nrank 1\nrank 2\n"


def test_ranks_run_the_cells_that_came_later_too(ranks: Sandbox) -> None:
    ranks.run_cell("def late(comm): return comm.rank + bonus\nbonus = 10", "late")
    assert ranks.value("late").on_ranks(2).results == (10, 11)
    ranks.run_cell("bonus = 20", "later")
    assert ranks.value("late").on_ranks(2).results == (20, 21)


def test_ranks_that_never_end_are_a_timeout(
    filtered_library: Path, sandbox_user: str | None
) -> None:
    with Sandbox(filtered_library, limits=Limits(cell_s=0.5), user=sandbox_user) as brief:
        brief.run_cell("def loop(comm):\n    while comm.rank: pass", "cell")
        with pytest.raises(StudentFault, match=r"on rank 1: stopped at its limit of 0.5 s"):
            brief.value("loop").on_ranks(2)
        assert brief.run_cell("x = 1", "next").status == "graded"


# -- gloo -----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def gloo(filtered_library: Path, sandbox_user: str | None):
    limits = Limits(cell_s=30.0, submission_s=600.0, message_bytes=2**22)
    preload = ("numpy", "torch", "mlsys_lib.comm.torch_group")
    with Sandbox(filtered_library, limits=limits, preload=preload, user=sandbox_user) as shared:
        shared.run_cell(BODIES, "bodies")
        yield shared


def test_gloo_ranks_give_what_simulated_ones_give(gloo: Sandbox) -> None:
    ring = gloo.value("ring")
    on_gloo, simulated = ring.on_ranks(3, np.ones(5), engine="gloo"), ring.on_ranks(3, np.ones(5))
    assert np.array_equal(on_gloo.results, simulated.results)
    assert on_gloo.ledger.sent_bytes == simulated.ledger.sent_bytes
    assert on_gloo.ledger.rounds == simulated.ledger.rounds


def test_the_rank_that_failed_first_is_named_on_gloo_too(gloo: Sandbox) -> None:
    gloo.begin_test()
    with pytest.raises(StudentFault, match="on rank 2: 'mine'"):
        gloo.value("raises").on_ranks(3, engine="gloo")
    assert gloo.value("prints").on_ranks(2, engine="gloo").results == (None, None)
    assert gloo.output() == "rank 0\nrank 1\n"


FORGED_LOGS = ["7", "[7]", "[(0, (0, 9, 0, 0, 8))]", "[(0, (0, 0, 0, 0, -8))]",
               "[(2, 0, (), ((0, 0, 0, 0, 8),))]", "[(3, 0, float('nan'), '')]",
               "[(2, 1, (), ())]", "[(9,)]", "[()]"]  # fmt: skip


@pytest.mark.parametrize("log", FORGED_LOGS)
def test_a_forged_log_is_no_answer(gloo: Sandbox, log: str) -> None:
    forge = f"""
    def forge(comm):
        comm._transport.log = {log}
    """
    gloo.run_cell(textwrap.dedent(forge), "forge")
    gloo.begin_test()
    with pytest.raises(StudentFault, match="not an answer"):
        gloo.value("forge").on_ranks(1, engine="gloo")


def test_faults_need_simulated_ranks(gloo: Sandbox) -> None:
    with pytest.raises(ValueError, match="faults must be None on gloo"):
        gloo.value("ring").on_ranks(2, np.ones(1), engine="gloo", faults=Faults())
