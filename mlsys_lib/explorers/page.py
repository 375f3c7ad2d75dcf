"""An explorer for a page without a kernel: every position drawn ahead, and a small script.

The section stands on its own: no other file, no other host. Without JavaScript it shows the
default position and its numbers; the sliders stay hidden.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlsys_lib.explorers.control import Control, Position
from mlsys_lib.explorers.frames import LineTable
from mlsys_lib.explorers.markup import panels, source, style_element, table_lines

if TYPE_CHECKING:
    from mlsys_lib.explorers.explorer import Explorer

SUMMARY = "The numbers behind this picture"
_NO_SCRIPT = "The sliders need JavaScript. This is the picture at their starting values."

Tree = list[Any]


@dataclass
class PageData:
    """What the script reads: every frame, and the way from the controls to a frame.

    Attributes
    ----------
    lines : LineTable
        Every line of every frame, once.
    frames : list of [description, drawing, table]
        Each a list of line numbers, in the order of `Explorer.positions()`.
    lists : list of [[key, text], …]
        The sets of values that occur; `key` stands in the page's address.
    tree : list
        `[number of a list, child of its first value, …]`; below the last control the children
        are numbers of frames.
    """

    lines: LineTable = field(default_factory=LineTable)
    frames: list[list[list[int]]] = field(default_factory=list)
    lists: list[list[list[str]]] = field(default_factory=list)
    tree: Tree = field(default_factory=list)

    def script(self) -> str:
        """Return the data as JSON that can stand inside a script element."""
        content = {
            "tree": self.tree,
            "lists": self.lists,
            "frames": self.frames,
            "lines": self.lines.lines,
        }
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return text.replace("</", "<\\/").replace("<!", "\\u003c!")


def page_html(explorer: "Explorer") -> str:
    """Return an explorer as one self-contained section of HTML."""
    data = collect(explorer)
    first = list(explorer.positions()).index(explorer.default)
    alt, svg, table = map(data.lines.text, data.frames[first])
    return "\n".join(
        [
            f'<section class="mlsys mlsys-explorer" data-name="{explorer.name}" '
            f'data-frame="{first}" aria-label="{escape(explorer.title)}">',
            style_element(),
            f'<p class="mlsys-title">{escape(explorer.title)}</p>',
            f'<div class="mlsys-controls" hidden>{"".join(_controls(explorer))}</div>',
            f'<p class="mlsys-still">{_NO_SCRIPT}</p>',
            panels(svg, alt),
            '<p class="mlsys-live" aria-live="polite"></p>',
            f'<details class="mlsys-data"><summary>{SUMMARY}</summary>'
            '<div class="mlsys-scroll" tabindex="0">'
            f"<table>{table}</table></div></details>",
            f'<script type="application/json">{data.script()}</script>',
            f"<script>{source('explorer.js')}</script>",
            "</section>",
        ]
    )


def collect(explorer: "Explorer") -> PageData:
    """Compute and draw every position.

    Raises
    ------
    Exception
        Whatever a position raises, with a note that names it: a page is whole or not built.
    """
    data = PageData()
    for position in explorer.positions():
        view = explorer.view(position)
        texts = (view.alt, view.svg, table_lines(view.header, view.rows))
        data.frames.append([data.lines.add(text) for text in texts])
    data.tree = _tree(explorer.controls, {}, data.lists, iter(range(len(data.frames))))
    return data


def _tree(
    controls: Sequence[Control],
    earlier: Position,
    lists: list[list[list[str]]],
    frame_numbers: Iterator[int],
) -> Any:
    """Return the tree below the controls already set; leaves take the next frame number."""
    if len(earlier) == len(controls):
        return next(frame_numbers)
    control = controls[len(earlier)]
    choices = control.choices(earlier)
    entries = [[quote(str(value), safe=""), control.text(value)] for value in choices]
    if entries not in lists:
        lists.append(entries)
    below = [
        _tree(controls, {**earlier, control.name: value}, lists, frame_numbers) for value in choices
    ]
    return [lists.index(entries), *below]


def _controls(explorer: "Explorer") -> Iterator[str]:
    """Yield one row of HTML a control: label, slider, value, and a button if it can play."""
    default = explorer.default
    for control in explorer.controls:
        choices = control.choices(default)
        value = default[control.name]
        shown, label = escape(control.text(value)), escape(control.label or control.name)
        button = (
            f'<button type="button" aria-pressed="false" aria-label="Play {label}"></button>'
            if control.play
            else ""
        )
        yield (
            f'<div class="mlsys-control" data-control="{control.name}"><label><span>{label}</span>'
            f'<input type="range" min="0" max="{len(choices) - 1}" step="1" '
            f'value="{choices.index(value)}" aria-valuetext="{shown}" autocomplete="off"></label>'
            f"<output>{shown}</output>{button}</div>"
        )
