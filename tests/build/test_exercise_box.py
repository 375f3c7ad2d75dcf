"""The box of an exercise in the book, on a book of one page and one exercise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from exercise_box import block, exercises_in, launch_addresses, load_exercise

ROOT = Path(__file__).resolve().parents[2]
THEME = {
    "repository_url": "https://github.com/someone/course",
    "repository_branch": "main",
    "launch_buttons": {"binderhub_url": "https://binder.test", "colab_url": "https://colab.test"},
}
CONF = f"""\
import sys; sys.path.insert(0, {str(ROOT / "sphinx_ext")!r})
extensions = ["myst_nb", "sphinx_exercise", "sphinx_design", "exercise_box"]
html_theme = "sphinx_book_theme"
html_theme_options = {{**{THEME!r}, "path_to_docs": "."}}
exclude_patterns = ["exercises"]
"""
PAGE = """\
# A page

See {ref}`exercise-two-sums`.

```{graded-exercise} two_sums
In exercises/sums/student/sums.ipynb.
```
"""
PROMPT = "## Two sums\n\nReturn both sums, as in\n\n```python\ntwo_sums(1, 2)\n```"
SOLUTION = (
    "def two_sums(a, b):\n    ### BEGIN SOLUTION\n    return 2 * (a + b)\n    ### END SOLUTION"
)
STUB = "def two_sums(a, b):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
HIDDEN = "### BEGIN HIDDEN TESTS\nassert two_sums(4711, 0) == 9422\n### END HIDDEN TESTS"
HIDDEN_WORDS = ("4711", "9422", "HIDDEN", "BEGIN SOLUTION")
HINT = "<details><summary>Hint</summary>\n\nAdd **twice**.\n\n</details>"


def cell(kind, role, source, **settings):
    exercise = {"exercise": "two_sums", "role": role, **settings}
    return {"cell_type": kind, "id": role, "metadata": {"mlsys": exercise}, "source": source}


def write_notebooks(root, *, show=False, prompt=PROMPT, hint=HINT):
    """Write the instructor's notebook and the student's copy of one exercise."""
    folder = root / "exercises" / "sums"
    (folder / "student").mkdir(parents=True, exist_ok=True)
    for path, answer, hidden in (
        (folder / "sums.ipynb", SOLUTION, HIDDEN),
        (folder / "student" / "sums.ipynb", STUB, ""),
    ):
        cells = [
            {"cell_type": "code", "id": "install", "metadata": {}, "source": ["import ", "sys"]},
            cell("markdown", "prompt", prompt, title="Two sums", show_solution=show),
            cell("markdown", "hint", hint),
            cell("code", "answer", answer.splitlines(keepends=True)),
            cell("code", "hidden", hidden),
        ]
        path.write_text(json.dumps({"cells": cells}), encoding="utf-8")


class ScratchBook:
    """A page with the box, built by Sphinx with warnings as errors."""

    def __init__(self, root):
        self.root = root
        (root / "conf.py").write_text(CONF)
        (root / "index.md").write_text(PAGE)
        write_notebooks(root)

    def build(self):
        command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", ".", "html"]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)

    def page(self):
        run = self.build()
        assert run.returncode == 0, run.stderr
        return (self.root / "html" / "index.html").read_text()


@pytest.fixture
def book(tmp_path):
    return ScratchBook(tmp_path)


def test_the_box_is_numbered_and_follows_its_notebook_and_hides_what_is_hidden(book):
    page = book.page()
    assert 'id="exercise-two-sums"' in page
    assert page.count("Exercise 1") == 2, "the box, and the reference to it"
    assert "(Two sums)" in page and "NotImplementedError" in page
    assert "<strong>twice</strong>" in page
    assert "sums/student/sums.ipynb." not in page, "that line is for JupyterLab"
    assert "A solution" not in page
    assert not any(word in page for word in HIDDEN_WORDS)

    write_notebooks(book.root, show=True)
    page = book.page()
    assert "A solution" in page, "an edit in the notebook alone makes the page again"
    assert not any(word in page for word in HIDDEN_WORDS)


def test_an_unknown_name_ends_the_build_and_names_those_that_there_are(book):
    (book.root / "index.md").write_text("# A page\n\n```{graded-exercise} three_sums\n```\n")
    run = book.build()
    assert run.returncode != 0
    assert "no exercise is called 'three_sums'; there are two_sums" in run.stderr


def test_an_exercise_that_was_not_released_is_not_shown(tmp_path):
    write_notebooks(tmp_path)
    (tmp_path / "exercises" / "sums" / "student" / "sums.ipynb").unlink()
    with pytest.raises(ValueError, match=r"exercises/sums/student/sums\.ipynb is not there"):
        load_exercise(tmp_path, "two_sums")


def test_a_hint_that_would_stand_open_is_refused(tmp_path):
    write_notebooks(tmp_path, hint="Add twice.")
    with pytest.raises(ValueError, match="'two_sums': a hint must be <details>"):
        load_exercise(tmp_path, "two_sums")


def test_the_notebook_opens_at_the_exercise(tmp_path):
    write_notebooks(tmp_path)
    path = "exercises/sums/student/sums.ipynb"
    assert launch_addresses(THEME, load_exercise(tmp_path, "two_sums")) == {
        "Open in Binder": "https://binder.test/v2/gh/someone/course/main"
        f"?urlpath=lab/tree/{path}%23cell-id%3Dprompt",
        "Open in Colab": f"https://colab.test/github/someone/course/blob/main/{path}"
        "#scrollTo=prompt",
    }


def test_a_fence_is_longer_than_those_within():
    assert block("note", "", ["````", "x", "````"])[0].startswith("`````{note}")
    assert block("note", "", ["x"])[0].startswith("```{note}")


def test_no_two_exercises_of_the_course_have_the_same_name():
    prompts = [
        cell["metadata"]["mlsys"]["exercise"]
        for path in (ROOT / "exercises").glob("*/*.ipynb")
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["metadata"].get("mlsys", {}).get("role") == "prompt"
    ]
    assert prompts and sorted(prompts) == sorted(exercises_in(ROOT))
