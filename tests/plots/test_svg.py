"""Figures as shipped: small, themed, deterministic, and their texts untouched."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure

from mlsys_lib.plots.style import BLUE, CYCLE, INK, PAPER, THEMES, panel, style
from mlsys_lib.plots.svg import to_svg


@pytest.fixture
def busy() -> Figure:
    """Lines, bars, hatches, a legend, a formula, an image and an awkward text."""
    figure, axes = panel(title="1.23456 < 2 & 3", xlabel="α")
    with style():
        for k, _ in enumerate(CYCLE):
            axes.plot([0, 1, 2], [k, k + 0.123456, k], label=f"line {k}")
        axes.bar([0, 1], [1, 2], color=BLUE, hatch="//", edgecolor=PAPER)
        axes.axhline(0.5, color="black")
        axes.text(1, 1, "black  10.00", color="black", rotation=30)
        axes.text(1, 2, r"$x_1^2$", color=INK)
        axes.imshow(np.eye(3), extent=(0, 1, 0, 1), aspect="auto")
        axes.legend()
    return figure


def test_it_is_well_formed_and_its_size_is_the_figures(busy: Figure) -> None:
    root = ET.fromstring(to_svg(busy, "a"))
    assert root.attrib["viewBox"] == "0 0 316.8 216"


def test_texts_are_not_rounded_or_recolored(busy: Figure) -> None:
    busy.axes[0].text(0, 0, "#0072b2")
    busy.axes[0].text(0, 1, 'an id="x" and style="fill: none"')
    texts = {element.text for element in ET.fromstring(to_svg(busy, "a")).iter("text")}
    assert {"1.23456 < 2 & 3", "black  10.00", "α", "line 3", "#0072b2"} <= texts
    assert 'an id="x" and style="fill: none"' in texts


def test_palette_colors_appear_only_as_variables(busy: Figure) -> None:
    svg = to_svg(busy, "a")
    bare = re.sub(r"var\(--mlsys-\w+,#[0-9a-f]{6}\)", "", svg)
    for name, light, _ in THEMES:
        assert light not in bare, name
    assert "var(--mlsys-blue,#0072b2)" in svg
    assert "#000000" not in svg


def test_no_rule_leaks_into_the_page(busy: Figure) -> None:
    svg = to_svg(busy, "a")
    assert "<style" not in svg
    assert "<?xml" not in svg
    assert "<!" not in svg
    assert "<metadata" not in svg


def test_ids_are_those_that_are_referred_to_and_differ_by_salt(busy: Figure) -> None:
    one, other = to_svg(busy, "a"), to_svg(busy, "b")
    ids = re.findall(r'\sid="([^"]*)"', one)
    assert len(ids) == len(set(ids)) > 0
    assert set(ids) == set(re.findall(r"(?:url\(|href=\")#([\w.-]+)", one))
    assert not set(ids) & set(re.findall(r'\sid="([^"]*)"', other))


def test_coordinates_stay_within_a_hundredth_of_a_point() -> None:
    figure, axes = panel(xlim=(0, 1), ylim=(0, 1))
    (line,) = axes.plot([0.1, 0.7654321], [0.2, 0.3456789])
    path = re.search(r'd="(M [^"]*)" clip-path', to_svg(figure, "a"))
    assert path
    numbers = np.array([float(word) for word in path[1].split() if word not in "ML"])
    expected = axes.transData.transform(line.get_xydata()) * 72 / figure.dpi
    expected[:, 1] = 216 - expected[:, 1]
    np.testing.assert_allclose(numbers, expected.ravel(), atol=0.0101)


def test_same_figure_and_salt_give_the_same_text(busy: Figure) -> None:
    assert to_svg(busy, "a") == to_svg(busy, "a")


def test_one_moved_mark_changes_one_line() -> None:
    """What lets frames share lines."""
    figure, axes = panel(xlim=(0, 1), ylim=(0, 1))
    dots = [axes.plot([x], [0.5])[0] for x in (0.2, 0.4, 0.6)]
    before = to_svg(figure, "a").split("\n")
    dots[1].set_ydata([0.7])
    after = to_svg(figure, "a").split("\n")
    changed = [old for old, new in zip(before, after, strict=True) if old != new]
    assert 1 <= len(changed) <= 2  # the line of one point, and its marker
