import copy
import json

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import compute_checksum

from mlsys_lib.grading.inert import INVISIBLE
from mlsys_lib.grading.notebook import clean, name_of, prepare
from mlsys_lib.grading.preflight import Invalid, read_submission
from tests.grading.notebooks import (
    DOUBLE_HIDDEN,
    GOOD,
    answered,
    cell_of,
    good,
    own,
    released,
    source,
    write,
)

ASSIGNMENT = prepare(source())


def cleaned(tmp_path, book):
    return clean(read_submission(write(tmp_path, book)), ASSIGNMENT)


def refused(tmp_path, book):
    with pytest.raises(Invalid) as problem:
        cleaned(tmp_path, book)
    return problem.value.reason


def marks(book, name):
    return cell_of(book, name)["metadata"]["nbgrader"]


def test_an_honest_submission_is_not_tampered_and_keeps_its_answers(tmp_path):
    found = cleaned(tmp_path, good())
    assert found.tampered == () and found.unanswered == frozenset()
    assert {n: cell_of(found.notebook, n).source for n in GOOD} == GOOD


def test_the_clean_notebook_is_one_that_nbformat_and_nbgrader_accept(tmp_path):
    book = good()
    book["cells"] += [own("x = 1"), own("text", "markdown"), own("<b>", "raw")]
    found = cleaned(tmp_path, book).notebook
    nbformat.validate(found)
    MetadataValidator().validate_nb(found)


def test_hidden_tests_are_put_back_and_the_solution_is_not(tmp_path):
    text = json.dumps(cleaned(tmp_path, released()).notebook)
    assert "secret_rng" in text and "total = x + x" not in text


def test_checksums_are_those_that_nbgrader_stores(tmp_path):
    found = cleaned(tmp_path, released()).notebook
    for cell in found.cells:
        assert cell.metadata.nbgrader.checksum == compute_checksum(cell)


def test_what_is_as_released_counts_as_unanswered(tmp_path):
    assert cleaned(tmp_path, released()).unanswered == {"double", "total", "why_manual"}
    assert cleaned(tmp_path, answered({"double": "x = 1"})).unanswered == {"total", "why_manual"}


def lines_with_spaces(book):
    for cell in book["cells"]:
        cell["source"] = [f"{line}  \r\n" for line in cell["source"].split("\n")] + ["\n"]


def no_ids_other_order_and_outputs(book):
    for number, cell in enumerate(book["cells"]):
        cell.pop("id", None)
        cell["metadata"] = dict(reversed(cell["metadata"].items())) | {"tags": ["x"]}
        cell["metadata"]["nbgrader"] = dict(reversed(cell["metadata"]["nbgrader"].items()))
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]


def no_checksums_and_points_as_float(book):
    for cell in book["cells"]:
        claims = cell["metadata"]["nbgrader"]
        claims.pop("checksum")
        claims.pop("task")
        if claims["grade"]:
            claims["points"] = float(claims["points"])


@pytest.mark.parametrize(
    "edit", [lines_with_spaces, no_ids_other_order_and_outputs, no_checksums_and_points_as_float]
)
def test_what_editors_do_is_no_tampering(tmp_path, edit):
    book = released()
    edit(book)
    found = cleaned(tmp_path, book)
    assert found.tampered == () and len(found.unanswered) == 3


@pytest.mark.parametrize(
    "edit",
    [
        lambda book: cell_of(book, "double_hidden").update(source=""),
        lambda book: cell_of(book, "double_hidden").update(source="pass"),
        lambda book: cell_of(book, "double_hidden").update(source=DOUBLE_HIDDEN),
        lambda book: cell_of(book, "double_hidden").update(cell_type="markdown"),
        lambda book: cell_of(book, "double_hidden").update(cell_type="raw"),
        lambda book: marks(book, "double_hidden").update(points=1000),
        lambda book: marks(book, "double_hidden").update(points=10**400),
        lambda book: marks(book, "double_hidden").update(points="2"),
        lambda book: marks(book, "double_hidden").update(points=True),
        lambda book: marks(book, "double_hidden").update(points=None),
        lambda book: marks(book, "double_hidden").pop("points"),
        lambda book: marks(book, "double_hidden").update(grade=False),
        lambda book: marks(book, "double_hidden").update(solution=True),
        lambda book: marks(book, "double_hidden").update(locked=False),
        lambda book: marks(book, "double_hidden").update(task=True),
    ],
)
def test_a_changed_test_is_restored_and_listed(tmp_path, edit):
    book = good()
    edit(book)
    found = cleaned(tmp_path, book)
    assert found.tampered == ("double_hidden",)
    assert found.notebook == cleaned(tmp_path, good()).notebook


