"""Prove exercises before students see them, by the very grader that will mark them.

For every exercise: the stub gets nothing; the solution gets everything, under two secrets; and each
planted wrong answer, a mistake that learners make, loses points there and nowhere else. Hidden
tests must send other inputs under another secret. What can be read off the notebook, such as that
students get no line of a solution, is in `authoring`.
"""

import ast
import json
import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from mlsys_lib.comm import Run
from mlsys_lib.grading.authoring import (
    Exercise,
    exercises_of,
    is_test,
    problems_of,
    released_notebook,
    role_of,
)
from mlsys_lib.grading.context import Context
from mlsys_lib.grading.execute import grade_submission
from mlsys_lib.grading.gradebook import read_notebook
from mlsys_lib.grading.notebook import course_metadata, name_of
from mlsys_lib.grading.sandbox import Limits, Sandbox, library_without, require_sandbox
from mlsys_lib.grading.verdict import QuestionVerdict, Verdict
from mlsys_lib.grading.workers import Batch

MIN_MISTAKES = 3
DEADLINE_S = 600.0
NOTHING = ""  # what a test sent that called no function
SECRETS = (b"one secret", b"another secret")


@dataclass
class Report:
    """What was found: a line for each exercise, and the problems."""

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every exercise may be given to students."""
        return not self.problems

    def __str__(self) -> str:
        count = len(self.problems)
        last = "all exercises hold" if self.passed else f"{count} problem{'s' * (count > 1)}:"
        return "\n".join([*self.lines, last, *(f"  {problem}" for problem in self.problems)])


@dataclass(frozen=True)
class Attempt:
    """One submission that the verification makes up.

    Attributes
    ----------
    source, library : Path
        The instructor's notebook, and the library without what it withholds.
    user : str or None
        Whom the sandbox runs as.
    secret : bytes
        The course's.
    exercise, mistake : str
        Which answer is wrong, and how; "" and "solution", or "stub", if none is.
    answers : dict of str to str
        Text by grade_id; all else is as released.
    """

    source: Path
    library: Path
    user: str | None
    secret: bytes
    exercise: str
    mistake: str
    answers: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt: its verdict, and by hidden test a digest of what it sent."""

    verdict: Verdict
    sent: dict[str, str]

    def failed(self, exercise: str) -> list[str]:
        """Return the tests of an exercise that did not give all their points."""
        return [q.grade_id for q in self._tests(exercise) if q.points != q.max_points]

    def gained(self, exercise: str) -> list[str]:
        """Return the tests of an exercise that gave points."""
        return [q.grade_id for q in self._tests(exercise) if q.points]

    def _tests(self, exercise: str) -> list[QuestionVerdict]:
        found = self.verdict.questions
        return [q for q in found if q.exercise == exercise and q.kind != "manual"]


def verify(folder: Path, *, user: str | None = None, num_workers: int = 2) -> Report:
    """Prove every exercise in `folder`.

    Parameters
    ----------
    folder : Path
        Holds ``<topic>/<assignment>.ipynb`` and ``<topic>/wrong/<exercise>/<mistake>.py``.
    user : str, optional
        Whom the sandbox runs as, for root.
    num_workers : int
        Submissions side by side.

    Raises
    ------
    ValueError
        If there is no notebook.
    NoSandboxError
        If this machine has no sandbox.
    """
    require_sandbox(user)
    notebooks = sorted(folder.glob("*/*.ipynb"))
    if not notebooks:
        raise ValueError(f"folder must hold <topic>/<assignment>.ipynb, got {folder}")
    report = Report()
    for path in notebooks:
        source = read_notebook(path)
        problems = problems_of(source) + _problems_of_mistakes(path, exercises_of(source))
        report.problems += [f"{path.stem}: {problem}" for problem in problems]
        if problems:  # what runs would say follows from these
            continue
        with tempfile.TemporaryDirectory() as temporary:
            for line, problems in _prove(path, source, Path(temporary), user, num_workers):
                report.lines.append(f"{'ok  ' if not problems else 'FAIL'} {path.stem} {line}")
                report.problems += [f"{path.stem}: {problem}" for problem in problems]
    return report


