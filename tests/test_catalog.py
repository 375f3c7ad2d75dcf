"""The catalog is whole, true to the sheet, and every one of its links leads somewhere."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import citation_labels
import pytest
from cheat_sheet import row_lines, summary
from exercise_box import label_of
from pybtex.database import parse_file

from mlsys_lib.catalog import CATALOG_PATH, Row, load_catalog

ROOT = Path(__file__).parents[1]
CHAPTERS = ROOT / "chapters"
CATALOG = load_catalog()
HERE = [row for row in CATALOG.rows if row.status == "here"]

# Lines of the sheet in each group, in the sheet's order; 172 in all.
ROWS_PER_GROUP = {
    "TREE": 8, "NN": 3, "GDU": 2, "AD": 6, "FM": 3, "FT": 4, "PEFT": 7, "DO": 13, "RATE": 6,
    "DLO": 14, "DDL": 9, "COM": 10, "DR": 3, "GEN": 4, "GC": 4, "HW": 3, "HPO": 10, "NSB": 3,
    "INF": 5, "QNT": 4, "PRU": 6, "KD": 5, "EVAL": 3, "FL": 2, "FA": 3, "FP": 5, "QF": 4,
    "FLC": 4, "FLM": 3, "FMT": 3, "SYN": 6, "RL": 3, "PAV": 4,
}  # fmt: skip

COMMANDS = set(re.findall(r"\\([A-Za-z]+)", CATALOG_PATH.read_text("utf-8")))


def ids(rows: list[Row]) -> list[str]:
    return [row.id for row in rows]


def text_of(page: str) -> str:
    """Return what is written in a chapter in Markdown or in a notebook."""
    notebook = CHAPTERS / f"{page}.ipynb"
    if notebook.exists():
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    if (CHAPTERS / f"{page}.md").exists():
        return (CHAPTERS / f"{page}.md").read_text(encoding="utf-8")
    pytest.fail(f"no chapter is called {page}")


def labels_of(page: str) -> set[str]:
    """Return the labels, `(label)=`, of a chapter."""
    return set(re.findall(r"^\(([\w-]+)\)=$", text_of(page), re.MULTILINE))


def resolve(symbol: str) -> object:
    """Import a dotted name: the longest module in it, then its attributes."""
    parts = symbol.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            # Only the name that we asked for may be missing, not one that it imports.
            if not ".".join(parts[:cut]).startswith(str(error.name)):
                raise
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    raise ModuleNotFoundError(symbol)


# --- the catalog is whole ---


def test_every_line_of_the_sheet_has_one_row_in_the_sheets_order() -> None:
    expected = [f"{p}-{i:02}" for p, count in ROWS_PER_GROUP.items() for i in range(1, count + 1)]
    assert len(expected) == 172
    assert ids(list(CATALOG.rows)) == expected


def test_every_group_has_rows_and_there_are_ten_sections() -> None:
    assert [group.prefix for group in CATALOG.groups] == list(ROWS_PER_GROUP)
    assert len(CATALOG.sections) == 10


def test_no_two_formulas_are_the_same() -> None:
    counts = Counter(row.formula for row in CATALOG.rows if row.formula)
    assert [formula for formula, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: row.id)
def test_formulas_parse(row: Row) -> None:
    """Braces balance, delimiters pair up, and no backslash was eaten on the way."""
    formula = row.formula
    bare = re.sub(r"\\[{}]", "", formula)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0, "a brace closes before it opens"
    assert depth == 0, "a brace stays open"
    assert not re.search(r"[\x00-\x1f$`]|\\\\", formula), "control character, $, ` or \\\\"
    assert len(re.findall(r"\\left\b", formula)) == len(re.findall(r"\\right\b", formula))
    # A command whose backslash was lost would leave its name behind as letters.
    words = re.sub(r"\\(text|mathrm|operatorname)\{[^}]*\}|\\[A-Za-z]+", " ", formula)
    assert set(re.findall(r"[A-Za-z]{2,}", words)) & COMMANDS == set()


# --- every link leads somewhere ---


@pytest.mark.parametrize("row", HERE, ids=lambda row: row.id)
def test_the_section_exists(row: Row) -> None:
    assert row.label in labels_of(row.page), f"{row.id}: no ({row.label})= in {row.page}"


@pytest.mark.parametrize("symbol", sorted({s for row in HERE for s in row.symbols}))
def test_the_symbol_imports(symbol: str) -> None:
    assert resolve(symbol) is not None


def test_every_symbol_is_on_the_page_of_the_library() -> None:
    """The link to a symbol leads to a module of chapters/api.rst; elsewhere it would be no link."""
    documented = re.findall(r"automodule:: (\S+)", (CHAPTERS / "api.rst").read_text("utf-8"))
    modules = {symbol.rpartition(".")[0] for row in HERE for symbol in row.symbols}
    assert modules - set(documented) == set()


@pytest.mark.parametrize("name", sorted({row.explorer for row in HERE if row.explorer}))
def test_the_explorer_exists(name: str) -> None:
    assert callable(resolve(name))


@pytest.mark.parametrize("name", sorted({row.exercise for row in HERE if row.exercise}))
def test_the_exercise_stands_in_the_chapter_of_its_rows(name: str) -> None:
    for page in {row.page for row in HERE if row.exercise == name}:
        assert f"{{graded-exercise}} {name}" in text_of(page)


def test_every_source_is_in_the_bibliography() -> None:
    keys = re.findall(r"^@\w+\{([^,]+),", (CHAPTERS / "references.bib").read_text(), re.MULTILINE)
    assert keys == sorted(set(keys)), "keys are sorted, and each stands once"
    assert {key for row in CATALOG.rows for key in row.sources} - set(keys) == set()


def test_no_two_works_are_cited_alike() -> None:
    works = parse_file(str(CHAPTERS / "references.bib")).entries.values()
    labels = [entry.label for entry in citation_labels.AsCited().format_entries(works)]
    assert len(set(labels)) == len(labels) == len(works)
    lettered: dict[str, str] = {}
    for label in labels:
        if label[-1].isalpha():
            lettered[label[:-1]] = lettered.get(label[:-1], "") + label[-1]
    assert lettered["Li et al., 2020"] == "abcde"
    assert all(letters == "abcdefgh"[: len(letters)] for letters in lettered.values())


def test_every_erratum_is_on_the_errata_page_and_the_other_way_round() -> None:
    on_page = {label for label in labels_of("errata") if label.startswith("E-")}
    assert on_page == {row.erratum for row in CATALOG.rows if row.erratum} | {"E-59"}


def test_errata_name_tests_that_exist() -> None:
    named = set(re.findall(r"`(test_e\d\d_\w+)`", (CHAPTERS / "errata.md").read_text("utf-8")))
    tests = (ROOT / "tests" / "test_errata.py").read_text("utf-8")
    defined = set(re.findall(r"^def (test_e\d\d_\w+)", tests, re.MULTILINE))
    assert named == defined


def test_every_citation_of_the_written_pages_is_in_the_bibliography() -> None:
    keys = set(re.findall(r"^@\w+\{([^,]+),", (CHAPTERS / "references.bib").read_text(), re.M))
    for page in sorted(CHAPTERS.glob("*.md")):
        cited = re.findall(r"\{cite:\w+\}`([^`]+)`", page.read_text("utf-8"))
        assert {key.strip() for c in cited for key in c.split(",")} <= keys, page.name


# --- the loader refuses what would be untrue ---


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "COM-1"}, "id must be"),
        ({"kind": "rumor"}, "kind must be one of"),
        ({"status": "soon"}, "status must be one of"),
        ({"title": " "}, "title must not be empty"),
        ({"sources": ()}, "sources must name at least one"),
        ({"sources": ("Li 2014",)}, "sources must be author"),
        ({"anchor": "collectives"}, "anchor must be page#label"),
        ({"erratum": "30"}, "erratum must be"),
        ({"symbols": ("numpy.sum",)}, "symbols must be in mlsys_lib"),
        ({"symbols": ()}, "must have symbols"),
        ({"anchor": ""}, "must have an anchor"),
        ({"status": "planned"}, "planned row must not link"),
    ],
)
def test_a_bad_row_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CATALOG["COM-06"], **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "TREE-02"', 'id = "TREE-01"', "id must stand once"),
        ('id = "TREE-02"', 'id = "TWIG-02"', "prefix must be that of a group"),
        ('prefix = "NN"', 'prefix = "TREE"', "prefix must stand once"),
        ('kind = "definition"', 'sort = "definition"', "unknown fields"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = CATALOG_PATH.read_text("utf-8")
    assert old in text
    (tmp_path / "catalog.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=message):
        load_catalog(tmp_path / "catalog.toml")


# --- the page is made from the catalog ---


@pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: row.id)
def test_a_row_shows_its_state_and_all_its_links(row: Row) -> None:
    text = "\n".join(row_lines(row))
    state, other = "here now", "not here yet"
    if row.status == "planned":
        state, other = other, state
    assert other not in text
    for part in (row.id, row.kind, row.title, row.formula, state, row.label, row.erratum):
        assert part in text
    for link in (*row.sources, *row.symbols):
        assert link in text
    assert not row.exercise or f"<{label_of(row.exercise)}>" in text


def test_the_page_counts_what_is_here() -> None:
    assert f"{len(HERE)} of {len(CATALOG.rows)} lines" in summary(CATALOG)


def test_sphinx_builds_the_page_without_a_warning(tmp_path: Path) -> None:
    """The page, the pages it links to and a stand-in for each chapter, warnings as errors."""
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    for name in ("cheat_sheet.md", "notation.md", "errata.md", "bibliography.md", "references.bib"):
        shutil.copy(CHAPTERS / name, source)
    for page in {row.page for row in HERE}:
        rows = [row for row in HERE if row.page == page]
        shown = [row.explorer.rpartition(".")[2].replace("_", "-") for row in rows if row.explorer]
        shown += [label_of(row.exercise) for row in rows if row.exercise]
        labels = sorted({row.label for row in rows} | set(shown))
        sections = "".join(f"\n({label})=\n## {label}\n" for label in labels)
        (source / f"{page}.md").write_text(f"# {page}\n{sections}", "utf-8")
    (source / "index.md").write_text("# Index\n```{toctree}\n:glob:\n*\n```\n", "utf-8")
    (source / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'sphinx_ext')!r})\n"
        "extensions = ['myst_parser', 'sphinxcontrib.bibtex', 'cheat_sheet', 'citation_labels']\n"
        "myst_enable_extensions = ['dollarmath']\n"
        "bibtex_bibfiles = ['references.bib']\n",
        "utf-8",
    )
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-E", str(source), str(built)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    html = (built / "cheat_sheet.html").read_text("utf-8")
    assert re.findall(r'id="([a-z]+-\d\d)"', html) == [row.id.lower() for row in CATALOG.rows]
    assert html.count("<h1>") == 1
    assert html.count("<h2>") == len(CATALOG.sections) + html.count("<h2>Navigation")
    assert [g.title for g in CATALOG.groups if g.title not in html] == []
