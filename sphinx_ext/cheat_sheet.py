"""The directive ``{cheat-sheet}``: the page *Cheat sheet*, made from the catalog at each build.

`row_lines` writes a row as MyST Markdown, and the directive lets Sphinx read it. So every link is
an ordinary reference: a label or a citation that does not exist is a warning, and warnings end the
build.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from docutils.statemachine import StringList  # type: ignore[import-untyped]
from exercise_box import label_of
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mlsys_lib.catalog import CATALOG_PATH, Catalog, Row, load_catalog

HERE = Path(__file__).parent
STYLE, SCRIPT = HERE / "cheat_sheet.css", HERE / "cheat_sheet.js"
STATES = {"here": "here now", "planned": "not here yet"}


def summary(catalog: Catalog) -> str:
    """Return the sentence that says how much of the sheet the book has."""
    here = sum(row.status == "here" for row in catalog.rows)
    return f"**{here} of {len(catalog.rows)} lines are here now.** The others say so."


def row_lines(row: Row) -> list[str]:
    """Return one row: its id and state, what it says, the formula, and where to go from here."""
    head = [
        *_container("sheet-id", [f"{{ref}}`{row.id} <{row.id.lower()}>`"]),
        *_container("sheet-kind", [row.kind]),
        *_container("sheet-state", [STATES[row.status]]),
    ]
    body = _container("sheet-head", head, fence=4) + _container("sheet-title", [row.title])
    if row.formula:
        body += ["```{math}", row.formula, "```", ""]
    body += _container("sheet-links", [f"* {link}" for link in _links(row)])
    return [f"({row.id.lower()})=", *_container(f"sheet-row sheet-{row.status}", body, fence=5)]


def _links(row: Row) -> list[str]:
    """Return what exists of: section, code, explorer, exercise, sources, erratum."""
    links = []
    if row.anchor:
        links.append(f"Book: {{ref}}`{row.label} <{row.label}>`")
    if row.symbols:
        links.append("Code: " + ", ".join(f"{{py:obj}}`~{symbol}`" for symbol in row.symbols))
    if row.explorer:
        label = row.explorer.rpartition(".")[2].replace("_", "-")  # stands above it in the chapter
        links.append(f"Explorer: {{ref}}`{label.removesuffix('-explorer')} <{label}>`")
    if row.exercise:
        title = row.exercise.replace("_", " ")
        links.append(f"Exercise: {{ref}}`{title} <{label_of(row.exercise)}>`")
    links.append("Source: " + ", ".join(f"{{cite:t}}`{key}`" for key in row.sources))
    if row.erratum:
        links.append(f"Erratum: {{ref}}`{row.erratum} <{row.erratum}>`")
    return links


def _container(classes: str, lines: list[str], fence: int = 3) -> list[str]:
    """Return the lines wrapped in a block with these classes; a longer fence may hold shorter."""
    return ["`" * fence + "{container} " + classes, *lines, "`" * fence, ""]


class CheatSheet(SphinxDirective):
    """Put all rows of the catalog, and the small style and script of the page, in its place."""

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the page: the filter, the count, and a section a subject."""
        for path in (CATALOG_PATH, STYLE, SCRIPT, Path(__file__)):
            self.env.note_dependency(str(path))
        catalog = load_catalog()
        sections = []
        for title in catalog.sections:
            section = self._section(title)
            for group in catalog.groups_of(title):
                part = self._section(group.title)
                for row in catalog.rows_of(group):
                    self._parse(row_lines(row), part)
                section += part
            sections.append(section)
        count = nodes.Element()
        self._parse([summary(catalog)], count)
        return [self._filter(), *count.children, *sections]

    def _section(self, title: str) -> nodes.section:
        section = nodes.section("", nodes.title("", title))
        section["names"] = [nodes.fully_normalize_name(title)]
        self.state.document.note_implicit_target(section, section)
        return section

    def _parse(self, lines: list[str], into: nodes.Element) -> None:
        self.state.nested_parse(StringList(lines, source=str(CATALOG_PATH)), 0, into)

    def _filter(self) -> nodes.raw:
        style, script = (path.read_text(encoding="utf-8") for path in (STYLE, SCRIPT))
        # The script fills the bar; without script it stays empty and takes no room.
        bar = '<div class="sheet-filter"></div>'
        text = f"<style>\n{style}</style>\n{bar}\n<script>\n{script}</script>"
        return nodes.raw("", text, format="html")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive with Sphinx."""
    app.add_directive("cheat-sheet", CheatSheet)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
