import random
import signal
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import mlsys_lib.grading
from mlsys_lib.grading import testcell
from mlsys_lib.grading.context import current
from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.sandbox import NoSandboxError, require_sandbox
from mlsys_lib.grading.testcell import AnswerMissing, TestCell, names_needed
from tests.grading.notebooks import CONTEXT


class Answers:
    """A student whose values are in a dict; exceptions among them are raised."""

    def __init__(self, **values):
        self.values = values
        self.asked = []

    def value(self, name):
        self.asked.append(name)
        if isinstance(self.values[name], Exception):
            raise self.values[name]
        return self.values[name]

    def known(self, fault):
        return fault


def run(source, *, hidden=False, **values):
    return TestCell(source, "ring_test", hidden).run(CONTEXT, Answers(**values))


NAMES = [
    ("f(x)", {"f", "x"}),
    ("import math\nmath.pi + y", {"y"}),
    ("from a.b import c as d\nd, c", {"c"}),
    ("x = 1\nx", set()),
    ("for i in range(n): i", {"n"}),
    ("[i for i in xs if i > low]", {"xs", "low"}),
    ("[k := i for i in xs]\nk", {"xs"}),
    ("lambda a, b=c: a + b + d", {"c", "d"}),
    ("def g(a):\n    global h\n    h = f(a)\n    return lambda: (a, k)\ng(1), h", {"f", "k"}),
    ("class A(B):\n    c = d\n    def m(self): return e, A", {"B", "d", "e"}),
    ("try:\n    f()\nexcept E as error:\n    print(error)", {"f", "E"}),
    ("with f() as x:\n    x", {"f"}),
    ("@wrap\ndef g(): ...", {"wrap"}),
    ("x.y = 1\nz[0] = w", {"x", "z", "w"}),
    ("len(a), print, ValueError, __name__", {"a"}),
    ("check('f', f)\nexpect_equal(on_ranks(g, 3), h)", {"f", "g", "h"}),
    ("'f'", set()),
    ("match p:\n    case [q, *r]: q, r, s", {"p", "s"}),
    ("f'{x}'", {"x"}),
]


@pytest.mark.parametrize(("source", "expected"), NAMES)
def test_the_names_of_the_student_are_those_that_nobody_else_defines(source, expected):
    assert set(names_needed(source)) == expected


def test_a_test_that_passes_has_no_failure():
    assert run("assert f(2) == 4", f=lambda x: 2 * x) is None


def test_what_a_student_calls_like_pythons_own_is_never_asked_for():
    student = Answers(f=[1, 2], len=lambda x: 2, check=None, expect_equal=None)
    source = "from mlsys_lib.grading import expect_equal\nexpect_equal(len(f), 2)"
    assert TestCell(source, "t", hidden=True).run(CONTEXT, student) is None
    assert student.asked == ["f"]


@pytest.mark.parametrize("name", mlsys_lib.grading.__all__)
def test_the_graders_own_names_are_there_without_an_import_and_never_the_students(name):
    student = Answers(**{name: None})
    source = f"import mlsys_lib.grading\nassert {name} is mlsys_lib.grading.{name}"
    assert TestCell(source, "t", hidden=True).run(CONTEXT, student) is None
    assert student.asked == []


def test_each_test_has_a_namespace_of_its_own():
    assert run("import math\nx = 1") is None
    assert run("assert 'x' not in globals() and 'math' not in globals()") is None
    assert run("assert __name__ != '__main__'") is None


def test_the_context_is_there_during_the_test_and_not_after():
    assert (
        run("from mlsys_lib.grading.context import current\nassert current().student == 'ada'")
        is None
    )
    assert current() is None


def test_unseeded_draws_are_the_same_at_each_run_and_differ_between_tests():
    source = "import random, numpy as np\nf.append((random.random(), np.random.random()))"
    drawn = []
    for name in ("one", "one", "two"):
        random.seed()
        np.random.seed()  # noqa: NPY002
        assert TestCell(source, name, hidden=True).run(CONTEXT, Answers(f=drawn)) is None
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_a_test_prints_or_warns_of_goes_nowhere(capfd, recwarn):
    before = list(warnings.filters)
    source = "import sys, warnings\nprint(1)\nprint(2, file=sys.stderr)\nwarnings.warn('x')"
    assert run(source) is None
    assert capfd.readouterr() == ("", "") and not recwarn.list
    assert warnings.filters == before


MISMATCH = """'''What the author says.'''
from mlsys_lib.grading import expect_equal
expect_equal(f, 7, given='x = 12345', hint='Count again.')
"""


def test_a_public_mismatch_tells_all():
    failure = run(MISMATCH, f=8)
    assert failure.message == "given: x = 12345\nexpected: 7\ngot: 8\nhint: Count again."
    assert failure.status == "graded" and failure.note == ""


def test_a_hidden_mismatch_tells_the_hint_alone():
    assert run(MISMATCH, hidden=True, f=8).message == "Count again."


