import io
import sys
import time

import numpy as np
import pytest

from mlsys_lib.collectives import halving_doubling_all_reduce, ring_all_reduce, ring_reduce_scatter
from mlsys_lib.collectives.mistakes import whole_array_ring_all_reduce
from mlsys_lib.grading import check, progress
from mlsys_lib.grading.context import Context, grading
from mlsys_lib.grading.expect import Mismatch
from mlsys_lib.grading.faults import StudentFault

ALL_PASSED = "public tests passed (3 of 3; hidden tests run when your instructor grades)"


@pytest.fixture(autouse=True)
def record(tmp_path, monkeypatch):
    path = tmp_path / "progress.json"
    monkeypatch.setenv("MLSYS_PROGRESS", str(path))
    return path


def not_written(comm, x):
    raise NotImplementedError


def loud(comm, x):
    for i in range(100):
        print("line", i)
    print("to the side", file=sys.stderr)
    return ring_all_reduce(comm, x)


def failing_rank(comm, x):
    if comm.rank == 1:
        return x / comm.nothing  # the line that failed
    return ring_all_reduce(comm, x)


def leaving(comm, x):
    sys.exit("bye")


def leaving_alone(m, alpha_s, beta_s):
    sys.exit("bye")


def stuck(comm, x):
    comm.recv(x, (comm.rank + 1) % comm.world_size)


class OddError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def odd(m, alpha_s, beta_s):
    raise OddError


def report(capsys, name, *answers):
    assert check(name, *answers) is None
    return capsys.readouterr().out


def test_a_right_answer_gets_a_mark_per_test_and_the_last_line(capsys):
    lines = report(capsys, "ring_all_reduce", ring_all_reduce).splitlines()
    assert lines[0] == "Ring all-reduce (ring_all_reduce)"
    assert [line[:4] for line in lines[1:-1]] == ["  ✓ "] * 3
    assert lines[-1] == ALL_PASSED


def test_a_wrong_answer_is_told_given_expected_got_and_hint(capsys):
    text = report(capsys, "ring_all_reduce", whole_array_ring_all_reduce)
    assert text.splitlines()[-1] == "0 of 3 public tests passed"
    for words in (
        "✗ Four ranks",
        "given     4 rank(s), x of shape (8,)",
        "rank 0: x = [8., 2., 1., 2., 4., 8., 4., 0.]",
        "expected  384 bytes sent by all ranks together",
        "got       768, by rank [192, 192, 192, 192]",
        "hint      Count what each rank sends.",
    ):
        assert words in text


def test_an_exception_shows_its_rank_and_the_learners_own_line(capsys):
    text = report(capsys, "ring_all_reduce", failing_rank)
    line = failing_rank.__code__.co_firstlineno + 2
    assert "AttributeError: 'Communicator' object has no attribute 'nothing'" in text
    assert "on rank 1" in text
    assert f"in failing_rank, line {line}: return x / comm.nothing" in text
    assert "0 of 3 public tests passed" in text


def test_the_line_is_the_learners_when_the_library_raised(capsys):
    def wrong_buffer(comm, x):
        comm.send_recv(x, "no buffer", 0, 0)

    text = report(capsys, "ring_all_reduce", wrong_buffer)
    assert "TypeError: out must be" in text
    assert "in wrong_buffer, line" in text and 'comm.send_recv(x, "no buffer", 0, 0)' in text


def test_ranks_that_wait_for_each_other_are_told_who_waits_for_whom(capsys):
    text = report(capsys, "ring_all_reduce", stuck)
    assert "rank 0 waits to receive from rank 1" in text


@pytest.mark.parametrize(
    ("name", "answer"), [("ring_all_reduce", leaving), ("crossover_bytes", leaving_alone)]
)
def test_an_answer_that_exits_fails_and_the_notebook_goes_on(capsys, name, answer):
    assert "SystemExit: bye" in report(capsys, name, answer)


def test_an_exception_without_words_is_reported_all_the_same(capsys):
    assert "OddError" in report(capsys, "crossover_bytes", odd)


def test_an_answer_that_is_not_written_yet_is_neither_wrong_nor_tried(capsys, record):
    text = report(capsys, "ring_all_reduce", not_written)
    assert text.splitlines()[1:] == ["  not written yet", "0 of 3 public tests passed"]
    assert not record.exists()


