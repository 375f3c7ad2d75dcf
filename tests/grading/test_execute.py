import json

import nbformat
import pytest
from nbgrader.utils import determine_grade

from mlsys_lib.grading.context import Context
from mlsys_lib.grading.execute import grade_submission
from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.verdict import Verdict
from tests.grading.fake_sandbox import FakeOutcome, FakeSandbox
from tests.grading.notebooks import (
    CONTEXT,
    GOOD,
    SECRET,
    answer,
    answered,
    cell_of,
    good,
    own,
    released,
    source,
    test_cell,
    write,
)


def grade(folder, book, *, using=None, sandbox=FakeSandbox, private=None, context=CONTEXT):
    path = write(folder, book)
    return grade_submission(path, using or source(), context, sandbox, private)


def question(verdict, name):
    return next(q for q in verdict.questions if q.grade_id == name)


def points(verdict):
    return {q.grade_id: q.points for q in verdict.questions}


def hidden_numbers():
    """The hidden inputs of `double` and what they give: no student may read them."""
    drawn = CONTEXT.rng("double").integers(1_000_000, 9_000_000, size=3).tolist()
    return [str(n) for n in drawn] + [str(2 * n) for n in drawn] + [str(n * n) for n in drawn]


def visible(verdict):
    """Everything that a student is shown."""
    texts = [verdict.reason, verdict.status]
    for q in verdict.questions:
        texts += [q.message, q.output, q.cell]
    return "\n".join(texts)


def test_right_answers_get_all_points_and_the_text_waits_for_a_person(tmp_path):
    found = grade(tmp_path, good())
    assert points(found) == {
        "double_public": 1, "double_hidden": 2, "total_hidden": 3, "why_manual": None
    }  # fmt: skip
    assert found.status == "needs_manual_grade" and found.pending
    assert found.reason == "" and found.notes == () and len(found.digest) == 64
    assert [q.exercise for q in found.questions] == ["double", "double", "total", "why"]
    assert [q.kind for q in found.questions] == ["public", "hidden", "hidden", "manual"]


def test_a_notebook_as_released_gets_nothing_and_is_told_so(tmp_path):
    found = grade(tmp_path, released())
    assert set(points(found).values()) == {0.0} and found.status == "graded"
    assert {q.message for q in found.questions} == {"Not answered: the cell is as it was released."}


def test_a_stub_that_raises_outside_of_a_function_is_not_the_students_error(tmp_path):
    cells = [
        answer("rounds", "### BEGIN SOLUTION\nrounds = 3\n### END SOLUTION\n"),
        test_cell("rounds", "hidden", "assert rounds == 3"),
        answer("next", "### BEGIN SOLUTION\nnext_one = 3\n### END SOLUTION\n"),
        test_cell("next", "hidden", "assert next_one == 3"),
    ]
    book = answered({"next": "next_one = 3"}, source(*cells))
    found = grade(tmp_path, book, using=source(*cells))
    assert found.status == "graded" and points(found) == {"rounds_hidden": 0, "next_hidden": 2}
    assert question(found, "rounds_hidden").message.startswith("Not answered")


def test_a_wrong_answer_gets_the_authors_words_and_no_hidden_number(tmp_path):
    found = grade(tmp_path, good(double="def double(x):\n    return x * x\n"))
    assert points(found) | {"why_manual": 0} == {
        "double_public": 0, "double_hidden": 0, "total_hidden": 3, "why_manual": 0
    }  # fmt: skip
    assert question(found, "double_public").message.endswith("hint: Twice, not squared.")
    assert question(found, "double_hidden").message == "Doubling must work for any integer."
    assert not [number for number in hidden_numbers() if number in visible(found)]


LEAKS = [
    "def double(x):\n    print(x)\n    return 0\n",
    "def double(x):\n    raise ValueError(str(x))\n",
    "def double(x):\n    raise type(f'E{x}', (Exception,), {})(x)\n",
    "def double(x):\n    exec('\\n' * (x - 1) + 'raise KeyError(1)')\n",
]


