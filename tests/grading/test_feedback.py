"""What a student reads: all that concerns the student, and nothing that does not."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from mlsys_lib.grading.course import Course, CourseError
from mlsys_lib.grading.feedback import write_feedback
from mlsys_lib.grading.gradebook import Book
from mlsys_lib.grading.inert import INVISIBLE, inert_markdown
from mlsys_lib.grading.roster import Identity, Roster, save_roster
from mlsys_lib.grading.verdict import Verdict
from tests.grading.small_course import ASSIGNMENT, make_course, verdict

SCRIPT = "<script>document.title = 'owned'</script>"
HTML = f'{SCRIPT}<img src="https://evil.example/x.png" onerror="document.title=1"><b>bold</b>'
ANSI = "\x1b[31mred\x1b[0m\x1b]8;;https://evil.example\x07link\x1b]8;;\x07\x07"
BIDI = "\u202eright to left\u2066\u2069"
WILD = f"{HTML} & &amp; ]]> --> </pre></style></title> {{{{ 7 * 7 }}}} {ANSI} {BIDI} \0"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return make_course(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def course(prepared: Course, tmp_path: Path) -> Course:
    """A copy: nbgrader takes its time to make one."""
    return Course(shutil.copytree(prepared.root, tmp_path / "course"))


def answered(
    course: Course, student: str, code: str = "def add(a, b):\n    return a - b", **changes: Any
) -> Verdict:
    """A verdict whose hidden test of `add` failed; `changes` to its questions by grade_id."""
    found = verdict(course, student, {"add_hidden": 0.0}, text="Because.")
    assert found.notebook is not None
    for cell in found.notebook["cells"]:
        if cell["id"] in ("add", "scale"):
            cell["source"] = code if cell["id"] == "add" else "def scale(a):\n    return 2 * a"
    questions = tuple(replace(one, **changes.get(one.grade_id, {})) for one in found.questions)
    return replace(found, questions=questions)


def page(course: Course, found: Verdict) -> str:
    path = course.verdict(found.assignment, found.student)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.to_json())
    with Book(course, found.assignment) as book:
        book.save(found, None)
    (written,) = write_feedback(course, found.assignment, [found.student])
    assert written == course.root / "feedback" / found.student / ASSIGNMENT / f"{ASSIGNMENT}.html"
    return written.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """The text, the tags and the attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.attributes = "", [], []  # type: ignore[var-annotated]
        self.feed(html)
        self.close()
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data if "style" not in self.tags[-1:] else ""


def test_points_so_far_leave_what_waits_for_a_person_out_of_both_zero_and_full(
    course: Course,
) -> None:
    read = Reader(page(course, answered(course, "ada"))).text
    assert "4 of 9 points so far" in read
    assert "3 of these points wait for a person’s mark." in read
    assert "Your text Waits for a person's mark. — of 3 points" in read


def test_each_question_says_kind_outcome_points_and_message(course: Course) -> None:
    messages: dict[str, Any] = {
        "add_hidden": {"message": "Think of negative numbers, too."},
        "scale_public": {"output": "hello from scale"},
    }
    read = Reader(page(course, answered(course, "ada", **messages))).text
    assert "Public tests Passed. 1 of 1 points" in read
    assert read.count("def scale(a):") == 1, "each exercise shows its own code"
    assert "Hidden tests Not passed. 0 of 2 points Think of negative numbers, too." in read
    assert "What your code printed meanwhile hello from scale" in read


def test_the_failing_line_is_marked_in_the_students_own_code(course: Course) -> None:
    fault: dict[str, Any] = {
        "add_hidden": {"status": "student_error", "cell": "add", "line": 2, "message": "Oh."}
    }
    html = page(course, answered(course, "ada", **fault))
    assert "Your code raised an error." in Reader(html).text
    failed = re.findall(r'class="line failed" data-number="(\d+)">(.*?)<', html)
    assert failed == [("2", "    return a - b")]


