"""An assignment's notebook, its tests run on any answer, and its planted mistakes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlsys_lib.grading.context import Context, grading
from tests.grading.answer import Answer

EXERCISES = Path(__file__).resolve().parents[2] / "exercises"


@dataclass(frozen=True)
class Assignment:
    """The assignment of a topic; `imports` is source that stands above each answer."""

    topic: str
    public: Mapping[str, Sequence[Callable[..., None]]]
    imports: str

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
        namespace: dict[str, Any] = {
            exercise: Answer(f"{self.imports}\n{source}", exercise),
            "STUDENT": "ada",
        }

        def hidden() -> None:
            exec(self.cell(exercise, role), namespace)

        said = []
        with grading(Context(self.topic, "ada", secret)):
            for test in self.public[exercise] if role == "public" else [hidden]:
                arguments = [namespace[exercise], "ada"][: test.__code__.co_argcount]
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