@pytest.mark.parametrize("leak", LEAKS)
def test_what_a_function_prints_or_raises_with_hidden_inputs_is_not_repeated(tmp_path, leak):
    found = grade(tmp_path, good(double=leak))
    assert points(found)["double_hidden"] == 0
    assert not [number for number in hidden_numbers() if number in visible(found)]


def keeping_what_it_sees():
    """A student who stores hidden inputs, and says them where all is shown."""
    keep = "seen = []\ndef double(x):\n    seen.append(x)\n    return 2 * x\n"
    say = "def total(x):\n    print(seen)\n    raise ValueError(str(seen))\nprint(seen)\n"
    book = good(double=keep, total=say)
    book["cells"].append(own("print(seen)\nraise ValueError(str(seen))"))
    moved = cell_of(book, "double_public")  # behind all others
    book["cells"].remove(moved)
    book["cells"].append(moved)
    return book


def test_code_that_has_seen_hidden_inputs_has_nothing_left_to_say(tmp_path):
    public = test_cell("total", "public", "import numpy as np\ntotal(np.ones(1))", points=1)
    cells = source().cells
    for position in range(len(cells) + 1):
        using = source(*cells[:position], public, *cells[position:])
        book = keeping_what_it_sees()
        book["cells"].append(cell_of(released(using), "total_public"))
        path = write(tmp_path, book)
        found = grade_submission(path, using, CONTEXT, FakeSandbox)
        assert not [number for number in hidden_numbers() if number in visible(found)]
        printed = [c.get("outputs") for c in found.notebook["cells"] if name_of_test(c) is None]
        assert not [number for number in hidden_numbers() if number in json.dumps(printed)]
        assert question(found, "total_public").message.startswith("Your code raised ValueError: [")


def name_of_test(cell):
    claims = cell["metadata"].get("nbgrader", {})
    return claims.get("grade_id") if claims.get("grade") else None


def test_a_place_that_is_not_in_the_notebook_is_not_repeated(tmp_path):
    class Lying(FakeSandbox):
        def value(self, name):
            def function(x):
                raise StudentFault("student_error", "KeyError", "", x if x > 9 else 1, self.cell)

            return function

    for cell in ("double", f"cell {hidden_numbers()[0]}"):
        Lying.cell = cell
        found = question(grade(tmp_path, good(), sandbox=Lying), "double_hidden")
        assert (found.line, found.cell) == (None, "")
        assert found.message.startswith("Your code raised an exception.")


def test_what_is_printed_is_shown_for_a_public_test_only(tmp_path):
    found = grade(tmp_path, good(double="def double(x):\n    print('at', x)\n    return 2 * x\n"))
    assert question(found, "double_public").output == "at 3\n"
    assert question(found, "double_hidden").output == ""
    assert points(found)["double_public"] == 1 and points(found)["double_hidden"] == 2


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("def double(x) return x", "SyntaxError", 1),
        (
            "import os\nimport nowhere_to_be_found\ndef double(x):\n    pass",
            "ModuleNotFoundError",
            2,
        ),
        ("\n\nraise ValueError('12345')\ndouble = 3", "ValueError", 3),
    ],
)
def test_a_cell_that_fails_costs_its_own_questions_and_names_its_line(tmp_path, text, kind, line):
    found = grade(tmp_path, good(double=text))
    assert found.status == "student_error"
    assert found.reason == f"double raised {kind} at line {line}"
    failed = question(found, "double_hidden")
    assert (failed.status, failed.cell, failed.line) == ("student_error", "double", line)
    assert failed.message == f"`double` is not defined: its cell raised {kind} at line {line}."
    assert points(found)["total_hidden"] == 3


def test_a_name_that_nothing_defines_is_said_to_be_undefined(tmp_path):
    found = grade(tmp_path, good(double="def twice(x):\n    return 2 * x\n"))
    assert question(found, "double_hidden").message == "`double` is not defined."
    assert question(found, "double_hidden").status == "student_error"


def test_the_cell_that_would_have_defined_a_name_is_blamed_and_not_one_that_used_it(tmp_path):
    book = good(double="def double(x) return x")
    book["cells"].append(own("print(double(3))"))
    book["cells"].append(own("total == double(4)"))
    book["cells"] = [*book["cells"][:2], *book["cells"][-2:], *book["cells"][2:-2]]
    found = grade(tmp_path, book)
    assert question(found, "double_hidden").cell == "double"
    assert "cell 3 raised NameError at line 1" in found.reason


