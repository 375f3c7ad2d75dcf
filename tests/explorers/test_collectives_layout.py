"""The drawings can be read: every text lies inside its panel, large enough, and on no other."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from mlsys_lib.explorers import Explorer
from mlsys_lib.explorers.collectives import race_explorer, ring_explorer, straggler_explorer
from mlsys_lib.plots.style import style

SMALLEST_POINTS = 8.5  # at 390 px, a phone, a panel of 4.4 inches is shown at about its own size


def texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return every text that is seen, and where, in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    seen, hidden = [], ticks_out_of_sight(figure)
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden:
            assert text.get_fontsize() >= SMALLEST_POINTS, text.get_text()
            seen.append((text.get_text(), Text.get_window_extent(text, canvas.get_renderer())))
    return seen


def ticks_out_of_sight(figure: Figure) -> set[Text]:
    """Return the labels of ticks beyond the ends of their axis, which matplotlib does not draw."""
    hidden = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = axis.get_major_ticks()
        hidden |= {tick.label1 for tick in ticks if not low <= tick.get_loc() <= high}
    return hidden


@pytest.mark.parametrize("make", [ring_explorer, race_explorer, straggler_explorer])
def test_no_text_leaves_its_panel_or_touches_another(make: Callable[[], Explorer]) -> None:
    explorer = make()
    with style():
        plot = explorer.plot()
        for position in list(explorer.positions())[::7]:
            drawn: Any = plot.draw(explorer.compute(**position))  # pairs of panels
            for figure in drawn:
                found = texts(figure)
                for text, box in found:
                    inside = Bbox.intersection(box, figure.bbox)
                    assert inside is not None, (position, text)
                    assert inside.width * inside.height > 0.98 * box.width * box.height, text
                for (one, a), (other, b) in combinations(found, 2):
                    assert not a.shrunk(0.9, 0.8).overlaps(b.shrunk(0.9, 0.8)), (
                        position,
                        one,
                        other,
                    )
