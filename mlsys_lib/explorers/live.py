"""An explorer under a running kernel: ipywidgets, any position computed when it is asked for.

Sliders report when they are let go (`continuous_update=False`), so requests do not queue up behind
a drag. An error in a position is shown in the place of the drawing and raised again: a notebook
that runs to the end has no hidden fault.
"""

import traceback
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from mlsys_lib.explorers.control import Control, Position, default_position, settle
from mlsys_lib.explorers.markup import panels, style_element, table_lines
from mlsys_lib.explorers.page import SUMMARY

if TYPE_CHECKING:
    from mlsys_lib.explorers.explorer import Explorer, View

_PLAY_INTERVAL_MS = 700


class LiveView:
    """Sliders, drawing and table of one explorer; `widget` is what a notebook displays.

    Parameters
    ----------
    explorer : Explorer
    """

    def __init__(self, explorer: "Explorer") -> None:
        self._explorer = explorer
        self._settling = False
        default = default_position(explorer.controls)
        self.sliders = {control.name: _slider(control, default) for control in explorer.controls}
        self.players = {
            control.name: self._player(control) for control in explorer.controls if control.play
        }
        self.drawing = widgets.HTML()
        self.table = widgets.HTML()
        data = widgets.Accordion(children=[self.table], selected_index=None)
        data.set_title(0, SUMMARY)
        title = widgets.HTML(f"<b>{escape(explorer.title)}</b>")
        rows = [self._row(control) for control in explorer.controls]
        self.widget = widgets.VBox([title, *rows, self.drawing, data])
        for slider in self.sliders.values():
            slider.observe(self._moved, names="index")
        self._show()

    @property
    def position(self) -> Position:
        """The position that the sliders stand at."""
        return {name: slider.value for name, slider in self.sliders.items()}

    def _player(self, control: Control) -> widgets.Play:
        """Return a button that walks a slider from left to right."""
        slider = self.sliders[control.name]

        def follow(change: Any) -> None:
            if not self._settling:
                slider.index = change.new

        player = widgets.Play(
            value=slider.index,
            max=len(slider.options) - 1,
            interval=_PLAY_INTERVAL_MS,
            show_repeat=False,
        )
        player.observe(follow, names="value")
        return player

    def _row(self, control: Control) -> widgets.Widget:
        slider = self.sliders[control.name]
        return widgets.HBox([slider, self.players[control.name]]) if control.play else slider

    def _moved(self, _change: Any) -> None:
        if self._settling:  # a slider that follows another one; the first move draws
            return
        self._settling = True
        try:
            self._settle()
        finally:
            self._settling = False
        self._show()

    def _settle(self) -> None:
        """Give each slider the values that the ones before it leave open."""
        earlier: Position = {}
        for control in self._explorer.controls:
            slider = self.sliders[control.name]
            choices = control.choices(earlier)
            if choices != tuple(value for _, value in slider.options):
                index = settle(slider.value, slider.index, choices)
                slider.options = _options(control, choices)
                slider.index = index
            if control.play:
                self.players[control.name].max = len(choices) - 1
                self.players[control.name].value = slider.index
            earlier[control.name] = slider.value

    def _show(self) -> None:
        try:
            view: View = self._explorer.view(self.position)
        except Exception as error:
            text = "".join(traceback.format_exception_only(error))
            message = f'<p class="mlsys-error" role="alert">{escape(text)}</p>'
            self.drawing.value = f'<div class="mlsys">{style_element()}{message}</div>'
            self.table.value = ""
            raise
        body = panels(view.svg, view.alt)
        self.drawing.value = f'<div class="mlsys" aria-live="polite">{style_element()}{body}</div>'
        table = f"<table>{table_lines(view.header, view.rows)}</table>"
        self.table.value = f'<div class="mlsys mlsys-data">{table}</div>'


def _options(control: Control, choices: tuple[Any, ...]) -> list[tuple[str, Any]]:
    return [(control.text(value), value) for value in choices]


def _slider(control: Control, default: Position) -> widgets.SelectionSlider:
    return widgets.SelectionSlider(
        options=_options(control, control.choices(default)),
        value=default[control.name],
        description=control.label or control.name,
        continuous_update=False,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="24rem", max_width="100%"),
    )
