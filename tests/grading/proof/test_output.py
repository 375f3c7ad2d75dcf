"""Case 14: a gigabyte of output, a million small writes, and output that is an attack on a page."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from mlsys_lib.grading.course import Course
from mlsys_lib.grading.feedback import write_feedback
from mlsys_lib.grading.grade import grade
from mlsys_lib.grading.release import release
from mlsys_lib.grading.verdict import Verdict
from tests.grading.small_course import (
    ASSIGNMENT,
    RIGHT,
    answer,
    source,
    submit,
    write_exercises,
)

ATTACK = (
    "</pre></main><script>document.title = 'owned'</script>"
    "<img src='http://127.0.0.1:9/x' onerror='document.title = 1'>"
    "\\x1b[2J\\x1b]0;owned\\x07\\u202ereversed"
)
# Each prints as much as it can when it is first called, and then answers rightly.
LOUD = {
    "add": f"""\
import os
print("{ATTACK}", flush=True)
done = []
def add(a, b):
    if not done:
        done.append(True)
        print("{ATTACK}", flush=True)
        block = b"<b>" * (2**20 // 3)
        for _ in range(1025):
            os.write(1, block)
    return a + b""",
    "scale": """\
wrote = []
def scale(a):
    if not wrote:
        wrote.append(True)
        for _ in range(10**6):
            os.write(2, b"\\x1b")
    return 2 * a""",
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory, sandbox_user: str | None) -> Course:
    """bob is loud; ada, before, and cyd, after, are not."""
    folder = tmp_path_factory.mktemp("loud")
    notebook = source()
    for cell in notebook.cells:  # a public test shows the student what was printed
        if cell.id.endswith("_public"):
            cell.metadata["mlsys"]["role"] = "public"
    course = Course(folder / "course")
    release(course, ASSIGNMENT, write_exercises(folder, notebook))
    for student, answers in (("ada", RIGHT), ("bob", LOUD), ("cyd", RIGHT)):
        submit(course, student, answer(course, answers))
    limits = {"cell_s": 60.0}  # for a slow machine: what is tested is the size
    report = grade(course, ASSIGNMENT, num_workers=1, limits=limits, sandbox_user=sandbox_user)
    assert report.failed == {}
    write_feedback(course, ASSIGNMENT)
    return course


def verdict(course: Course, student: str) -> Verdict:
    return Verdict.from_json(course.verdict(ASSIGNMENT, student).read_text())


def feedback(course: Course, student: str) -> Path:
    return course.root / "feedback" / student / ASSIGNMENT / f"{ASSIGNMENT}.html"


def test_who_prints_too_much_has_the_marks_of_the_answers(graded: Course) -> None:
    points = {q.grade_id: q.points for q in verdict(graded, "bob").questions}
    assert points == {q.grade_id: q.points for q in verdict(graded, "ada").questions}
    assert points == {q.grade_id: q.points for q in verdict(graded, "cyd").questions}
    assert points["add_hidden"] == 2


def test_what_is_kept_of_it_is_small_and_says_that_it_was_cut(graded: Course) -> None:
    output = {q.grade_id: q.output for q in verdict(graded, "bob").questions}
    assert "cut at" in output["add_public"]
    assert "cut at" in feedback(graded, "bob").read_text()
    for path in (
        graded.verdict(ASSIGNMENT, "bob"),
        graded.autograded(ASSIGNMENT, "bob"),
        feedback(graded, "bob"),
    ):
        assert path.stat().st_size < 2**20


def test_no_control_character_is_left_anywhere(graded: Course) -> None:
    notebook = json.loads(graded.autograded(ASSIGNMENT, "bob").read_text())
    outputs = json.dumps([cell.get("outputs") for cell in notebook["cells"]], ensure_ascii=False)
    told = "".join(q.message + q.output for q in verdict(graded, "bob").questions)
    for text in (outputs, told, feedback(graded, "bob").read_text()):
        assert "owned" in text, "the words themselves are kept"
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert "\\u001b" not in text


def test_in_the_page_it_is_text_and_nothing_else(graded: Course, browser: Browser) -> None:
    path = feedback(graded, "bob")
    tab = browser.new_page(java_script_enabled=True)
    try:
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        assert asked == [path.as_uri()]
        assert "owned" not in tab.title()
        assert tab.locator("script, img").count() == 0
        assert "<script>document.title = 'owned'</script>" in (tab.text_content("details") or "")
    finally:
        tab.close()


def test_a_classmates_page_has_none_of_it(graded: Course) -> None:
    pages = [feedback(graded, student).read_text() for student in ("ada", "cyd")]
    assert pages[0].replace("ada", "cyd") == pages[1]
    assert "owned" not in pages[0]
