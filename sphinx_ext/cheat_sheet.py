"""The directive ``{cheat-sheet}``: the page *Cheat sheet*, made from the catalog at each build.

`page_lines` writes the page as MyST Markdown, and the directive lets Sphinx read it. So every link
is an ordinary reference: a label, a symbol or a citation that does not exist is a warning, and
warnings end the build.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from docutils.statemachine import StringList  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mlsys_lib.catalog import CATALOG_PATH, Catalog, Row, load_catalog

HERE = Path(__file__).parent
STYLE, SCRIPT = HERE / "cheat_sheet.css", HERE / "cheat_sheet.js"


def page_lines(catalog: Catalog) -> list[str]:
    """Return the body of the page as lines of MyST Markdown, sections as first-level headings."""
    here = sum(row.status == "here" for row in catalog.rows)
    lines = [f"**{here} of {len(catalog.rows)} lines are here now.** The others say so.", ""]
    for section in catalog.sections:
        lines += [f"# {section}", ""]
        for group in catalog.groups_of(section):
            lines += [f"## {group.title}", ""]
            for row in catalog.rows_of(group):
                lines += row_lines(row)
    return lines


def row_lines(row: Row) -> list[str]:
    """Return one row: its id and state, what it says, the formula, and where to go from here."""
    state = "here now" if row.status == "here" else "not here yet"
    head = [
        *container("sheet-id", [f"{{ref}}`{row.id} <{row.id.lower()}>`"]),
        *container("sheet-kind", [row.kind]),
        *container("sheet-state", [state]),
    ]
    body = container("sheet-head", head, fence=4) + container("sheet-title", [row.title])
    if row.formula:
        body += ["```{math}", row.formula, "```", ""]
    body += container("sheet-links", _links(row))
    return [f"({row.id.lower()})=", *container(f"sheet-row sheet-{row.status}", body, fence=5)]


def _links(row: Row) -> list[str]:
    """Return a list: book, code, explorer, exercise, sources, erratum, where each exists."""
    links = []
    if row.anchor:
        links.append(f"Book: {{ref}}`{row.label} <{row.label}>`")
    if row.symbols:
        links.append("Code: " + ", ".join(f"{{py:obj}}`~{symbol}`" for symbol in row.symbols))
    if row.explorer:
        name = row.explorer.rpartition(".")[2].removesuffix("_explorer")
        links.append(f"Explorer: {{ref}}`{name} <{row.label}>`")
    if row.exercise:
        links.append(f"Exercise: {row.exercise}")
    links.append("Source: " + ", ".join(f"{{cite:t}}`{key}`" for key in row.sources))
    if row.erratum:
        links.append(f"Erratum: {{ref}}`{row.erratum} <{row.erratum}>`")
    return [f"* {link}" for link in links]


def container(classes: str, lines: list[str], fence: int = 3) -> list[str]:
    """Return the lines wrapped in a block with these classes; a longer fence may hold shorter."""
    return ["`" * fence + "{container} " + classes, *lines, "`" * fence, ""]


class CheatSheet(SphinxDirective):
    """Put all rows of the catalog, and the small style and script of the page, in its place."""

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the page."""
        for path in (CATALOG_PATH, STYLE, SCRIPT, Path(__file__)):
            self.env.note_dependency(str(path))
        page = nodes.section()
        lines = StringList(page_lines(load_catalog()), source=str(CATALOG_PATH))
        self.state.nested_parse(lines, 0, page, match_titles=True)
        style = f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>"
        style += '<div class="sheet-filter"></div>'  # filled by the script, empty without
        script = f"<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>"
        return [
            nodes.raw("", style, format="html"),
            *page.children,
            nodes.raw("", script, format="html"),
        ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive with Sphinx."""
    app.add_directive("cheat-sheet", CheatSheet)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
