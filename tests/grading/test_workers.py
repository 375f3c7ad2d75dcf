import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlsys_lib.grading.workers import Batch
from tests.grading.work import double, misbehave

FOREVER_S = 300.0


def test_every_item_is_answered_once_whatever_the_number_of_workers():
    for num_workers in (1, 3):
        batch = Batch(double, range(7), num_workers, FOREVER_S)
        assert len(batch) == 7
        assert sorted(batch) == [(item, 2 * item, None) for item in range(7)]


def test_nothing_to_do_starts_no_process():
    assert list(Batch(double, [], 2, FOREVER_S)) == []


def test_a_lost_process_costs_its_own_item_and_no_other():
    items = ["a", "raise", "exit", "b", "die", "c"]
    found = {item: (result, reason) for item, result, reason in Batch(misbehave, items, 2, 300.0)}
    assert found["raise"] == (None, "KeyError: 'no such thing'")
    assert found["exit"] == (None, "the grading process ended (exit code 3)")
    assert found["die"] == (None, "the grading process ended (exit code -9)")
    assert [found[item] for item in "abc"] == [("A", None), ("B", None), ("C", None)]


def test_a_process_that_wants_too_much_memory_is_told_so_and_goes_on():
    batch = Batch(misbehave, ["hoard", "a"], 1, FOREVER_S, memory_bytes=2**29)
    hoard, a = sorted(batch, key=lambda done: -len(done[0]))
    assert hoard[:2] == ("hoard", None) and hoard[2].startswith("MemoryError")
    assert a == ("a", "A", None)


def test_an_item_that_takes_too_long_is_given_up():
    found = {item: reason for item, _, reason in Batch(misbehave, ["hang", "a"], 1, 4.0)}
    assert found == {"hang": "took longer than any submission may", "a": None}


def test_a_number_of_workers_below_one_is_refused():
    with pytest.raises(ValueError, match="num_workers must be at least 1, got 0"):
        Batch(double, [1], 0, FOREVER_S)


def test_workers_die_with_a_process_that_is_killed(tmp_path: Path):
    script = (
        "from pathlib import Path; from tests.grading.work import wait;"
        "from mlsys_lib.grading.workers import Batch;"
        f"list(Batch(wait, [Path({str(tmp_path)!r})] * 2, 2, 300.0))"
    )
    root = Path(__file__).parents[2]
    starter = subprocess.Popen([sys.executable, "-c", script], cwd=root)
    try:
        until(lambda: len(list(tmp_path.iterdir())) == 2)
    finally:
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    workers = [int(path.name) for path in tmp_path.iterdir()]
    until(lambda: not any(alive(pid) for pid in workers))


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition, patience_s: float = 60.0) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