def test_a_text_answer_is_shown_as_it_was_typed(course: Course) -> None:
    found = answered(course, "ada")
    assert found.notebook is not None
    found.notebook["cells"][-1]["source"] = inert_markdown("Since $x <y$, see [1](2).")
    assert "Your answer Since $x <y$, see [1](2)." in Reader(page(course, found)).text
    assert INVISIBLE not in page(course, found)


def test_a_line_of_a_cell_that_the_student_added_is_shown_too(course: Course) -> None:
    found = answered(course, "ada", add_public={"status": "timeout", "cell": "cell 7", "line": 1})
    assert found.notebook is not None
    found.notebook["cells"].append(
        {"cell_type": "code", "id": "own-7", "metadata": {"name": "cell 7"}, "outputs": [],
         "execution_count": None, "source": "while True: pass"}
    )  # fmt: skip
    html = page(course, found)
    assert 'class="line failed" data-number="1">while True: pass<' in html


def test_marks_and_comments_by_hand_are_on_the_page(course: Course) -> None:
    page(course, answered(course, "ada"))
    with Book(course, ASSIGNMENT) as book:
        grade = book.gradebook.find_grade("why_manual", ASSIGNMENT, ASSIGNMENT, "ada")
        grade.manual_score, grade.needs_manual_grade = 2.5, False
        comment = book.gradebook.find_comment("why_manual", ASSIGNMENT, ASSIGNMENT, "ada")
        comment.manual_comment = "Good: but <why> twice?"
        book.gradebook.db.commit()
    read = Reader(write_feedback(course, ASSIGNMENT)[0].read_text()).text
    assert "6.5 of 9 points" in read
    assert "so far" not in read
    assert "Your text Marked by a person. 2.5 of 3 points" in read
    assert "A comment for you Good: but <why> twice?" in read


def test_an_invalid_file_has_a_reason_no_points_and_a_way_on(course: Course) -> None:
    found = Verdict(ASSIGNMENT, "ada", "invalid", "the file ends in the middle (not JSON: line 41)")
    read = Reader(page(course, found)).text
    assert "No mark yet" in read
    assert "the file ends in the middle (not JSON: line 41)" in read
    assert "What to do:" in read
    assert " of 9 points" not in read


def test_an_invalid_file_that_a_person_marked_has_its_points(course: Course) -> None:
    found = Verdict(ASSIGNMENT, "ada", "invalid", "the file is empty (0 bytes)")
    page(course, found)
    with Book(course, ASSIGNMENT) as book:
        for notebook in book.gradebook.find_submission(ASSIGNMENT, "ada").notebooks:
            for grade in notebook.grades:
                grade.manual_score, grade.needs_manual_grade = 1.0, False
        book.gradebook.db.commit()
    read = Reader(write_feedback(course, ASSIGNMENT)[0].read_text()).text
    assert "5 of 9 points" in read
    assert "A person gave the points, since" in read


def test_restored_cells_are_named(course: Course) -> None:
    found = replace(
        answered(course, "ada"),
        status="tampered",
        tampered=("add_public", "cell 9"),
        reason="restored: add_public, cell 9; cell 7 raised NameError at line 3",
    )
    read = Reader(page(course, found)).text
    assert "restored: add_public, cell 9 cell 7 raised NameError at line 3" in read
    assert "What was changed in them did not count." in read


def test_whoever_is_late_reads_what_it_cost(course: Course) -> None:
    page(course, answered(course, "ada"))
    with Book(course, ASSIGNMENT) as book:
        (notebook,) = book.gradebook.find_submission(ASSIGNMENT, "ada").notebooks
        notebook.late_submission_penalty = 1.5
        book.gradebook.db.commit()
    read = Reader(write_feedback(course, ASSIGNMENT)[0].read_text()).text
    assert "2.5 of 9 points so far" in read
    assert "1.5 points were taken off: handed in late." in read


