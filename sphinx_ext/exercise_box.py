"""The directive ``{graded-exercise} name``: an exercise of a notebook as a numbered box of a page.

The box is written as MyST Markdown from the notebook that students open. So no text stands in two
places, and no hidden test comes near a page. Only a solution comes from the instructor's notebook,
and only where the author says ``"show_solution": true``.

What stands inside the directive is for JupyterLab, which does not know it and shows it as it is;
the book shows the box in its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from docutils import nodes  # type: ignore[import-untyped]
from docutils.statemachine import StringList  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HINT = re.compile(r"\s*<details>\s*<summary>.*?</summary>(.*)</details>\s*", re.DOTALL)


@dataclass(frozen=True)
class Exercise:
    """What the book shows of an exercise.

    Attributes
    ----------
    name, title : str
        `ring_all_reduce`, and how its prompt is headed.
    prompt : str
        Markdown, without the heading.
    has_data : bool
        Whether the notebook prints something that the prompt speaks of.
    code : str
        What the student starts from; empty for an answer in words.
    hints : tuple of str
        Markdown.
    solution : str
        Code; empty where the author does not show it.
    notebook : str
        The student's notebook, from the root of the repository.
    cell_id : str
        Id of the prompt in it.
    """

    name: str
    title: str
    prompt: str
    has_data: bool
    code: str
    hints: tuple[str, ...]
    solution: str
    notebook: str
    cell_id: str


def label_of(name: str) -> str:
    """Return the label of the box, for references to it.

    >>> label_of("ring_all_reduce")
    'exercise-ring-all-reduce'
    """
    return "exercise-" + name.replace("_", "-")


def exercises_in(root: Path) -> dict[str, Path]:
    """Return the instructor's notebook of each exercise, in the order of the notebooks."""
    paths = sorted((root / "exercises").glob("*/*.ipynb"))
    return {name: path for path in paths for name, role, _ in _cells(path) if role == "prompt"}


def load_exercise(root: Path, name: str) -> Exercise:
    """Read one exercise from its notebooks.

    Raises
    ------
    ValueError
        If no notebook has it, its student's copy has not been made, or a hint has another form.
    """
    known = exercises_in(root)
    if name not in known:
        raise ValueError(f"no exercise is called {name!r}; there are {', '.join(known) or 'none'}")
    source = known[name]
    student = source.parent / "student" / source.name
    if not student.is_file():
        raise ValueError(f"exercise {name!r}: {student.relative_to(root)} is not there: release it")
    (prompt,) = _of(student, name, "prompt")
    settings = prompt["metadata"]["mlsys"]
    return Exercise(
        name=name,
        title=settings["title"],
        prompt=_text(prompt).partition("\n")[2].strip(),
        has_data=bool(_of(student, name, "given")),
        code="\n\n".join(_text(cell) for cell in _of(student, name, "answer")),
        hints=tuple(_unfold(name, _text(cell)) for cell in _of(student, name, "hint")),
        solution=_solution(source, name) if settings.get("show_solution") is True else "",
        notebook=student.relative_to(root).as_posix(),
        cell_id=prompt["id"],
    )


def box_lines(exercise: Exercise, addresses: Mapping[str, str]) -> list[str]:
    """Return the box: prompt, starting code, folds, and a button for each of `addresses`."""
    body = [exercise.prompt, ""]
    if exercise.has_data:
        body += ["*The notebook prints the data that this speaks of.*", ""]
    if exercise.code:
        body += ["**Starting code**", "", *block("code-block", "python", [exercise.code])]
    for hint in exercise.hints:
        body += block("dropdown", "Hint", [hint])
    if exercise.solution:
        body += block("dropdown", "A solution", block("code-block", "python", [exercise.solution]))
    buttons = [f"* [{where}]({address})" for where, address in addresses.items()]
    body += block("container", "exercise-buttons", buttons)
    head = [f":label: {label_of(exercise.name)}", ":class: graded", ""]
    return block("exercise", exercise.title, head + body)


def launch_addresses(theme: Mapping[str, Any], exercise: Exercise) -> dict[str, str]:
    """Return where the notebook opens, by the words of the button.

    The address names the exercise's cell. JupyterLab scrolls there if the notebook is up by the
    time that it reads the address, and shows the top of it otherwise.

    Parameters
    ----------
    theme : mapping
        The theme's options: the repository and the launchers that `_config.yml` names.
    exercise : Exercise
    """
    repository = urlsplit(theme["repository_url"]).path.strip("/")
    branch, launchers = theme["repository_branch"], theme["launch_buttons"]
    at_cell = quote(f"{exercise.notebook}#cell-id={exercise.cell_id}")
    return {
        "Open in Binder": f"{launchers['binderhub_url']}/v2/gh/{repository}/{branch}"
        f"?urlpath=lab/tree/{at_cell}",
        "Open in Colab": f"{launchers['colab_url']}/github/{repository}/blob/{branch}/"
        f"{exercise.notebook}#scrollTo={exercise.cell_id}",
    }


def block(directive: str, argument: str, lines: Iterable[str]) -> list[str]:
    """Return `lines` within a directive; its fence is longer than any within."""
    text = "\n".join(lines)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{{{directive}}} {argument}", *text.split("\n"), fence, ""]


def _cells(path: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Return exercise, role and cell, for all cells of a notebook that belong to an exercise."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    ours = [(cell["metadata"].get("mlsys", {}), cell) for cell in cells]
    return [(found["exercise"], found["role"], cell) for found, cell in ours if "role" in found]


def _of(path: Path, name: str, role: str) -> list[dict[str, Any]]:
    return [cell for owner, part, cell in _cells(path) if (owner, part) == (name, role)]


def _text(cell: Mapping[str, Any]) -> str:
    return "".join(cell["source"])  # a text, or a list of lines


def _unfold(name: str, text: str) -> str:
    fold = HINT.fullmatch(text)
    if fold is None:
        raise ValueError(f"exercise {name!r}: a hint must be <details><summary>…</summary>…")
    return fold[1].strip()


def _solution(source: Path, name: str) -> str:
    lines = "\n\n".join(_text(cell) for cell in _of(source, name, "answer")).split("\n")
    return "\n".join(line for line in lines if line.strip() not in (BEGIN, END))


class GradedExercise(SphinxDirective):
    """Put the exercise of this name in its place."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the box; an unknown name ends the build."""
        root = Path(self.env.srcdir)
        try:
            exercise = load_exercise(root, self.arguments[0])
        except ValueError as error:
            raise self.error(str(error)) from error
        student = root / exercise.notebook
        for path in (student, student.parents[1] / student.name, Path(__file__)):
            self.env.note_dependency(str(path))
        lines = box_lines(exercise, launch_addresses(self.config.html_theme_options, exercise))
        box = nodes.Element()
        self.state.nested_parse(StringList("\n".join(lines).split("\n"), str(student)), 0, box)
        return list(box.children)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive with Sphinx."""
    app.add_directive("graded-exercise", GradedExercise)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