def test_without_a_hint_a_hidden_mismatch_tells_the_docstring():
    without = MISMATCH.replace("Count again.", "")
    assert run(without, hidden=True, f=8).message == "What the author says."
    assert run("assert f == 7, f", hidden=True, f=8).message == "A hidden test failed."


def test_a_plain_assertion_tells_its_message_only_if_public():
    source = "'''Author.'''\nassert f == 7, f'12345 gives {f}'"
    assert run(source, f=8).message == "12345 gives 8"
    assert run(source, hidden=True, f=8).message == "Author."
    assert run("assert f == 7", f=8).message == "This test failed."


def raising(*fault):
    def function(x):
        raise StudentFault(*fault)

    return function


FAULT = ("student_error", "ValueError", "x was 12345", 3, "ring")


def test_a_public_fault_tells_kind_message_and_place():
    failure = run("f(12345)", f=raising(*FAULT))
    assert failure.message == "Your code raised ValueError: x was 12345 (line 3 of ring)"
    assert (failure.status, failure.cell, failure.line) == ("student_error", "ring", 3)


def test_a_hidden_fault_tells_neither_message_nor_kind_nor_line():
    source = "'''Author.'''\nf(12345)"
    failure = run(source, hidden=True, f=raising(*FAULT))
    assert failure.message == "Your code raised an exception.\nAuthor."
    assert (failure.cell, failure.line) == ("", None)  # a line can be chosen to spell a number


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("timeout", "was stopped at the time limit"),
        ("memory", "was stopped at the memory limit"),
        ("died", "ended its process"),
    ],
)
def test_the_other_faults_have_words_of_their_own(status, words):
    fault = (status, status, "12345 s")
    assert run("f(1)", f=raising(*fault)).message == f"Your code {words}: 12345 s"
    hidden = run("'''Author.'''\nf(1)", hidden=True, f=raising(*fault))
    assert hidden.message == f"Your code {words}.\nAuthor." and hidden.status == status


def test_a_value_that_cannot_be_fetched_is_the_students_fault():
    failure = run("assert f is None", f=StudentFault("student_error", "TypeError", "not plain"))
    assert failure.message == "Your code raised TypeError: not plain"


def test_a_missing_answer_is_told_in_the_graders_words_in_hidden_tests_too():
    missing = AnswerMissing("student_error", "NameError", "`f` is not defined.")
    assert run("f", hidden=True, f=missing).message == "`f` is not defined."


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("'''Author.'''\nx = 1\nf[7]", " at line 3: list index out of range"),
        ("'''Author.'''\nundefined_here = f\nf.nothing(12345)", " at line 3: "),
        ("'''Author.'''\nraise RuntimeError('no')", " at line 2: no"),
    ],
)
def test_a_test_that_cannot_cope_gives_no_points_and_tells_the_instructor(source, at):
    hidden, public = run(source, hidden=True, f=[1]), run(source, f=[1])
    assert hidden.status == public.status == "graded"
    assert hidden.message == "Author."
    assert public.message.startswith("The test could not use what you returned (")
    assert hidden.note.startswith("ring_test: the test raised ") and at in hidden.note


def test_a_test_that_does_not_compile_tells_the_instructor():
    failure = run("def (", hidden=True)
    assert failure.message == "A hidden test failed." and "SyntaxError" in failure.note


def test_messages_are_cut_and_without_control_sequences():
    failure = run("assert False, f", f="\x1b[2J" + "x" * 10**6)
    assert len(failure.message) < 5_000 and "\x1b" not in failure.message
    failure = run("f(1)", f=raising("student_error", "E", "\x1b[2J" + "x" * 10**6))
    assert len(failure.message) < 5_000 and "\x1b" not in failure.message


def test_an_interrupt_of_the_grader_is_not_swallowed():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("f(1)", f=interrupted)
    assert sys.stdout is not None and current() is None


def test_a_test_that_computes_as_long_as_an_answer_says_is_stopped(monkeypatch):
    monkeypatch.setattr(testcell, "CPU_S", 0.05)
    source = "try:\n    for _ in range(f): pass\nexcept Exception: pass"
    failure = run(source, f=10**15)
    assert failure.status == "timeout" and "took too long" in failure.message
    assert failure.note.startswith("ring_test: the test itself was stopped")
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_the_time_in_the_sandbox_is_not_the_tests_own(monkeypatch):
    monkeypatch.setattr(testcell, "CPU_S", 0.2)
    assert run("f(1)", f=lambda x: time.sleep(0.3)) is None


def test_in_another_thread_tests_run_without_that_limit():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, "assert f == 1", f=1).result() is None


def test_a_sandbox_that_cannot_work_is_nobodys_wrong_answer():
    class Broken(Answers):
        def value(self, name):
            require_sandbox("no such user")

    with pytest.raises(NoSandboxError):
        TestCell("f(1)", "t", hidden=True).run(CONTEXT, Broken())