def test_no_hidden_test_no_solution_and_no_classmate_is_on_a_page(course: Course) -> None:
    page(course, answered(course, "bob", code="def add(a, b): return 'the classmate'"))
    found = answered(course, "ada")
    assert found.notebook is not None
    for cell in found.notebook["cells"]:  # what test cells put out stays with the instructor
        if cell["id"] in ("add_hidden", "add_public"):
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "number=77"}]
    found = replace(found, similarity=(("bob", 0.9),), notes=("add_hidden: raised",))
    html = page(course, found)
    hidden = [
        "secret_rng",
        "number = ",
        "number=77",
        "assert",
        "BEGIN",
        "END",
        "return a + b",
        "bob",
        "classmate",
    ]
    assert not [word for word in hidden if word in Reader(html).text]
    assert not [word for word in hidden if word in html.split("</style>")[1]]


def everywhere(course: Course) -> Verdict:
    """A verdict with wild text in every field that a student has a hand in."""
    changes: dict[str, Any] = {"message": WILD, "output": WILD, "cell": "add", "line": 1}
    questions = {name: dict(changes) for name in ("add_public", "add_hidden", "why_manual")}
    found = answered(course, "ada", code=WILD, **questions)
    assert found.notebook is not None
    for cell in found.notebook["cells"]:
        if cell["id"] == "why_manual":
            cell["source"] = WILD
    save_roster(course, ASSIGNMENT, Roster([Identity("ada", name=WILD)]))
    return replace(found, tampered=(WILD,), status="tampered", reason=WILD)


def test_nothing_of_the_students_is_more_than_text(course: Course) -> None:
    html = page(course, everywhere(course))
    plain = page(course, answered(course, "bob"))
    read = Reader(html)
    assert set(read.tags) <= set(Reader(plain).tags) | {"details", "summary", "div"}
    assert not {"script", "img", "b-", "iframe", "link", "a"} & set(read.tags)
    names = {name for name, _ in read.attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "href")]
    assert "49" not in read.text
    for control in ("\x1b", "\0", "\x07", "\u202e", "\u2066"):
        assert control not in html
    assert read.text.count("<script>document.title = 'owned'</script>") >= 7


def test_an_invalid_reason_is_text_as_well(course: Course) -> None:
    read = Reader(page(course, Verdict(ASSIGNMENT, "ada", "invalid", WILD)))
    assert "script" not in read.tags
    assert SCRIPT in read.text


def test_output_is_cut_where_nobody_reads_on(course: Course) -> None:
    html = page(course, answered(course, "ada", add_public={"output": "spam " * 20_000}))
    assert "cut at 8,000 characters" in html
    assert len(html) < 40_000


def test_a_page_asks_nothing_of_any_host_and_forbids_scripts(course: Course) -> None:
    html = page(course, answered(course, "ada"))
    attributes = Reader(html).attributes
    policy = attributes[attributes.index(("http-equiv", "Content-Security-Policy")) + 1][1]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert not re.findall(r"https?:|url\(|@import|<link|<script", html)


def test_every_graded_student_has_a_page_and_two_writings_are_the_same(course: Course) -> None:
    for student in ("emmy", "ada"):
        page(course, answered(course, student))
    first = [path.read_bytes() for path in write_feedback(course, ASSIGNMENT)]
    pages = write_feedback(course, ASSIGNMENT)
    assert [path.parents[1].name for path in pages] == ["ada", "emmy"]
    assert [path.read_bytes() for path in pages] == first
    assert all(path.stat().st_mode & 0o077 == 0 for path in pages)


def test_a_student_who_was_not_graded_is_said(course: Course) -> None:
    with pytest.raises(CourseError, match="alan has not been graded"):
        write_feedback(course, ASSIGNMENT, ["alan"])


SIZES = {"phone": (390, 844), "desktop": (1280, 900)}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_in_a_browser_nothing_runs_nothing_loads_and_nothing_sticks_out(
    course: Course, browser: Browser, size: str, theme: Any
) -> None:
    page(course, everywhere(course))
    path = course.root / "feedback" / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    width, height = SIZES[size]
    tab: Page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=theme, java_script_enabled=True
    )
    try:
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        assert tab.title() == "Tiny: feedback"
        assert asked == [path.as_uri()]
        assert tab.locator("script, img, b b").count() == 0
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        red = int(re.findall(r"\d+", background)[0])
        assert (red < 60) == (theme == "dark")
    finally:
        tab.close()