def test_a_changed_prompt_is_restored_and_listed(tmp_path):
    book = good()
    cell_of(book, "total_prompt")["source"] = "Write anything."
    found = cleaned(tmp_path, book)
    assert found.tampered == ("total_prompt",)
    assert cell_of(found.notebook, "total_prompt").source == "## Total\nWrite `total`."


def test_an_answer_may_change_its_text_and_nothing_else(tmp_path):
    book = good()
    cell_of(book, "double")["cell_type"] = "markdown"
    marks(book, "total").update(grade=True, points=1000)
    found = cleaned(tmp_path, book)
    assert found.tampered == ("double", "total")
    assert found.notebook == cleaned(tmp_path, good()).notebook


def test_the_student_decides_the_order_and_may_add_cells(tmp_path):
    book = good()
    book["cells"] = [own("import math"), *reversed(book["cells"]), own("print(1)")]
    names = [name_of(cell) for cell in cleaned(tmp_path, book).notebook.cells]
    assert names[0] == "cell 1" and names[1] == "why_manual" and names[-1] == "cell 11"


def test_of_an_added_cell_only_the_text_is_taken(tmp_path):
    book = good()
    extra = own("print(1)") | {
        "attachments": {"x.png": {"image/png": "AAAA"}},
        "outputs": [{"output_type": "display_data", "data": {"text/html": "<script>"}}],
        "metadata": {"mlsys": {"role": "hidden"}, "name": "double", "tags": ["x"]},
    }
    book["cells"].append(extra)
    assert cleaned(tmp_path, book).notebook.cells[-1] == {
        "cell_type": "code", "id": "own-10", "metadata": {"name": "cell 10"},
        "source": "print(1)", "outputs": [], "execution_count": None,
    }  # fmt: skip


def test_metadata_of_the_notebook_is_the_authors(tmp_path):
    book = good()
    book["metadata"] = {"mlsys": {"withholds": [], "limits": {"cell_s": 1e9}}, "kernelspec": {}}
    assert cleaned(tmp_path, book).notebook.metadata == source().metadata


def test_a_cell_that_pretends_to_be_a_test_is_an_ordinary_one(tmp_path):
    book = good()
    forged = {"grade": True, "solution": False, "locked": True, "points": 1000}
    cell = own("pass")
    cell["metadata"] = {"nbgrader": forged | {"grade_id": "bonus", "schema_version": 3}}
    book["cells"].append(cell)
    found = cleaned(tmp_path, book)
    assert found.tampered == ("cell 10",)
    assert "nbgrader" not in found.notebook.cells[-1].metadata


@pytest.mark.parametrize("name", ["double", "double_public", "why_manual"])
def test_an_answer_or_a_test_that_is_missing_or_doubled_is_invalid(tmp_path, name):
    without, twice = good(), good()
    without["cells"].remove(cell_of(without, name))
    twice["cells"].append(copy.deepcopy(cell_of(twice, name)))
    assert refused(tmp_path, without) == f"this cell is missing: {name}"
    assert refused(tmp_path, twice) == f"this cell is there more than once: {name}"


def test_all_missing_cells_are_named(tmp_path):
    reason = refused(tmp_path, good() | {"cells": []})
    assert reason.startswith("these cells are missing: double, double_public, double_hidden, total")


def test_prompts_are_put_back_where_they_were_and_their_copies_are_ordinary(tmp_path):
    book = good()
    book["cells"].remove(cell_of(book, "double_prompt"))
    book["cells"].remove(cell_of(book, "total_prompt"))
    book["cells"].append(copy.deepcopy(cell_of(book, "why_prompt")))
    found = cleaned(tmp_path, book)
    expected = [name_of(cell) for cell in source().cells] + ["cell 8"]
    assert [name_of(cell) for cell in found.notebook.cells] == expected
    assert found.tampered == ("double_prompt", "total_prompt")


def test_text_of_the_student_is_inert_and_code_is_left_alone(tmp_path):
    book = good(why_manual="<script>", double="x = '<script>'\n")
    book["cells"] += [own("<b>", "markdown"), own("<b>", "raw")]
    cells = cleaned(tmp_path, book).notebook
    assert cell_of(cells, "why_manual").source == f"<{INVISIBLE}script>"
    assert cell_of(cells, "double").source == "x = '<script>'\n"
    assert [(c.cell_type, c.source) for c in cells.cells[-2:]] == [
        ("markdown", f"<{INVISIBLE}b>")
    ] * 2


def test_preparing_and_cleaning_leave_the_source_as_it_was(tmp_path):
    book = source()
    before = copy.deepcopy(book)
    assignment = prepare(book)
    kept = copy.deepcopy(assignment)
    found = clean(read_submission(write(tmp_path, good())), assignment)
    found.notebook.cells[2].source = "changed"
    found.notebook.metadata.mlsys.title = "changed"
    assert book == before and assignment == kept
