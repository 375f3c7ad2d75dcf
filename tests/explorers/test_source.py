"""A chapter shows the library's own lines."""

import inspect

import pytest

from mlsys_lib.collectives import ring
from mlsys_lib.explorers import Source


def test_every_line_of_the_body_is_the_librarys():
    """Nothing is shown that does not stand in the file."""
    source = inspect.getsource(ring.ring_all_reduce)
    shown = Source(ring.ring_all_reduce).text
    for line in shown.splitlines():
        assert line.replace('"""', "").strip() in source
    assert "_all_gather(comm, chunks, first=1)" in shown


def test_docstrings_are_cut_to_their_first_line():
    """The body fits on the page; the whole docstring is in the API reference."""
    shown = Source(ring.ring_all_reduce).text
    assert "every rank gets the result." in shown
    assert "Parameters" not in shown


@pytest.mark.parametrize(("static", "marker"), [("1", 'class="k"'), ("0", "style=")])
def test_colors_follow_the_page_or_stand_alone(monkeypatch, static, marker):
    """The built page has a style sheet for the classes, a live notebook has not."""
    monkeypatch.setenv("MLSYS_STATIC", static)
    assert marker in Source(ring.ring_all_reduce)._repr_html_()


def test_too_long_is_refused():
    """Forty lines are what a reader takes in at once."""
    with pytest.raises(ValueError, match="symbols must have at most 40 lines, got"):
        Source(*[ring.ring_all_reduce] * 6)
