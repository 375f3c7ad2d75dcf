import nbformat
import pytest

from mlsys_lib.grading.authoring import exercises_of, problems_of, released_notebook
from mlsys_lib.grading.sandbox import NoSandboxError
from mlsys_lib.grading.verify import verify
from tests.grading.notebooks import (
    DOUBLE,
    answer,
    given,
    manual,
    released,
    source,
    test_cell,
)

STUB = "    ### BEGIN SOLUTION\n    return {}\n    ### END SOLUTION\n"
DRAWN = """'''Any number.'''
### BEGIN HIDDEN TESTS
from mlsys_lib.grading import expect_equal, secret_rng
x = int(secret_rng({name!r}).integers(10**9))
expect_equal({name}(x), {expected})
### END HIDDEN TESTS
"""


def exercise(name, body, expected, public="", **changes):
    """Cells of an exercise: `name(x)` is `body`, and should be `expected`."""
    hidden = changes.get("hidden", DRAWN.format(name=name, expected=expected))
    return [
        answer(name, f"def {name}(x):\n" + changes.get("stub", STUB.format(body))),
        test_cell(name, "public", public or f"assert {name}(1) is not None", points=1),
        test_cell(name, "hidden", hidden),
    ]


def folder_with(tmp_path, cells, mistakes):
    topic = tmp_path / "exercises" / "sums"
    for exercise_name, texts in mistakes.items():
        folder = topic / "wrong" / exercise_name
        folder.mkdir(parents=True)
        for number, text in enumerate(texts):
            (folder / f"mistake_{number}.py").write_text(text, encoding="utf-8")
    nbformat.write(source(*cells), topic / "small.ipynb")
    return topic.parent


def wrong(name, *bodies):
    return [f'"""Returns {b}."""\n\n\ndef {name}(x):\n    return {b}\n' for b in bodies]


def test_exercises_that_hold_pass_and_are_counted(tmp_path, sandbox_user):
    cells = [*exercise("twice", "2 * x", "2 * x"), manual("why")]
    folder = folder_with(tmp_path, cells, {"twice": wrong("twice", "x", "None", "2 * x + 1")})
    report = verify(folder, user=sandbox_user)
    assert report.passed, report
    assert str(report).splitlines() == [
        "ok   small twice: 3 points, 3 mistakes",
        "ok   small why: marked by a person",
        "all exercises hold",
    ]


def test_every_way_in_which_an_exercise_does_not_hold_is_found(tmp_path, sandbox_user):
    fixed = "'''Seven.'''\nfrom mlsys_lib.grading import secret_rng\nassert fixed(7) == 14"
    cells = [
        *exercise("generous", "2 * x", "2 * x", stub="    return 2 * x\n" + STUB.format(0)),
        *exercise("unfair", "3 * x", "2 * x"),
        *exercise("blind", "2 * x", "2 * x"),
        *exercise("fixed", "2 * x", "2 * x", hidden=fixed),
        *exercise("clumsy", "[x]", "[x]", public="clumsy(1)[0]"),
        *exercise("leaning", "blind(x)", "2 * x"),
    ]
    mistakes = {
        "generous": wrong("generous", "x", "1", "None"),
        "unfair": wrong("unfair", "x", "1", "None"),
        "blind": wrong("blind", "x", "x * 2", "None"),
        "fixed": wrong("fixed", "x", "14 if x == 7 else 0", "None"),
        "clumsy": wrong("clumsy", "[]", "[2]", "[1, 2]"),
        "leaning": wrong("leaning", "x", "1", "None"),
    }
    report = verify(folder_with(tmp_path, cells, mistakes), user=sandbox_user)
    assert not report.passed
    assert report.problems == [
        "small: the stub gets points for generous_public",
        "small: the stub gets points for generous_hidden",
        "small: the solution fails unfair_hidden",
        "small: the solution fails unfair_hidden",
        "small: the mistake blind/mistake_0 also fails leaning_hidden",
        "small: the mistake blind/mistake_1 loses no points",
        "small: the mistake blind/mistake_2 also fails leaning_public",
        "small: the mistake blind/mistake_2 also fails leaning_hidden",
        "small: fixed_hidden sends the same inputs under another secret",
        "small: the mistake fixed/mistake_1 loses no points",
        "small: the mistake clumsy/mistake_0: clumsy_public: the test raised IndexError at line 1: "
        "list index out of range",
    ]
    assert [line[:4] for line in report.lines] == ["FAIL"] * 5 + ["ok  "]


def test_three_mistakes_are_needed_and_each_says_what_it_is(tmp_path, sandbox_user):
    texts = {"twice": [*wrong("twice", "x"), "def twice(x):\n    return 0\n"]}
    folder = folder_with(tmp_path, exercise("twice", "2 * x", "2 * x"), texts)
    assert verify(folder, user=sandbox_user).problems == [
        "small: wrong/twice/ must hold 3 wrong answers, got 2",
        "small: twice/mistake_1.py must begin with a docstring: which mistake it makes",
    ]


def test_a_folder_without_notebooks_is_an_error(tmp_path, sandbox_user):
    with pytest.raises(ValueError, match="folder must hold"):
        verify(tmp_path, user=sandbox_user)


def test_without_a_sandbox_nothing_is_proved(tmp_path):
    with pytest.raises(NoSandboxError):
        verify(tmp_path, user="no such user")


# -- what can be read off a notebook --------------------------------------------------------------
def test_the_small_assignment_has_no_problems_but_a_missing_public_test():
    assert problems_of(source()) == ["total has no public test"]
    names = [(e.name, len(e.answers), len(e.tests)) for e in exercises_of(source())]
    assert names == [("double", 1, 2), ("total", 1, 1), ("why", 0, 0)]


def test_the_released_notebook_is_the_one_of_nbgraders_own_steps():
    texts = [cell["source"] for cell in released()["cells"]]
    assert [cell["source"] for cell in released_notebook(source())["cells"]] == texts


PROBLEMS = [
    ({"hidden": "'''Told.'''\nassert f(3) == 6"}, "f_hidden must draw its inputs from secret_rng"),
    ({"hidden": "secret_rng('x')\nassert f(3)"}, "f_hidden must begin with a docstring"),
    ({"hidden": "'''Told.'''\ndef ("}, "f_hidden does not compile"),
    ({"public": "assert f(1) == oracle(1)"}, "f_public uses `oracle` of the cell helpers"),
    ({"stub": "    return 2 * x\n"}, "f: its solution must stand between"),
]


@pytest.mark.parametrize(("changes", "problem"), PROBLEMS)
def test_what_can_be_read_off_a_notebook_is_found_without_running_it(changes, problem):
    helpers = given("helpers", "def oracle(x):\n    return 2 * x\n")
    found = problems_of(source(helpers, *exercise("f", "2 * x", "2 * x", **changes)))
    assert len(found) == 1 and found[0].startswith(problem)


def test_a_line_of_a_solution_in_a_stored_output_is_found():
    cell = given("helpers", "1")
    cell.outputs = [{"output_type": "stream", "name": "stdout", "text": "    total = x + x"}]
    problems = problems_of(source(cell, answer("double", DOUBLE)))
    assert "students would get a line of a solution or hidden test: 'total = x + x'" in problems