def test_what_the_learner_prints_comes_after_the_report_and_is_cut(capsys):
    text = report(capsys, "ring_all_reduce", loud)
    after = text.split(ALL_PASSED)[1].splitlines()
    assert after[1] == "Your code printed:"
    assert after[2] == "  line 0"
    assert after[-1] == "  …"
    assert len(after) == 11


def test_a_flood_of_output_is_not_kept(capsys):
    def flood(m, alpha_s, beta_s):
        for _ in range(200):
            print("x" * 10_000)
        print("\n")

    text = report(capsys, "crossover_bytes", flood)
    assert len(text) < 3_000
    assert sum(line.startswith("  xxx") for line in text.splitlines()) == 1


def test_the_streams_are_given_back_when_a_check_is_interrupted(capsys):
    def interrupted(m, alpha_s, beta_s):
        raise KeyboardInterrupt

    before = sys.stdout, sys.stderr
    with pytest.raises(KeyboardInterrupt):
        check("crossover_bytes", interrupted)
    assert (sys.stdout, sys.stderr) == before


def test_marks_are_plain_where_the_console_has_no_others(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", console)
    check("ring_all_reduce", whole_array_ring_all_reduce)
    check("reduce_scatter", ring_reduce_scatter)
    console.flush()
    text = console.buffer.getvalue().decode("ascii")
    assert "[--] Four ranks" in text and "[ok] Two ranks" in text


def test_an_unknown_name_lists_names_that_are_near():
    with pytest.raises(ValueError, match="got 'ring_allreduce'; near it: 'ring_all_reduce'"):
        check("ring_allreduce", ring_all_reduce)
    with pytest.raises(TypeError, match="name must be the str that names an exercise"):
        check(ring_all_reduce)


def test_the_number_of_answers_is_that_of_the_exercise():
    with pytest.raises(TypeError, match=r"1 answer\(s\) \(ring_all_reduce\), got 0"):
        check("ring_all_reduce")
    with pytest.raises(TypeError, match=r"2 answer\(s\) \(read_timeline, student\), got 1"):
        check("read_a_timeline", len)


def test_a_check_is_noted_in_the_learners_record(capsys):
    check("ring_all_reduce", whole_array_ring_all_reduce)
    check("halving_doubling", halving_doubling_all_reduce)
    capsys.readouterr()
    progress()
    text = capsys.readouterr().out
    assert "tried, 0 of 3 Ring all-reduce" in text
    assert "done          Halving and doubling" in text


def test_a_check_takes_less_than_a_second(capsys):
    start_s = time.perf_counter()
    check("halving_doubling", halving_doubling_all_reduce)
    assert time.perf_counter() - start_s < 1.0


# -- under the grader ------------------------------------------------------------------------------
@pytest.fixture
def graded():
    with grading(Context("collectives", "ada", b"secret")):
        yield


@pytest.mark.usefixtures("graded")
def test_under_the_grader_a_check_is_silent_and_leaves_no_record(capsys, record):
    check("ring_all_reduce", ring_all_reduce)
    assert capsys.readouterr().out == ""
    assert not record.exists()


@pytest.mark.usefixtures("graded")
def test_under_the_grader_the_first_failing_test_raises():
    with pytest.raises(Mismatch) as caught:
        check("ring_all_reduce", whole_array_ring_all_reduce)
    assert "bytes sent" in caught.value.expected


@pytest.mark.usefixtures("graded")
def test_under_the_grader_a_students_fault_passes_through():
    fault = StudentFault("timeout", "timeout", "")

    def faulty(*args):
        raise fault

    with pytest.raises(StudentFault) as caught:
        check("crossover_bytes", faulty)
    assert caught.value is fault


def test_an_answer_of_another_type_fails_and_does_not_end_the_check(capsys):
    for answer in (lambda log: None, lambda log: {"rounds": np.int64(3)}, lambda log: [1, 2, 3]):
        assert "0 of 4 public tests passed" in report(capsys, "read_a_timeline", answer, "ada")


def test_nbgraders_own_autograder_is_refused_and_its_validate_button_sees_a_failure(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(RuntimeError, match="mlsys-grade grade"):
        check("ring_all_reduce", ring_all_reduce)
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    check("ring_all_reduce", ring_all_reduce)
    with pytest.raises(Mismatch):
        check("ring_all_reduce", whole_array_ring_all_reduce)