def _prove(
    path: Path, source: NotebookNode, library: Path, user: str | None, num_workers: int
) -> Iterator[tuple[str, list[str]]]:
    """Yield for each exercise what was seen, in a line, and its problems."""
    asked = course_metadata(source)
    library_without(asked.get("withholds", ()), library)
    exercises = exercises_of(source)
    right = {name_of(cell): cell.source for e in exercises for cell in e.answers}
    new = partial(Attempt, path, library, user)
    attempts = [new(SECRETS[0], "", "stub", {})]
    attempts += [new(secret, "", "solution", right) for secret in SECRETS]
    for name, file in ((e.name, file) for e in exercises for file in mistakes_of(path, e)):
        attempts.append(new(SECRETS[0], name, file.stem, right | {name: file.read_text("utf-8")}))
    done = {
        (attempt.exercise, attempt.mistake, attempt.secret): (outcome, reason)
        for attempt, outcome, reason in Batch(make, attempts, num_workers, DEADLINE_S)
    }
    failed = sorted(f"{m}: {why}" for (_, m, _), (found, why) in done.items() if found is None)
    if failed:
        yield path.stem, failed
        return
    seen = {key: found for key, (found, _) in done.items()}
    for exercise in exercises:
        yield _judge(exercise, [e.name for e in exercises], seen)


def mistakes_of(path: Path, exercise: Exercise) -> list[Path]:
    """Return the planted wrong answers of an exercise, whose notebook lies at `path`."""
    return sorted((path.parent / "wrong" / exercise.name).glob("*.py"))


def _problems_of_mistakes(path: Path, exercises: list[Exercise]) -> list[str]:
    problems = []
    for exercise in filter(lambda e: e.answers, exercises):
        files = mistakes_of(path, exercise)
        if len(files) < MIN_MISTAKES:
            where = f"wrong/{exercise.name}/"
            problems.append(f"{where} must hold {MIN_MISTAKES} wrong answers, got {len(files)}")
        problems += [
            f"{exercise.name}/{file.name} must begin with a docstring: which mistake it makes"
            for file in files
            if not ast.get_docstring(ast.parse(file.read_text("utf-8")))
        ]
    return problems


def _judge(
    exercise: Exercise, names: list[str], seen: dict[tuple[str, str, bytes], Outcome]
) -> tuple[str, list[str]]:
    name = exercise.name
    stub = seen["", "stub", SECRETS[0]]
    one, two = (seen["", "solution", secret] for secret in SECRETS)
    problems = [f"the stub gets points for {q}" for q in stub.gained(name)]
    problems += [f"the solution fails {q}" for found in (one, two) for q in found.failed(name)]
    problems += [
        f"{q} sends the same inputs under another secret"
        for q in map(name_of, exercise.tests)
        if one.sent.get(q, NOTHING) == two.sent.get(q) != NOTHING
    ]
    wrong = {mistake: found for (e, mistake, _), found in seen.items() if e == name}
    for mistake, found in sorted(wrong.items()):  # they ended in any order
        if not found.failed(name):
            problems.append(f"the mistake {name}/{mistake} loses no points")
        others = [q for n in names if n != name for q in found.failed(n) if q not in one.failed(n)]
        problems += [f"the mistake {name}/{mistake} also fails {q}" for q in others]
        problems += [f"the mistake {name}/{mistake}: {note}" for note in found.verdict.notes]
    problems += [f"the solution: {note}" for note in one.verdict.notes]
    points = sum(cell.metadata.nbgrader.points for cell in exercise.tests)
    line = f"{name}: {points:g} points, {len(wrong)} mistakes"
    return line if exercise.tests else f"{name}: marked by a person", problems


def make(attempt: Attempt) -> Outcome:
    """Grade one attempt; runs in a process of its own."""
    source = read_notebook(attempt.source)
    asked = course_metadata(source)
    book = released_notebook(source)
    for cell in book["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        cell["source"] = attempt.answers.get(name, cell["source"])
    sandbox = _Recording(
        attempt.library,
        limits=Limits(**asked.get("limits", {})),
        preload=asked.get("preload", ("numpy",)),
        user=attempt.user,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / attempt.source.name
        path.write_text(json.dumps(book), encoding="utf-8")
        context = Context(attempt.source.stem, "student", attempt.secret)
        verdict = grade_submission(path, source, context, lambda: sandbox)
    hidden = [name_of(cell) for cell in filter(is_test, source.cells) if role_of(cell) == "hidden"]
    return Outcome(verdict, dict(zip(hidden, sandbox.sent, strict=True)))


class _Recording(Sandbox):
    """Notes what each hidden test sends: those that begin after the restart."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[str] = []
        super().__init__(*args, **kwargs)

    def restart(self) -> None:
        super().restart()
        self.sent.clear()

    def begin_test(self) -> None:
        super().begin_test()
        self.sent.append(NOTHING)

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._note(name, args, kwargs)
        return super().call(name, args, kwargs)

    def call_on_ranks(self, name: str, world_size: int, *args: Any) -> Run:
        self._note(name, world_size, args)
        return super().call_on_ranks(name, world_size, *args)

    def _note(self, *call: Any) -> None:
        self.sent[-1] = sha256(self.sent[-1].encode() + pickle.dumps(call)).hexdigest()
