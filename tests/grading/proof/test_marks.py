"""Cases 1 to 4: what right, wrong and broken answers get, and what nobody gets to see."""

import json

import nbformat
import pytest
from nbgrader.utils import determine_grade

from tests.grading.notebooks import answer, cell_of, good, own, released, source, test_cell
from tests.grading.proof.looks import (
    FULL,
    NO_DOUBLE,
    hidden_numbers,
    points,
    printed,
    question,
    visible,
)


def test_right_answers_get_full_marks_and_a_text_waits_for_a_person(grade):
    found = grade(good())
    assert points(found) == FULL and found.status == "needs_manual_grade" and found.pending
    assert found.reason == "" and found.notes == () and found.tampered == ()


def test_a_notebook_as_released_gets_nothing(grade):
    found = grade(released())
    assert set(points(found).values()) == {0} and found.status == "graded"


def test_a_wrong_answer_gets_the_authors_words_and_no_hidden_value(grade):
    found = grade(good(double="def double(x):\n    print('saw', x)\n    return x * x\n"))
    assert points(found) == NO_DOUBLE
    assert question(found, "double_public").message.endswith("hint: Twice, not squared.")
    assert question(found, "double_hidden").message == "Doubling must work for any integer."
    assert f"saw {hidden_numbers()[0]}" in printed(found, "double_hidden")  # it did see them
    assert not [number for number in hidden_numbers() if number in visible(found)]


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("def double(x):\n    return 2 * x\ndef (", "SyntaxError", 3),
        ("import numpy\nimport no_such_module\ndef double(x): ...", "ModuleNotFoundError", 2),
        ("x = 1\n\nraise RuntimeError('at import')\ndouble = 1", "RuntimeError", 3),
        ("def double(x):\n    return 2 * x\nimport sys\nsys.exit()", None, 4),
        ("import os\ndouble = os\n", None, None),
        ("\x00", None, None),
        ("def double(x):\n    return 2 * x" + ")" * 10_000, "SyntaxError", 2),
    ],
)
def test_a_broken_cell_is_the_students_error_with_its_line_and_the_next_counts(
    grade, text, kind, line
):
    found = grade(good(double=text))
    assert found.status == "student_error" and points(found)["total_hidden"] == 3
    if kind is not None:
        assert question(found, "double_hidden").status == "student_error"
        assert question(found, "double_hidden").message.startswith(
            f"`double` is not defined: its cell raised {kind}"
        )
    if line is not None:
        assert f"double raised {kind or 'SystemExit'} at line {line}" in found.reason


def test_code_that_only_a_notebook_understands_is_left_out(grade):
    magic = "%matplotlib inline\nif True:\n    !pip list\ndef double(x):\n    return 2 * x\ndouble?"
    assert points(grade(good(double=magic))) == FULL


def test_nbgrader_gives_the_same_points(grade):
    for book in (good(), good(double="def double(x):\n    print(1)\n    return 3 * x\n")):
        found = grade(book)
        for q in found.questions:
            cell = cell_of(nbformat.from_dict(found.notebook), q.grade_id)
            assert determine_grade(cell) == (q.points, q.max_points)


WORD = "kept from students"
SPY = """
import gc, os, sys
import numpy as np
word = "kept from " + "students"
elsewhere = (sys.base_prefix, "/usr", "/sys", "/lib/", "/lib64", "/proc")  # Python, the system

def names_in(mapping):
    return [str(k) for k, v in list(mapping.items()) if type(v) is str and word in v]

def in_frames():
    frame, found = sys._getframe(), []
    while frame is not None:
        found += names_in(frame.f_locals) + names_in(frame.f_globals)
        found += [c for c in frame.f_code.co_consts if type(c) is str and word in c]
        frame = frame.f_back
    return found

def in_memory():
    return [n for thing in gc.get_objects() if type(thing) is dict for n in names_in(thing)]

def in_file(path):
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return word.encode() in os.read(descriptor, 1_000_000)
        finally:
            os.close(descriptor)
    except OSError:
        return False

def in_files():
    paths = [f"/proc/{p}/{f}" for p in os.listdir("/proc") if p.isdigit()
             for f in ("cmdline", "environ", "maps", "comm", "mountinfo", "status")]
    for folder, folders, files in os.walk("/"):
        if folder.startswith(elsewhere) or "numpy" in folders:  # other people's packages
            folders.clear()
        else:
            paths += [os.path.join(folder, name) for name in files]
    return len(paths), [path for path in paths if in_file(path)]

def double(x):
    looked_at, found = in_files()
    found += [n for n in in_frames() + in_memory() if n != "word"]
    print("LOOKED", looked_at > 20, found)
    return 2 * x
"""
PLANT = "\nwith open('/tmp/planted', 'w') as file:\n    file.write(word)\n"


def test_nothing_that_the_sandbox_shows_holds_a_solution_or_a_hidden_test(grade):
    solution = f"    ### BEGIN SOLUTION\n    return 2 * x  # {WORD}\n    ### END SOLUTION"
    tests = f"### BEGIN HIDDEN TESTS\nassert double(4) == 8, '{WORD}'\n### END HIDDEN TESTS"
    using = source(
        answer("double", f"def double(x):\n{solution}"),
        test_cell("double", "public", "assert double(3) == 6"),
        test_cell("double", "hidden", f"'''Told.'''\n{tests}"),
    )
    assert WORD not in json.dumps(released(using))
    # A planted file shows that the spy sees what there is to see.
    for plant, seen in (("", "[]"), (PLANT, "['/tmp/planted']")):
        book = released(using)
        cell_of(book, "double")["source"] = SPY + plant
        found = grade(book, using=using)
        assert printed(found, "double_public") == f"LOOKED True {seen}\n"
        assert printed(found, "double_hidden") == f"LOOKED True {seen}\n"
        assert found.points == 4


def test_a_students_cell_that_fails_in_another_place_names_that_place(grade):
    book = good()
    book["cells"].insert(0, own("print('fine')\n\nnothing_here"))
    found = grade(book)
    assert found.status == "student_error" and points(found) == FULL
    assert found.reason == "cell 1 raised NameError at line 3"
