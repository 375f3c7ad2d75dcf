"""Cases 7 and 15: notebooks that were changed where they must not be, and files that are none."""

import copy
import json
import os

import pytest

from mlsys_lib.grading.execute import grade_submission
from tests.grading.notebooks import CONTEXT, cell_of, good, own, source
from tests.grading.proof.looks import FULL, NO_DOUBLE, points, visible

WRONG = "def double(x):\n    return x\n"


def claims(book, name):
    return cell_of(book, name)["metadata"]["nbgrader"]


def all_tests(book):
    return [c for c in book["cells"] if c["metadata"].get("nbgrader", {}).get("grade")]


def forged(name, points=1000, text="pass"):
    cell = own(text)
    flags = {"grade": True, "solution": False, "locked": True, "task": False, "schema_version": 3}
    cell["metadata"]["nbgrader"] = flags | {"grade_id": name, "points": points}
    return cell


EDITS = {
    "tests emptied": lambda book: [c.update(source="pass") for c in all_tests(book)[:2]],
    "tests that redefine": lambda book: cell_of(book, "double_hidden").update(
        source="double = lambda x: 2 * x\n" + cell_of(book, "double_hidden")["source"]
    ),
    "a thousand points": lambda book: [
        c["metadata"]["nbgrader"].update(points=1000) for c in all_tests(book)[:3]
    ],
    "points that are none": lambda book: claims(book, "double_hidden").update(points="1e999"),
    "negative points": lambda book: claims(book, "total_hidden").update(points=-3),
    "tests for a person": lambda book: claims(book, "double_hidden").update(solution=True),
    "tests that do not count": lambda book: claims(book, "double_hidden").update(grade=False),
    "tests unlocked": lambda book: claims(book, "double_hidden").update(locked=False),
    "tests as text": lambda book: cell_of(book, "double_hidden").update(cell_type="markdown"),
    "an answer that counts": lambda book: claims(book, "double").update(grade=True, points=1000),
    "an invented test": lambda book: book["cells"].append(forged("bonus")),
    "an invented test of the same exercise": lambda book: book["cells"].append(
        forged("double_extra", text="raise SystemExit")
    ),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize(
    ("answer", "expected"), [(WRONG, NO_DOUBLE), (good()["cells"][1]["source"], FULL)]
)
def test_changed_cells_are_restored_and_the_mark_is_what_it_would_be(grade, name, answer, expected):
    book = good(double=answer)
    EDITS[name](book)
    found = grade(book)
    assert found.status == "tampered" and found.tampered
    assert points(found) == expected and found.max_points == 11
    assert found.reason.startswith("restored: ")


IGNORED = {
    "limits and what is withheld": lambda book: book["metadata"].update(
        mlsys={"withholds": [], "preload": ["os"], "limits": {"cell_s": 10**6}, "title": "<b>"}
    ),
    "the kernel": lambda book: book["metadata"].update(kernelspec={"name": "sh"}),
    "roles": lambda book: [
        c["metadata"].update(mlsys={"role": "public", "exercise": "why"}) for c in book["cells"]
    ],
    "checksums": lambda book: [
        c["metadata"]["nbgrader"].update(checksum="0" * 32) for c in book["cells"]
    ],
    "outputs": lambda book: [
        c.update(outputs=[{"output_type": "execute_result", "data": {"text/plain": "1000"}}])
        for c in book["cells"]
    ],
    "attachments": lambda book: book["cells"].append(
        own("![x](attachment:x)", "markdown") | {"attachments": {"x": {"text/html": "<script>"}}}
    ),
    "answers first": lambda book: book["cells"].sort(
        key=lambda c: c["metadata"]["nbgrader"]["grade_id"] not in ("total", "double")
    ),
    "keys that nobody knows": lambda book: book.update({"points": 1000, "__class__": "x"}),
}


@pytest.mark.parametrize("name", IGNORED)
def test_what_a_notebook_says_of_itself_changes_nothing(grade, name):
    book = good(double=WRONG)
    IGNORED[name](book)
    found = grade(book)
    assert points(found) == NO_DOUBLE and found.status == "needs_manual_grade"
    assert "<script>" not in json.dumps(found.notebook)


FILES = {
    "empty": (b"", "the file is empty"),
    "truncated": (json.dumps(good()).encode()[:-100], "the file ends in the middle"),
    "not UTF-8": (json.dumps(good()).encode("utf-16"), "not UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not UTF-8"),
    "a million brackets": (b"[" * 10**6, "nested too deeply"),
    "another format": (json.dumps(good() | {"nbformat": 3}), "format 3"),
    "a later format": (json.dumps(good() | {"nbformat": 5}), "format 5"),
    "no notebook": ("{}", "not a notebook"),
    "no cells": (json.dumps(good() | {"cells": []}), "these cells are missing: double, "),
    "cells that are none": (json.dumps(good() | {"cells": [1]}), "cell 1 is not a JSON object"),
    "a key twice": (json.dumps(good())[:-1] + ', "cells": []}', "a key occurs twice"),
    "not a number": (json.dumps(good() | {"x": float("nan")}), "NaN is not JSON"),
    "a long number": ('{"nbformat": ' + "9" * 10**5 + "}", "too long"),
    "12 MB": (json.dumps(good() | {"x": "x" * 12 * 10**6}), "too large"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_notebook_is_invalid_with_a_reason_and_without_a_mark(grade, name):
    content, reason = FILES[name]
    found = grade(content)
    assert found.status == "invalid" and reason in found.reason
    assert found.points is None and found.pending
    assert found.questions == () and found.notebook is None


@pytest.mark.parametrize("name", ["double", "double_hidden", "why_manual"])
def test_missing_and_doubled_cells_are_invalid_and_named(grade, name):
    without, twice, of_my_own = good(), good(), good()
    without["cells"].remove(cell_of(without, name))
    twice["cells"].insert(0, copy.deepcopy(cell_of(twice, name)))
    of_my_own["cells"].append(forged(name))
    for book in (without, twice, of_my_own):
        found = grade(book)
        assert found.status == "invalid" and found.points is None and name in found.reason


def test_no_kind_of_file_hangs_or_ends_the_grading(tmp_path):
    huge, pipe, link, folder = (tmp_path / name for name in ("huge", "pipe", "link", "folder"))
    with huge.open("wb") as file:
        file.truncate(200 * 2**20)
    os.mkfifo(pipe)
    link.symlink_to("/etc/passwd")
    folder.mkdir()
    for path in (huge, pipe, link, folder, tmp_path / "none", tmp_path / "none" / "none"):
        found = grade_submission(path, source(), CONTEXT, None)  # no sandbox is asked for
        assert found.status == "invalid" and found.reason and found.points is None
        assert "root:" not in visible(found)


def test_copied_ordinary_cells_are_fine(grade):
    book = good()
    book["cells"] += [own("x = 1"), own("x = 1"), own("text", "markdown")] * 2
    assert points(grade(book)) == FULL


def test_text_cells_reach_the_instructors_page_without_what_acts(grade):
    book = good(why_manual="<script>alert(1)</script> [x](javascript:alert(1))")
    book["cells"].append(own("<img src=x onerror=alert(1)>", "raw"))
    found = grade(book)
    assert points(found) == FULL
    text = json.dumps(found.notebook)
    assert "<script>" not in text and "<img" not in text and "](java" not in text
