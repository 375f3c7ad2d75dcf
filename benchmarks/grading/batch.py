"""A course with as many submissions as asked for: most right, some wrong, a few broken.

The hidden tests have fixed inputs, so that nbgrader's own autograder can run them too.
"""

from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from mlsys_lib.grading.course import Course
from mlsys_lib.grading.release import release


@dataclass(frozen=True)
class Assignment:
    """An assignment of three functions; `module` is what its answers are written with."""

    name: str
    module: str
    answers: dict[str, str]

    def source(self) -> NotebookNode:
        """Return the instructor's notebook."""
        cells = [new_code_cell(f"import {self.module}", id="imports")]
        for name, right in self.answers.items():
            head, body = right.split("\n", 1)
            solution = f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"
            cells += [
                _cell(new_markdown_cell(f"## {name}"), f"{name}_prompt", locked=True),
                _cell(new_code_cell(solution), name, solution=True),
                _test(name, "public", _CHECKS[name], 1),
                _test(name, "hidden", "### BEGIN HIDDEN TESTS\n" + _CHECKS[name].replace("5", "77")
                      + "\n### END HIDDEN TESTS", 2),
            ]  # fmt: skip
        notebook = new_notebook(cells=cells)
        preload = ["numpy"] if self.module == "numpy" else ["numpy", self.module]
        notebook.metadata["mlsys"] = {"withholds": ["mlsys_lib.collectives"], "preload": preload}
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.metadata["kernelspec"] = kernel
        return notebook


_CHECKS = {
    "softmax": "import numpy as np\n"
    "x = np.random.default_rng(5).normal(size=(64, 10))\n"
    "p = np.asarray(softmax(x))\n"
    "assert np.allclose(p.sum(axis=1), 1)\n"
    "assert np.allclose(p, np.exp(x) / np.exp(x).sum(axis=1, keepdims=True))",
    "gram": "import numpy as np\n"
    "x = np.random.default_rng(5).normal(size=(100, 8))\n"
    "assert np.allclose(np.asarray(gram(x)), x.T @ x)",
    "clip": "import numpy as np\n"
    "g = np.random.default_rng(5).normal(size=1000)\n"
    "assert np.allclose(np.asarray(clip(g, 1.0)), g / max(1.0, np.linalg.norm(g)))",
}
NUMPY = Assignment(
    "numpy_functions",
    "numpy",
    {
        "softmax": "def softmax(x):\n"
        "    e = numpy.exp(x - x.max(axis=1, keepdims=True))\n"
        "    return e / e.sum(axis=1, keepdims=True)",
        "gram": "def gram(x):\n    return x.T @ x",
        "clip": "def clip(g, most):\n    return g * min(1.0, most / numpy.linalg.norm(g))",
    },
)
TORCH = Assignment(
    "torch_functions",
    "torch",
    {
        "softmax": "def softmax(x):\n    return torch.softmax(torch.from_numpy(x), dim=1).numpy()",
        "gram": "def gram(x):\n    t = torch.from_numpy(x)\n    return (t.T @ t).numpy()",
        "clip": "def clip(g, most):\n"
        "    t = torch.from_numpy(g)\n"
        "    return (t * min(1.0, most / float(t.norm()))).numpy()",
    },
)
# Of a hundred submissions: so many with one answer replaced by this.
MISTAKES = {
    "def gram(x):\n    return x @ x.T": 8,
    "def gram(x):\n    return x.T @ y": 4,
    "def gram(x):\n    return x.T @ x\n  oops": 2,
}


def make_course(folder: Path, assignment: Assignment, students: int) -> Course:
    """Release `assignment` in a new course, and hand in for so many students."""
    path = folder / "exercises" / "benchmark" / f"{assignment.name}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(assignment.source(), path)
    course = Course(folder / "course")
    release(course, assignment.name, path.parents[1])
    released = nbformat.read(course.released(assignment.name), as_version=4)
    for number in range(students):
        place = course.submitted(assignment.name, f"student-{number:03}")
        place.parent.mkdir(parents=True)
        _fill(released, assignment.answers | _mistake(number))
        place.write_text(nbformat.writes(released), encoding="utf-8")
    return course


def make_book_course(folder: Path, name: str, students: int) -> Course:
    """Release an assignment of the book, and hand in its own solutions for so many students."""
    course = Course(folder / "course")
    release(course, name)
    source = nbformat.read(course.source(name), as_version=4)
    released = nbformat.read(course.released(name), as_version=4)
    solutions = {
        cell.id: cell.source.replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", "")
        for cell in source.cells
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution")
    }
    _fill(released, solutions)
    for number in range(students):
        place = course.submitted(name, f"student-{number:03}")
        place.parent.mkdir(parents=True)
        place.write_text(nbformat.writes(released), encoding="utf-8")
    return course


def _mistake(number: int) -> dict[str, str]:
    within = number * 37 % 100  # spread over the batch
    for answer, share in MISTAKES.items():
        if within < share:
            return {"gram": answer}
        within -= share
    return {}


def _fill(notebook: NotebookNode, answers: dict[str, str]) -> None:
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)


def _test(exercise: str, kind: str, source: str, points: int) -> NotebookNode:
    cell = new_code_cell(source)
    return _cell(cell, f"{exercise}_{kind}", grade=True, locked=True, points=points)


def _cell(cell: NotebookNode, grade_id: str, **flags: object) -> NotebookNode:
    none = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = {"schema_version": 3, "grade_id": grade_id, **none, **flags}
    cell.metadata["mlsys"] = {"exercise": grade_id.partition("_")[0]}
    cell.id = grade_id
    return cell
