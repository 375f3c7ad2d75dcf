"""The index of the book: the rows of `catalog.toml` as checked, frozen objects.

Each line of the cheat sheet is a `Row`: what it says, where the book teaches it, which code does
it, which paper it is from, and whether it is here yet. The page *Cheat sheet* is made from these
rows at every build, so the page and the book cannot drift apart.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

CATALOG_PATH = Path(__file__).with_name("catalog.toml")
KINDS = ("system", "algorithm", "formula", "cost", "table", "claim", "definition")
STATUSES = ("here", "planned")

_ID = re.compile(r"[A-Z]+-\d\d")
_ERRATUM = re.compile(r"E-\d\d")
_ANCHOR = re.compile(r"[a-z_]+#[a-z0-9-]+")
_SYMBOL = re.compile(r"mlsys_lib(\.\w+)+")
_BIB_KEY = re.compile(r"[a-z]+\d{4}[a-z0-9]+")


@dataclass(frozen=True)
class Group:
    """A run of rows that belong together: `prefix` is how their ids begin."""

    prefix: str
    title: str
    section: str


@dataclass(frozen=True)
class Row:
    """One line of the cheat sheet.

    Attributes
    ----------
    id : str
        Group prefix and two digits, such as ``COM-08``.
    kind : str
        One of `KINDS`.
    title : str
        The line in one sentence; where the sheet is wrong, the right statement.
    formula : str
        LaTeX without dollar signs in the notation of the book, or empty.
    anchor : str
        ``page#label`` of the section that teaches it, or empty.
    symbols : tuple of str
        Dotted names that can be imported.
    explorer : str
        Dotted name of the function that returns the explorer, or empty.
    exercise : str
        Name of the exercise that practises it, or empty.
    sources : tuple of str
        Keys of the bibliography, the primary source first.
    erratum : str
        Anchor in the errata, such as ``E-30``, or empty.
    status : str
        ``here`` (taught and coded) or ``planned``.
    """

    id: str
    kind: str
    title: str
    sources: tuple[str, ...]
    formula: str = ""
    anchor: str = ""
    symbols: tuple[str, ...] = ()
    explorer: str = ""
    exercise: str = ""
    erratum: str = ""
    status: str = "planned"

    def __post_init__(self) -> None:
        """Refuse a row that the page could not show truthfully."""
        self._require(_matches(_ID, self.id), "id must be a prefix and two digits", self.id)
        self._require(self.kind in KINDS, f"kind must be one of {KINDS}", self.kind)
        self._require(self.status in STATUSES, f"status must be one of {STATUSES}", self.status)
        self._require(bool(self.title.strip()), "title must not be empty", self.title)
        self._require(bool(self.sources), "sources must name at least one work", self.sources)
        for value, pattern, rule in (
            (self.anchor, _ANCHOR, "anchor must be page#label"),
            (self.erratum, _ERRATUM, "erratum must be E- and two digits"),
            (self.explorer, _SYMBOL, "explorer must be a dotted name in mlsys_lib"),
        ):
            self._require(not value or _matches(pattern, value), rule, value)
        for symbol in self.symbols:
            self._require(_matches(_SYMBOL, symbol), "symbols must be in mlsys_lib", symbol)
        for key in self.sources:
            self._require(_matches(_BIB_KEY, key), "sources must be author, year, word", key)
        self._require_status_agrees()

    def _require_status_agrees(self) -> None:
        if self.status == "here":
            self._require(bool(self.anchor), "a row that is here must have an anchor", self.anchor)
            self._require(bool(self.symbols), "a row that is here must have symbols", self.symbols)
        else:
            promised = (self.anchor, self.symbols, self.explorer, self.exercise)
            self._require(not any(promised), "a planned row must not link to anything", promised)

    def _require(self, condition: bool, rule: str, value: object) -> None:
        if not condition:
            raise ValueError(f"row {self.id}: {rule}, got {value!r}")

    @property
    def prefix(self) -> str:
        """The part of the id before the dash, which names the group."""
        return self.id.partition("-")[0]

    @property
    def page(self) -> str:
        """Name of the chapter that teaches the row, without its ending; empty if none does."""
        return self.anchor.partition("#")[0]

    @property
    def label(self) -> str:
        """Label of the section inside the chapter; empty if no chapter teaches the row."""
        return self.anchor.partition("#")[2]


@dataclass(frozen=True)
class Catalog:
    """All groups and rows, in the order of the cheat sheet."""

    groups: tuple[Group, ...]
    rows: tuple[Row, ...]

    @property
    def sections(self) -> tuple[str, ...]:
        """Titles of the sections, in order, each once."""
        return tuple(dict.fromkeys(group.section for group in self.groups))

    def groups_of(self, section: str) -> tuple[Group, ...]:
        """Return the groups of one section."""
        return tuple(group for group in self.groups if group.section == section)

    def rows_of(self, group: Group) -> tuple[Row, ...]:
        """Return the rows of one group."""
        return tuple(row for row in self.rows if row.prefix == group.prefix)

    def __getitem__(self, row_id: str) -> Row:
        """Return the row with this id; KeyError if there is none."""
        for row in self.rows:
            if row.id == row_id:
                return row
        raise KeyError(row_id)


def load_catalog(path: Path = CATALOG_PATH) -> Catalog:
    """Read and check the catalog.

    Parameters
    ----------
    path : Path
        A TOML file with ``[[group]]`` and ``[[row]]`` tables.

    Returns
    -------
    Catalog

    Raises
    ------
    ValueError
        If a row breaks a rule, an id or a title stands twice, or a row has no group.

    Examples
    --------
    >>> catalog = load_catalog()
    >>> len(catalog.rows)
    172
    >>> catalog["COM-09"].sources
    ('patarasuk2009bandwidth', 'thakur2005optimization')
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    groups = tuple(Group(**table) for table in tables["group"])
    rows = tuple(_row(table) for table in tables["row"])
    _require_unique("prefix", (group.prefix for group in groups))
    _require_unique("id", (row.id for row in rows))
    _require_unique("title", (row.title for row in rows))
    prefixes = {group.prefix for group in groups}
    for row in rows:
        if row.prefix not in prefixes:
            raise ValueError(f"row {row.id}: its prefix must be that of a group, got {row.prefix}")
    return Catalog(groups, rows)


def _row(table: Mapping[str, Any]) -> Row:
    unknown = set(table) - {field.name for field in fields(Row)}
    if unknown:
        raise ValueError(f"row {table.get('id')}: unknown fields {sorted(unknown)}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    return Row(**values)


def _require_unique(name: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{name} must stand once in the catalog, got {value!r} twice")
        seen.add(value)


def _matches(pattern: re.Pattern[str], value: str) -> bool:
    return pattern.fullmatch(value) is not None
