"""The pieces of HTML that the page, the live view and the pictures share."""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import Any

from mlsys_lib.plots.style import css_variables

# Between groups of digits, and before a unit: no line may end there.
_INSIDE_A_NUMBER = re.compile(r"(?<=\d) (?=\d{3}\b|[kMGT]?B\b|[mµn]?s\b)")


def source(file_name: str) -> str:
    """Return a file of this package without its comments and its indentation."""
    text = resources.files(__package__).joinpath(file_name).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/|^\s*//.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


@cache
def style_element() -> str:
    """Return the style sheet, the palette of both themes filled in."""
    sheet = source("explorer.css")
    for theme in ("light", "dark"):
        sheet = sheet.replace(f"--palette:{theme};", css_variables(theme))
    return f"<style>{sheet}</style>"


def panels(svg: str, alt: str) -> str:
    """Return the drawing as one image with a description, its panels side by side."""
    return f'<div class="mlsys-panels" role="img" aria-label="{escape(alt)}">{svg}</div>'


def table_lines(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return the inside of a table element, one row a line."""
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in header)
    body = [f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows]
    return "\n".join([f"<thead><tr>{head}</tr></thead><tbody>", *body, "</tbody>"])


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = _INSIDE_A_NUMBER.sub("\N{NO-BREAK SPACE}", text)
    return f"<td>{escape(text)}</td>"