def test_a_broken_cell_of_no_question_costs_nothing_but_shows(tmp_path):
    book = good()
    book["cells"].append(own("1 / 0"))
    found = grade(tmp_path, book)
    assert found.status == "student_error" and found.points == 6
    assert found.reason == "cell 10 raised ZeroDivisionError at line 1"


@pytest.mark.parametrize("status", ["timeout", "memory", "died"])
def test_the_status_of_a_stopped_cell_is_that_of_its_questions(tmp_path, status):
    class Stopping(FakeSandbox):
        def run_cell(self, text, name):
            if name == "total":
                return FakeOutcome(status, "", StudentFault(status, status, "stopped", None, name))
            return super().run_cell(text, name)

    found = grade(tmp_path, good(), sandbox=Stopping)
    assert found.status == status and question(found, "total_hidden").status == status
    assert points(found)["double_hidden"] == 2 and points(found)["total_hidden"] == 0


def test_a_cell_that_was_stopped_does_not_take_its_time_twice(tmp_path):
    runs = []

    class Stopping(FakeSandbox):
        def run_cell(self, text, name):
            runs.append(name)
            if name == "total":
                return FakeOutcome("timeout", "", StudentFault("timeout", "timeout", "10 s"))
            return super().run_cell(text, name)

    grade(tmp_path, good(), sandbox=Stopping)
    assert runs == ["double", "total", "double"]


def test_student_cells_run_in_the_students_order_and_tests_never_enter(tmp_path):
    book = good()
    book["cells"].insert(0, own("first = 1"))
    made = []

    def factory():
        made.append(FakeSandbox())
        return made[-1]

    grade(tmp_path, book, sandbox=factory)
    (sandbox,) = made
    cells = ["cell 1", "double", "total"]
    assert [name for name, _ in sandbox.ran] == [*cells, "restart", *cells]
    entered = json.dumps(sandbox.ran)
    assert "secret_rng" not in entered and "expect" not in entered and "SOLUTION" not in entered


def test_a_tampered_submission_is_graded_as_if_it_were_not_and_says_what_was_restored(tmp_path):
    book = good(double="x = 1")
    cell_of(book, "double_hidden")["source"] = "pass"
    cell_of(book, "double_public")["metadata"]["nbgrader"]["points"] = 1000
    found = grade(tmp_path, book)
    assert found.status == "tampered"
    assert found.reason == "restored: double_public, double_hidden"
    assert found.tampered == ("double_public", "double_hidden")
    assert found.points == 3 and question(found, "double_public").max_points == 1


def test_an_invalid_file_has_a_reason_and_no_mark(tmp_path):
    found = grade(tmp_path, "{")
    assert found == Verdict(
        "sums", "ada", "invalid", "the file ends in the middle (not JSON: line 1)",
        digest=found.digest,
    )  # fmt: skip
    assert found.points is None and found.pending and len(found.digest) == 64


def test_no_sandbox_is_started_for_a_file_that_cannot_be_graded(tmp_path):
    assert grade(tmp_path, "", sandbox=None).status == "invalid"


BOOKS = {
    "right": good(),
    "as released": released(),
    "wrong": good(double="def double(x):\n    return x\n", total="def total(x):\n    return 0.0\n"),
    "broken": good(double="def double(x) return", total="raise ValueError('<b>\\x1b[2J')"),
    "noisy": good(double="import sys\ndef double(x):\n    print(x); return 2 * x\n"),
    "blank text": good(why_manual="  "),
    "shown value": good(total=GOOD["total"] + "1000\n"),
}


@pytest.mark.parametrize("name", BOOKS)
def test_nbgrader_reads_our_points_from_the_outputs_we_write(tmp_path, name):
    found = grade(tmp_path, BOOKS[name])
    book = nbformat.from_dict(found.notebook)
    nbformat.validate(book)
    for q in found.questions:
        assert determine_grade(cell_of(book, q.grade_id)) == (q.points, q.max_points)


