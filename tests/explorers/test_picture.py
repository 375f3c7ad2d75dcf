"""A plain figure carries its description and the themed colors."""

import pytest
from matplotlib.figure import Figure

from mlsys_lib.explorers import Picture
from mlsys_lib.plots.style import ORANGE, panel, style


def test_a_picture_is_described_and_themed() -> None:
    figure, axes = panel()
    with style():
        axes.plot([0, 1], color=ORANGE)
    html = Picture(figure, alt='A "rising" line')._repr_html_()
    assert 'role="img" aria-label="A &quot;rising&quot; line"' in html
    assert "stroke:var(--mlsys-orange,#d55e00)" in html


def test_two_panels_stand_in_one_image() -> None:
    html = Picture((panel()[0], panel()[0]), alt="Two empty axes")._repr_html_()
    assert html.count("<svg") == 2
    assert html.count('role="img"') == 1


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_blank_description_is_refused(alt: str) -> None:
    with pytest.raises(ValueError, match="alt must say what the figure shows, got"):
        Picture(Figure(), alt=alt)


def test_no_panels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"figure must hold at least one panel, got \(\)"):
        Picture((), alt="nothing")
