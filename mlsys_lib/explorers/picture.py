"""A plain figure, dressed like the explorers: themed SVG with a description."""

import hashlib
from dataclasses import dataclass

from mlsys_lib.explorers.markup import panels, style_element
from mlsys_lib.plots import Figure
from mlsys_lib.plots.style import style
from mlsys_lib.plots.svg import to_svg


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure that can be read in both themes, on a phone, and aloud.

    Parameters
    ----------
    figure : Figure or tuple of Figure
        A tuple is a row of panels, which stack on a narrow screen.
    alt : str
        What the figure shows, in words.

    Raises
    ------
    ValueError
        If `alt` is blank or `figure` an empty tuple.
    """

    figure: Figure | tuple[Figure, ...]
    alt: str

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError(f"alt must say what the figure shows, got {self.alt!r}")
        if self.figure == ():
            raise ValueError("figure must hold at least one panel, got ()")

    def _repr_html_(self) -> str:
        figures = self.figure if isinstance(self.figure, tuple) else (self.figure,)
        salt = hashlib.sha256(self.alt.encode()).hexdigest()[:8]
        with style():
            svg = "\n".join(to_svg(figure, f"{salt}-{i}") for i, figure in enumerate(figures))
        return f'<figure class="mlsys">{style_element()}{panels(svg, self.alt)}</figure>'