def test_the_verdict_of_every_kind_of_submission_survives_its_file(tmp_path):
    for book in [*BOOKS.values(), "{"]:
        found = grade(tmp_path, book)
        assert Verdict.from_json(found.to_json()) == found


def test_the_clean_notebook_holds_the_outputs_of_the_students_cells(tmp_path):
    book = good(double="print('\\x1b[31mhello')\n" + GOOD["double"], total="1 / 0")
    cells = grade(tmp_path, book).notebook
    assert cell_of(cells, "double")["outputs"] == [
        {"output_type": "stream", "name": "stdout", "text": "hello\n"}
    ]
    (error,) = cell_of(cells, "total")["outputs"]
    assert error["output_type"] == "error" and error["ename"] == "ZeroDivisionError"


def test_two_students_get_different_hidden_inputs_and_the_same_student_the_same(tmp_path):
    seen = []
    keep = (
        "import builtins\ndef double(x):\n    builtins.seen_by_test.append(x)\n    return 2 * x\n"
    )
    import builtins

    builtins.seen_by_test = seen  # the fake runs in this process
    try:
        for student in ("ada", "ada", "bob"):
            grade(tmp_path, good(double=keep), context=Context("sums", student, SECRET))
        grade(tmp_path, good(double=keep), context=Context("sums", "ada", bytes(32)))
    finally:
        del builtins.seen_by_test
    ada, again, bob, other_course = (seen[i : i + 4] for i in range(0, 16, 4))
    assert ada == again and ada[0] == bob[0] == 3
    assert not set(ada[1:]) & set(bob[1:]) and not set(ada[1:]) & set(other_course[1:])


def test_the_instructors_private_test_runs_after_the_test_cell_and_is_hidden(tmp_path):
    folder = tmp_path / "private" / "sums"
    folder.mkdir(parents=True)
    text = "'''Negative numbers too.'''\nassert double(-12345) == -24690, 12345"
    (folder / "double_public.py").write_text(text, encoding="utf-8")
    wrong = good(double="def double(x):\n    return 2 * abs(x)\n")
    found = grade(tmp_path, wrong, private=folder.parent)
    assert points(found)["double_public"] == 0 and points(found)["double_hidden"] == 2
    assert question(found, "double_public").message == "Negative numbers too."
    assert points(grade(tmp_path, good(), private=folder.parent))["double_public"] == 1


def test_output_during_a_private_test_is_not_shown(tmp_path):
    folder = tmp_path / "private" / "sums"
    folder.mkdir(parents=True)
    (folder / "double_public.py").write_text("assert double(12345) == 24690", encoding="utf-8")
    printing = good(double="def double(x):\n    print(x)\n    return 2 * x\n")
    assert "12345" not in visible(grade(tmp_path, printing, private=folder.parent))


def test_a_fault_of_the_authors_test_is_told_to_the_instructor(tmp_path):
    cells = [answer("double", DOUBLE_STUB), test_cell("double", "hidden", "'''A.'''\ndouble.x")]
    found = grade(
        tmp_path, answered({"double": GOOD["double"]}, source(*cells)), using=source(*cells)
    )
    assert found.notes[0].startswith("double_hidden: the test raised AttributeError at line 2")
    assert found.points == 0 and "AttributeError" not in visible(found)


DOUBLE_STUB = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n"


def test_output_is_cut(tmp_path):
    noisy = good(double="def double(x):\n    print('x' * 10**6)\n    return 2 * x\n")
    found = grade(tmp_path, noisy)
    assert 2**16 < len(question(found, "double_public").output) < 2**16 + 100


def test_a_value_that_has_seen_hidden_inputs_is_not_told_in_a_hint(tmp_path):
    hint = "from mlsys_lib.grading import expect\nexpect(False, hint=f'you are {STUDENT}')"
    using = source(*source().cells, test_cell("who", "hidden", hint))
    keep = "def double(x):\n    global STUDENT\n    STUDENT = str(x)\n    return 2 * x\n"
    book = answered({"double": keep}, using)
    book["cells"].insert(0, own("STUDENT = 'ada'"))
    found = grade(tmp_path, book, using=using)
    assert question(found, "who_hidden").message == "you are 3"  # of the public test
