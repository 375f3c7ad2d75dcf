"""Case 18: the grader is killed at twenty random points, and run again."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from os import kill
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from mlsys_lib.grading.course import Course
from mlsys_lib.grading.journal import Journal
from mlsys_lib.grading.verdict import Verdict
from tests.grading.small_course import (
    ASSIGNMENT,
    RIGHT,
    all_marks,
    answer,
    hand_in,
    make_course,
    submit,
    verdict,
)

ROOT = Path(__file__).parents[3]
STUDENTS = [f"student-{number}" for number in range(8)]
POINTS = ("add_public", "add_hidden", "scale_public", "scale_hidden")
KILLS = 20


class Grader:
    """A process that runs a grading for each request, and can be told to be killed."""

    def __init__(self, sandbox_user: str | None) -> None:
        self.options = {"sandbox_user": sandbox_user, "num_workers": 2, "told": True}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.grading.proof.grader"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, course: Course, **options: object) -> int:
        request = {"course": str(course.root), **self.options, **options}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> int:
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def grader(sandbox_user: str | None) -> Iterator[Grader]:
    started = Grader(sandbox_user)
    yield started
    started.close()


def handed_in(folder: Path) -> Course:
    """A course with eight submissions, no two alike in marks."""
    course = make_course(folder)
    dice = random.Random(18)
    for student in STUDENTS[:-1]:
        points = {name: 0.0 for name in POINTS if dice.random() < 0.5}
        text = "Because." if dice.random() < 0.5 else ""
        hand_in(course, student, verdict(course, student, points, text))
    hand_in(course, STUDENTS[-1], Verdict(ASSIGNMENT, STUDENTS[-1], "invalid", "empty"))
    return course


def outcome(course: Course) -> dict[str, object]:
    """All that a run leaves behind for people: rows, notebooks, verdicts."""
    with Gradebook(course.db_url) as book:
        students = [student.id for student in book.students]
    folders = ("autograded/*/*/*", ".grading/tiny/verdicts/*")
    files = {path for pattern in folders for path in course.root.glob(pattern)}
    content = {str(path.relative_to(course.root)): path.read_bytes() for path in sorted(files)}
    return {"marks": all_marks(course), "students": students, "files": content}


def test_a_grader_killed_anywhere_goes_on_to_the_same_marks(grader, tmp_path):
    prepared = handed_in(tmp_path / "prepared")
    expected, duration_s = uninterrupted(grader, prepared, tmp_path)
    assert sorted(expected["marks"]) == STUDENTS

    dice = random.Random(18)
    saved_when_killed = Counter()
    for number in range(0, KILLS, 2):
        course = Course(shutil.copytree(prepared.root, tmp_path / str(number)))
        for twentieth in (number, number + 1):
            pid = grader.start(course)
            time.sleep(duration_s * (twentieth + dice.random()) / KILLS)
            with suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
            grader.end()
            saved_when_killed[len(list(course.root.glob(".grading/tiny/saved/s*")))] += 1
        grader.start(course)
        assert grader.end() == 0
        assert outcome(course) == expected, f"killed in twentieths {number} and {number + 1}"
        events = Journal(course.grading(ASSIGNMENT) / "journal").events()
        graded = {event["student"] for event in events if event["event"] == "graded"}
        assert graded == set(STUDENTS)
    assert len(saved_when_killed) > 2, f"the kills hit no run half-way: {saved_when_killed}"


def uninterrupted(grader: Grader, prepared: Course, folder: Path) -> tuple[dict, float]:
    """Two runs: the first waits for the grader's imports, the second is timed."""
    for name in ("first", "second"):
        course = Course(shutil.copytree(prepared.root, folder / name))
        start_s = time.monotonic()
        grader.start(course)
        assert grader.end() == 0
        duration_s = time.monotonic() - start_s
    return outcome(course), duration_s


def test_a_killed_grader_leaves_no_student_running(grader, tmp_path):
    course = make_course(tmp_path)
    submit(course, "ada", answer(course, {**RIGHT, "add": "while True:\n    pass"}))
    pid = grader.start(course, told=False, limits={"cell_s": 300.0, "submission_s": 300.0})
    until(lambda: student_runs(pid))
    family = descendants(pid)
    kill(pid, signal.SIGKILL)
    assert grader.end() == -signal.SIGKILL
    until(lambda: not alive(family))


def student_runs(pid: int) -> bool:
    """Whether some sandbox below `pid` has an interpreter; the first one only tries things out."""
    sandboxes = [child for child, name in descendants(pid).items() if name == "bwrap"]
    inside = [name for sandbox in sandboxes for name in descendants(sandbox).values()]
    return any(name.startswith("python") for name in inside)


def descendants(pid: int) -> dict[int, str]:
    """The processes below `pid`, with their names."""
    found = {pid: ""}
    for _ in range(6):
        for other, (parent, name) in processes().items():
            if parent in found:
                found[other] = name
    del found[pid]
    return found


def alive(family: dict[int, str]) -> list[int]:
    now = processes()
    return [pid for pid, name in family.items() if pid in now and now[pid][1] == name]


def processes() -> dict[int, tuple[int, str]]:
    """Every process that is no zombie: its parent and its name."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            before, _, after = path.read_text().rpartition(")")
            state, parent, *_ = after.split()
            if state not in "ZX":
                found[int(path.parent.name)] = (int(parent), before.partition("(")[2])
    return found


def until(condition, patience_s: float = 60.0) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
