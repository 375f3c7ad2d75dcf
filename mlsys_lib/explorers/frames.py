"""Many frames that differ little are stored as one table of lines and lists of line numbers.

Neighboring positions of a slider share their axes, labels and most of their marks. Stored once
a line, 64 frames weigh about as much as a handful.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class LineTable:
    r"""Unique lines, numbered in the order in which they first appear.

    >>> table = LineTable()
    >>> table.add("a\nb"), table.add("b\nc")
    ([0, 1], [1, 2])
    >>> table.text([1, 2])
    'b\nc'
    """

    lines: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def add(self, text: str) -> list[int]:
        """Store a text and return the numbers of its lines."""
        return [self._number(line) for line in text.split("\n")]

    def text(self, numbers: Iterable[int]) -> str:
        """Return the text that `add` turned into these numbers."""
        return "\n".join(self.lines[number] for number in numbers)

    def _number(self, line: str) -> int:
        if line not in self._numbers:
            self._numbers[line] = len(self.lines)
            self.lines.append(line)
        return self._numbers[line]
