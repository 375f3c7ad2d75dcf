"""The palette: told apart by every reader, and seen on both backgrounds."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mlsys_lib.plots.style import LINE_COLORS, LINE_DASHES, THEMES, css_variables, panel, style

# Machado, Oliveira & Fernandes, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", IEEE TVCG 15(6), 2009, severity 1.0; they act on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
RGB_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
D65 = np.array([0.9505, 1.0, 1.089])
HUES = {name: (light, dark) for name, light, dark in THEMES}
LINES = [name for name, light, _ in THEMES if light in LINE_COLORS]


def linear(color: str) -> np.ndarray:
    """Return linear RGB, shape (3,)."""
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(color: str, vision: str) -> np.ndarray:
    """Return CIE L*a*b* of a color as someone with this vision sees it, shape (3,)."""
    seen = np.clip(VISION[vision] @ linear(color), 0, 1)
    x, y, z = np.cbrt(np.maximum(RGB_TO_XYZ @ seen / D65, (6 / 29) ** 3))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    light, dark = sorted((float(RGB_TO_XYZ[1] @ linear(c)) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_line_colors_can_be_told_apart(vision: str, theme: int) -> None:
    """Ten units of CIE76, four just noticeable differences, lie between any two."""
    for one, other in combinations(LINES, 2):
        distance = np.linalg.norm(lab(HUES[one][theme], vision) - lab(HUES[other][theme], vision))
        assert distance > 10, (one, other, distance)


def test_the_distance_test_can_fail() -> None:
    """A red and a green of one lightness collapse for a deuteranope, and not for others."""
    red, green = "#c04040", "#5f7a20"
    assert np.linalg.norm(lab(red, "normal") - lab(green, "normal")) > 50
    assert np.linalg.norm(lab(red, "deuteranopia") - lab(green, "deuteranopia")) < 15


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_lines_stand_out_from_the_page(theme: int) -> None:
    """WCAG 2.2, 1.4.11: graphics need 3:1, text 4.5:1."""
    paper = HUES["paper"][theme]
    for name in LINES:
        assert contrast(HUES[name][theme], paper) >= 3, name
    for name in ("ink", "muted"):
        assert contrast(HUES[name][theme], paper) >= 4.5, name


def test_each_line_of_a_cycle_has_its_own_dash() -> None:
    assert len(set(map(str, LINE_DASHES))) == len(LINE_COLORS)


def test_the_variables_of_both_themes_have_the_same_names() -> None:
    light, dark = (
        [v.split(":")[0] for v in css_variables(t).split(";")] for t in ("light", "dark")
    )
    assert light == dark
    with pytest.raises(ValueError, match="theme must be 'light' or 'dark', got 'grey'"):
        css_variables("grey")


def test_the_style_ends_with_its_block() -> None:
    import matplotlib

    before = matplotlib.rcParams["figure.facecolor"]
    with style(axes__grid=True):
        assert matplotlib.rcParams["axes.grid"]
        assert matplotlib.rcParams["figure.facecolor"] == "none"
    assert matplotlib.rcParams["figure.facecolor"] == before


def test_the_layout_of_a_panel_does_not_follow_its_contents() -> None:
    figure, axes = panel(title="t", xlabel="x", ylabel="y")
    before = axes.get_position().bounds
    axes.set_ylabel("a much longer label\nof two lines")
    figure.draw_without_rendering()
    assert axes.get_position().bounds == before


def test_log_ticks_are_plain_characters_and_few() -> None:
    figure, axes = panel(xscale="log", xlim=(1, 1e6))
    figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert "10⁴" in labels
    assert not any("$" in label for label in labels)
    assert len(axes.xaxis.get_minorticklocs()) == 0
