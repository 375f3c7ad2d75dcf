import pytest

from mlsys_lib.core.progress import progress
from mlsys_lib.core.static_build import VARIABLE


def test_a_live_reader_sees_the_label_and_gets_the_same_items(monkeypatch, capsys):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert list(progress([3, 1, 2], "rounds")) == [3, 1, 2]
    assert "rounds" in capsys.readouterr().err


def test_the_bar_is_gone_at_the_end(monkeypatch, capsys):
    monkeypatch.delenv(VARIABLE, raising=False)
    list(progress(range(3), "rounds"))
    assert capsys.readouterr().err.split("\r")[-1].strip() == ""


def test_a_built_page_keeps_no_trace(monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, "1")
    items = [3, 1, 2]
    assert progress(items, "rounds") is items
    assert capsys.readouterr() == ("", "")


def test_swapped_arguments_are_an_error():
    with pytest.raises(TypeError, match="label must be a str, got range"):
        progress("rounds", range(3))
