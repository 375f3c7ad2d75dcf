import contextlib
import json
import os
import socket

import pytest

from mlsys_lib.grading import preflight
from mlsys_lib.grading.preflight import Invalid, read_submission
from tests.grading.notebooks import good, own, write


def reason_of(path):
    with pytest.raises(Invalid) as refused:
        read_submission(path)
    return refused.value.reason


def changed(**fields):
    return good() | fields


def with_cell(cell):
    return changed(cells=[*good()["cells"], cell])


def test_the_cells_come_back_in_order_with_their_claims(tmp_path):
    found = read_submission(write(tmp_path, good()))
    assert [cell.source for cell in found.cells] == [cell["source"] for cell in good()["cells"]]
    assert found.cells[2].grade_id == "double_public" and found.cells[2].claims["points"] == 1


def test_text_may_be_one_string_or_lines_and_may_start_with_a_byte_order_mark(tmp_path):
    book = good()
    for cell in book["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    lines = read_submission(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(book).encode()))
    assert lines.cells == read_submission(write(tmp_path, good())).cells


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path):
    book = with_cell(own("x = 1"))
    text = json.dumps(book).replace("x = 1", "x = '\\ud83d'")
    assert read_submission(write(tmp_path, text)).cells[-1].source == "x = '?'"


def test_what_a_cell_claims_may_be_any_json(tmp_path):
    for claims in (None, [], "x", {"grade_id": ["double"]}, {"grade_id": 3}):
        cell = own("x") | {"metadata": {"nbgrader": claims}}
        assert read_submission(write(tmp_path, with_cell(cell))).cells[-1].grade_id is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"   \n", "the file ends in the middle"),
        (json.dumps(good(), indent=1).encode()[:700], r"ends in the middle \(not JSON: line \d+\)"),
        (b'{"cells": [}', "the file is damaged"),
        ("é".encode("latin-1"), r"not UTF-8 \(byte 1\)"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"[" * 1_000_000, "nested too deeply|ends in the middle"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b'{"cells": [], "cells": []}', "a key occurs twice"),
        (b'{"nbformat": NaN}', "NaN is not JSON"),
        (b'{"nbformat": -Infinity}', "-Infinity is not JSON"),
        (b'{"nbformat": ' + b"4" * 5_000 + b"}", "a number that is too long"),
        (b"4", "not a notebook"),
        (b"[]", "not a notebook"),
        (b"null", "not a notebook"),
        (b"{}", "does not say its nbformat"),
        (b'{"nbformat": 4}', "no list of cells"),
        (b"\x00" * 50, "ends in the middle"),
        (b"%PDF-1.7", "ends in the middle"),
    ],
)
def test_a_file_that_is_no_notebook_is_invalid_and_says_why(tmp_path, content, reason):
    path = write(tmp_path, content)
    with pytest.raises(Invalid, match=reason) as refused:
        read_submission(path)
    assert (len(refused.value.digest) == 64) == bool(content)


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        (changed(nbformat=3), "format 3, needed is 4"),
        (changed(nbformat=5), "format 5, needed is 4"),
        (changed(nbformat="4"), "does not say its nbformat"),
        (changed(nbformat=True), "does not say its nbformat"),
        (changed(nbformat=10**4000), "format 1000"),
        (changed(cells={"0": own("x")}), "no list of cells"),
        (with_cell("x"), "cell 10 is not a JSON object"),
        (with_cell(own("x") | {"cell_type": "heading"}), "cell 10 is neither code"),
        (with_cell(own("x") | {"cell_type": ["code"]}), "cell 10 is neither code"),
        (with_cell(own("x") | {"source": 3}), "cell 10 has no text"),
        (with_cell(own("x") | {"source": ["x", 3]}), "cell 10 has no text"),
        (with_cell({"cell_type": "code", "metadata": {}}), "cell 10 has no text"),
        (with_cell(own("x") | {"metadata": []}), "metadata of cell 10"),
        (changed(cells=[own("x")] * 3_000), "3,000 cells"),
    ],
)
def test_a_notebook_of_another_shape_is_invalid_and_says_why(tmp_path, book, reason):
    assert reason in reason_of(write(tmp_path, book))


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "huge.ipynb"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)
    monkeypatch.setattr(preflight, "open", None, raising=False)  # reading would be an error
    assert "209,715,200 bytes" in reason_of(path)


def test_a_file_that_grows_while_it_is_read_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "MAX_FILE_BYTES", 10)
    path = write(tmp_path, b"x" * 100)
    real = os.fstat

    def small(descriptor):
        found = list(real(descriptor))
        found[6] = 5  # st_size
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", small)
    assert "11 bytes" in reason_of(path)


def test_a_link_is_not_followed(tmp_path):
    write(tmp_path, good())
    link = tmp_path / "link.ipynb"
    link.symlink_to(tmp_path / "sums.ipynb")
    assert reason_of(link) == "there is a link to another file, not a file"


def test_folders_pipes_sockets_and_devices_are_not_read(tmp_path):
    pipe, door = tmp_path / "pipe", tmp_path / "door"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(door))
        assert reason_of(door) == "there is a socket, not a file"
    assert reason_of(pipe) == "there is a pipe, not a file"
    assert reason_of(tmp_path) == "there is a folder, not a file"
    assert reason_of(tmp_path / "none") == "there is no file"
    assert reason_of(preflight.Path("/dev/zero")) == "there is a device, not a file"


def test_no_descriptor_is_left_open(tmp_path):
    lowest = os.dup(0)
    os.close(lowest)
    for path in (tmp_path, write(tmp_path, b""), write(tmp_path, good())):
        with contextlib.suppress(Invalid):
            read_submission(path)
    after = os.dup(0)
    os.close(after)
    assert after == lowest
