"""A small table in a chapter: computed cells under a caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from mlsys_lib.explorers.markup import style_element, table_lines


@dataclass(frozen=True)
class Table:
    """Rows of values that a cell has computed.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences
        As many values as the header has names; floats are shown with six significant digits.
    caption : str
        What the table shows, in words.

    Raises
    ------
    ValueError
        If a row has another length than the header.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"rows must have {len(self.header)} values, got {len(row)}: {row}")

    def _repr_html_(self) -> str:
        caption = f"<caption>{escape(self.caption)}</caption>"
        table = f"<table>{caption}{table_lines(self.header, self.rows)}</table>"
        return f'<div class="mlsys mlsys-table" tabindex="0">{style_element()}{table}</div>'
