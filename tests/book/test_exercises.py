"""Exercises in the built book: numbered boxes with folds and buttons, and nothing given away."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
import yaml
from exercise_box import Exercise, label_of, load_exercise

from .conftest import LOOKS, ROOT, chapter_names
from .test_pages import FAINT_TEXT, LARGE_CONTRAST, WANTED_CONTRAST, WIDE

BOX = re.compile(r"^```\{graded-exercise\} (\w+)\n(.*)\n```$", re.MULTILINE)


def boxes_of(name: str) -> list[tuple[str, str]]:
    """Name and line for JupyterLab of each box that a notebook of the book asks for."""
    path = ROOT / f"{name}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.is_file() else []
    return BOX.findall("\n".join("".join(cell["source"]) for cell in cells))


CHAPTERS = [name for name in chapter_names() if boxes_of(name)]
on_each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def exercises_of(chapter: str) -> list[Exercise]:
    return [load_exercise(ROOT, exercise) for exercise, _ in boxes_of(chapter)]


def test_there_are_boxes_to_look_at():
    topics = (
        "collectives",
        "distributed_optimization",
        "distributed_trees",
        "federated_learning",
        "gradient_compression",
        "optimizers",
    )
    assert sorted(CHAPTERS) == [f"chapters/{topic}" for topic in topics]
    assert min(len(exercises_of(chapter)) for chapter in CHAPTERS) >= 6


@on_each_chapter
def test_in_jupyterlab_the_line_in_the_box_names_the_notebook(chapter):
    for exercise, line in boxes_of(chapter):
        assert load_exercise(ROOT, exercise).notebook in line


@on_each_chapter
def test_a_box_is_numbered_and_shows_its_prompt_its_code_and_what_its_author_allows(
    reader, chapter
):
    page = reader.open(chapter).page
    captions = page.locator("div.exercise .caption-number").all_inner_texts()
    numbers = [int(text.split()[1]) for text in captions]  # they run on from chapter to chapter
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for exercise in exercises_of(chapter):
        box = page.locator(f"#{label_of(exercise.name)}")
        assert exercise.title.replace("'", "’") in box.locator(".admonition-title").inner_text()
        assert box.locator("p").nth(1).inner_text().strip()
        shown = [text.rstrip() for text in box.locator("pre:visible").all_inner_texts()]
        assert (exercise.code in shown) is bool(exercise.code)
        folds = box.locator("details > summary").all_inner_texts()
        solutions = ["A solution"] if exercise.solution else []
        assert [text.strip() for text in folds] == ["Hint"] * len(exercise.hints) + solutions


@on_each_chapter
def test_folds_are_closed_and_open_from_the_keyboard_without_javascript(reader, chapter):
    page = reader.open(chapter, java_script_enabled=False).page
    folds = page.locator("div.graded details").all()
    assert folds
    for fold in folds:
        inside = fold.locator(".sd-summary-content")
        assert not inside.is_visible()
        fold.locator("summary").press("Enter")
        assert inside.is_visible()


@on_each_chapter
def test_the_buttons_open_the_students_notebook_at_the_exercise(reader, chapter):
    page = reader.open(chapter).page
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    repository = config["repository"]["url"].removeprefix("https://github.com/")
    for exercise in exercises_of(chapter):
        buttons = page.locator(f"#{label_of(exercise.name)} .exercise-buttons a").all()
        binder, colab = [button.get_attribute("href") for button in buttons]
        assert binder == (
            f"https://mybinder.org/v2/gh/{repository}/main"
            f"?urlpath=lab/tree/{exercise.notebook}%23cell-id%3D{exercise.cell_id}"
        )
        assert colab == (
            f"https://colab.research.google.com/github/{repository}/blob/main/"
            f"{exercise.notebook}#scrollTo={exercise.cell_id}"
        )


@on_each_chapter
@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_open_folds_can_be_read_and_fit(reader, chapter, look):
    page = reader.open(chapter, **LOOKS[look]).page
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    assert page.evaluate(WIDE) == []
    assert page.evaluate(FAINT_TEXT, [WANTED_CONTRAST, LARGE_CONTRAST]) == []


# --- nothing is given away ---

REGION = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)\n\s*### END \1", re.DOTALL)


def lines_of(text: str) -> set[str]:
    """The lines of a text without what stands around them; those of a word or two say nothing."""
    lines = {" ".join(line.split()) for line in text.splitlines()}
    return {line for line in lines if len(line) > 20}


def withheld_lines() -> set[str]:
    """Lines of hidden tests, and of solutions that their authors do not show."""
    secret, open_to_all = set(), set()
    for path in (ROOT / "exercises").glob("*/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        settings = [cell["metadata"].get("mlsys", {}) for cell in cells]
        shown = {found["exercise"] for found in settings if found.get("show_solution")}
        for cell, found in zip(cells, settings, strict=True):
            text = "".join(cell["source"])
            for kind, body in REGION.findall(text):
                is_shown = kind == "SOLUTION" and found["exercise"] in shown
                (open_to_all if is_shown else secret).update(lines_of(body))
            open_to_all |= lines_of(REGION.sub("", text))
    return secret - open_to_all


def given_away(site: Path, secret: set[str]) -> list[str]:
    """Withheld lines in the pages and in what is searched; not in the library's own source."""
    found = []
    for path in sorted(site.rglob("*")):
        if path.suffix in {".html", ".js", ".ipynb"} and "_modules" not in path.parts:
            text = re.sub(r"<[^>]*>", "", path.read_text(encoding="utf-8"))
            words = " ".join(html.unescape(text).split())
            found += [f"{path.name}: {line}" for line in sorted(secret) if line in words]
    return found


def test_no_page_gives_a_hidden_test_or_a_withheld_solution_away(site):
    secret = withheld_lines()
    assert len(secret) > 20
    assert given_away(site, secret) == []


def test_a_hidden_line_in_a_page_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        "<span>expect_close</span>(f(x),  <b>g</b>(x), hint=&quot;no&quot;)"
    )
    secret = lines_of('    expect_close(f(x), g(x), hint="no")\n    x = 1')
    assert given_away(tmp_path, secret) == ['a.html: expect_close(f(x), g(x), hint="no")']
