"""An explorer: sliders over a pure computation, declared once and shown in two ways.

In the built book there is no kernel, so every position is drawn ahead and a small script swaps
the drawings (`page`). Under a kernel the position asked for is computed on demand (`live`). Both
get their drawings from `Explorer.frame`, so they cannot disagree.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from mlsys_lib.core.static_build import is_static_build
from mlsys_lib.explorers.control import (
    Control,
    Position,
    default_position,
    describe_position,
    walk,
)
from mlsys_lib.plots import Figure
from mlsys_lib.plots.style import style
from mlsys_lib.plots.svg import to_svg

if TYPE_CHECKING:
    from ipywidgets import Widget

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


class Plot(Protocol):
    """Makes its figure and artists when created; `draw` moves them and returns the figure."""

    def draw(self, result: Any, /) -> Figure | tuple[Figure, ...]:
        """Show this result in the same artists; a tuple of figures is a row of panels."""


@dataclass(frozen=True)
class View:
    """What a reader meets at one position: a drawing, its description, and its numbers."""

    svg: str
    alt: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Explorer:
    """Sliders, a drawing and the numbers behind it.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and hyphens; unique on its page, whose address it appears in.
    title : str
        Stands above the sliders.
    compute : callable
        Pure function of the controls, `compute(workers=8, step=0)`.
    plot : callable
        Makes a `Plot`; called once, its `draw` at every position.
    controls : sequence of Control
        From first to last; the values of one may depend on those before it.
    describe : callable
        From the result to the alternative text: what the drawing shows, in words.
    table : callable
        From the result to `(header, rows)`, the data behind the drawing.

    Raises
    ------
    ValueError
        If a name is malformed or used twice, the controls are not the parameters of `compute`,
        or a default is not a value.
    """

    name: str
    title: str
    compute: Callable[..., Any]
    plot: Callable[[], Plot]
    controls: Sequence[Control]
    describe: Callable[[Any], str]
    table: Callable[[Any], Table]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            raise ValueError(f"name of an explorer must match [a-z][a-z0-9-]*, got {self.name!r}")
        if not self.controls:
            raise ValueError(f"controls of explorer {self.name!r} must not be empty, got ()")
        _require_order(self.controls)
        _require_parameters(self.compute, [control.name for control in self.controls])
        default_position(self.controls)

    def __repr__(self) -> str:
        return f"Explorer {self.name!r}: {self.title}"

    @property
    def default(self) -> Position:
        """The position shown first."""
        return default_position(self.controls)

    def positions(self) -> Iterator[Position]:
        """Yield every position, the last control moving fastest."""
        return walk(self.controls)

    def frame(self, position: Position) -> str:
        """Return the drawing at a position as the SVG that is shipped, one element a panel."""
        return self.view(position).svg

    def view(self, position: Position) -> View:
        """Compute, draw, describe and tabulate one position.

        Raises
        ------
        ValueError
            If the position is not one of `positions()`.
        Exception
            Whatever the explorer's functions raise, with a note that names the position.
        """
        self._require_position(position)
        try:
            result = self.compute(**position)
            header, rows = self.table(result)
            svg = self._draw(self._plot, result)
            return View(
                svg, self.describe(result), tuple(header), tuple(tuple(row) for row in rows)
            )
        except Exception as error:
            error.add_note(f"in explorer {self.name!r} at {describe_position(position)}")
            raise

    def fresh_frame(self, position: Position) -> str:
        """Draw a position with a plot of its own: what `frame` must equal at every position."""
        with style():
            plot = self.plot()
        return self._draw(plot, self.compute(**position))

    def live(self) -> "Widget":
        """Return the view for a running kernel, an ipywidgets widget."""
        from mlsys_lib.explorers.live import LiveView

        return LiveView(self).widget

    def page(self) -> str:
        """Return the view for a page without a kernel, as HTML; draws every position."""
        from mlsys_lib.explorers.page import page_html

        return page_html(self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        if is_static_build():
            return {"text/html": self.page()}
        return {
            "text/plain": repr(self),
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.live().model_id,
            },
        }

    @cached_property
    def _plot(self) -> Plot:
        with style():
            return self.plot()

    def _draw(self, plot: Plot, result: Any) -> str:
        with style():
            drawn = plot.draw(result)
            panels = drawn if isinstance(drawn, tuple) else (drawn,)
            salts = (f"{self.name}-{number}" for number in range(len(panels)))
            return "\n".join(map(to_svg, panels, salts))

    def _require_position(self, position: Position) -> None:
        names = [control.name for control in self.controls]
        if sorted(position) != sorted(names):
            raise ValueError(f"position must name the controls {names}, got {position!r}")
        for control in self.controls:
            choices = control.choices(position)
            if position[control.name] not in choices:
                raise ValueError(
                    f"{control.name} must be one of {choices}, got {position[control.name]!r}"
                )


def _require_order(controls: Sequence[Control]) -> None:
    """Refuse a name used twice, and values that depend on a later control."""
    seen: list[str] = []
    for control in controls:
        if control.name in seen:
            raise ValueError(f"names of controls must differ, got {control.name!r} twice")
        late = [name for name in control.depends_on if name not in seen]
        if late:
            raise ValueError(
                f"values of control {control.name!r} must depend on earlier controls, got {late}"
            )
        seen.append(control.name)


def _require_parameters(compute: Callable[..., Any], names: Sequence[str]) -> None:
    """Refuse controls that cannot be the keyword arguments of `compute`."""
    signature = inspect.signature(compute)
    try:
        signature.bind(**dict.fromkeys(names))
    except TypeError as error:
        raise ValueError(
            f"parameters of compute must be the controls {list(names)}, got {signature} ({error})"
        ) from error
