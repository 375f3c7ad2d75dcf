"""What a page carries, read by a decoder that shares no code with the page's writer."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import pytest

from mlsys_lib.explorers import Explorer


def payload(page: str) -> dict[str, Any]:
    """Return the JSON that a page's script reads."""
    found = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def descend(data: dict[str, Any], keys: list[str]) -> int:
    """Follow the keys of a position down the tree to the number of its frame."""
    node = data["tree"]
    for key in keys:
        names = [unquote(entry[0]) for entry in data["lists"][node[0]]]
        node = node[1 + names.index(key)]
    return int(node)


@pytest.mark.parametrize("demo", ["wave", "turn"])
def test_the_page_holds_each_position_as_drawn(demo: str, request: pytest.FixtureRequest) -> None:
    explorer: Explorer = request.getfixturevalue(demo)
    data = payload(explorer.page())
    positions = list(explorer.positions())
    assert len(data["frames"]) == len(positions)
    for number, position in enumerate(positions):
        assert descend(data, [str(value) for value in position.values()]) == number
        alt, drawing, table = (
            "\n".join(data["lines"][line] for line in part) for part in data["frames"][number]
        )
        view = explorer.view(position)
        assert (alt, drawing) == (view.alt, view.svg)
        cells = [unescape(cell) for cell in re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", table)]
        shown = [f"{x:.6g}" if isinstance(x, float) else str(x) for r in view.rows for x in r]
        assert cells == [*view.header, *shown]


def test_shared_lines_are_stored_once(wave: Explorer) -> None:
    data = payload(wave.page())
    assert len(set(data["lines"])) == len(data["lines"])
    used = sum(len(part) for frame in data["frames"] for part in frame)
    assert len(data["lines"]) < used / 5


def test_values_read_as_formatted_in_the_lists(wave: Explorer) -> None:
    assert payload(wave.page())["lists"][0][2] == ["3", "3.0 V"]


class Outline(HTMLParser):
    """Open elements, checked against their ends."""

    VOID = frozenset({"input", "use", "path", "rect", "meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def test_the_section_is_well_formed_and_asks_nobody(wave: Explorer) -> None:
    outline = Outline()
    outline.feed(wave.page())
    assert outline.stack == []
    for _, attributes in outline.seen:
        address = attributes.get("src") or attributes.get("href") or "#"
        assert address.startswith("#"), address
    images = [a for _, a in outline.seen if a.get("role") == "img"]
    assert [a["aria-label"] for a in images] == ['A wave of "3" volts, 2 cycles.']


def test_a_closing_tag_in_a_text_cannot_end_the_script(turn: Explorer) -> None:
    """A description is data: it may hold any characters."""
    from dataclasses import replace

    nasty = "</script><!-- <script> & \u2028"
    explorer = replace(turn, describe=lambda _: nasty)
    page = explorer.page()
    outline = Outline()
    outline.feed(page)
    assert outline.stack == []
    data = payload(page)
    assert data["lines"][data["frames"][0][0][0]] == nasty
