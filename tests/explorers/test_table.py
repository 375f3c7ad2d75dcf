"""A table of computed values."""

import pytest

from mlsys_lib.explorers import Table


def test_values_and_caption_are_escaped():
    """What a cell computes cannot break the page."""
    html = Table(("a<b",), [("<script>",)], caption="x & y")._repr_html_()
    assert '<th scope="col">a&lt;b</th>' in html
    assert "&lt;script&gt;" in html
    assert "<caption>x &amp; y</caption>" in html


def test_a_row_of_another_length_is_refused():
    """The message shows the row."""
    with pytest.raises(ValueError, match="rows must have 2 values, got 1"):
        Table(("a", "b"), [(1, 2), (3,)], caption="c")


def test_a_number_and_its_unit_stay_on_one_line():
    html = Table(("a", "b"), [("8 100 000", "rows of 3 000 pictures, 1.9 MB")], "c")._repr_html_()
    assert "8\xa0100\xa0000" in html
    assert "rows of 3\xa0000 pictures, 1.9\xa0MB" in html
