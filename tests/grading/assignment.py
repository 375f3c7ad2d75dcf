"""An assignment's notebook, its tests run on any answer, and its planted mistakes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mlsys_lib.grading.context import Context, grading
from tests.grading.answer import Answer

EXERCISES = Path(__file__).resolve().parents[2] / "exercises"


@dataclass(frozen=True)
class Assignment:
    """The assignment of a topic.

    Attributes
    ----------
    topic : str
    public : mapping of str to sequence of callable
        The public tests of each exercise.
    imports : str
        Source that stands above each answer.
    caught : mapping of str to mapping of str to str
        For each exercise and planted mistake a pattern of what a learner reads about it.
    may_warn : str, optional
        How a RuntimeWarning begins that mistakes may give, as it is their own.
    answers : mapping of str to tuple of str
        The functions of an exercise that asks for others than the one of its name.
    """

    topic: str
    public: Mapping[str, Sequence[Callable[..., None]]]
    imports: str
    caught: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    may_warn: str | None = None
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def cells(self) -> dict[str, list[dict[str, Any]]]:
        """The cells of the source, under "", and of the students' copy."""
        folder, name = EXERCISES / self.topic, f"{self.topic}.ipynb"
        return {
            which: json.loads((folder / which / name).read_text(encoding="utf-8"))["cells"]
            for which in ("", "student")
        }

    def cell(self, exercise: str, role: str, which: str = "") -> str:
        """Return the source of an exercise's cell of that role."""
        for found in self.cells[which]:
            about = found["metadata"].get("mlsys", {})
            if (about.get("exercise"), about.get("role")) == (exercise, role):
                return "".join(found["source"])
        raise LookupError(f"no cell of {exercise} has the role {role}")

    def graded(self, exercise: str, source: str, role: str, secret: bytes = b"x") -> str:
        """Run the public tests or the hidden cell on an answer; return all that went wrong."""
        above = f"{self.imports}\n{source}"
        asked = {name: Answer(above, name) for name in self.answers.get(exercise, (exercise,))}
        namespace: dict[str, Any] = {**asked, "STUDENT": "ada"}

        def hidden() -> None:
            exec(self.cell(exercise, role), namespace)

        said = []
        with grading(Context(self.topic, "ada", secret)):
            for test in self.public[exercise] if role == "public" else [hidden]:
                arguments = [*asked.values(), "ada"][: test.__code__.co_argcount]
                try:
                    test(*arguments)
                except Exception as error:
                    said.append(f"{type(error).__name__}: {error}")
        return "\n".join(said)

    def mistake(self, exercise: str, name: str) -> str:
        """Return the source of a planted mistake."""
        path = EXERCISES / self.topic / "wrong" / exercise / f"{name}.py"
        return path.read_text(encoding="utf-8")

    def planted(self) -> dict[str, set[str]]:
        """Return the names of all planted mistakes, by exercise."""
        return {
            folder.name: {path.stem for path in folder.glob("*.py")}
            for folder in (EXERCISES / self.topic / "wrong").iterdir()
        }
