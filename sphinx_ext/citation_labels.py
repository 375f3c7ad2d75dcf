"""Label the works of the bibliography as the text cites them: [Li et al., 2020a].

pybtex has labels such as [LSB+20]; nobody who comes from the text would look for that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as UnsrtStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx


def label_of(entry: Entry) -> str:
    """Return how sphinxcontrib-bibtex's style `author_year` cites a work."""
    names = [
        " ".join(str(part) for part in person.rich_prelast_names + person.rich_last_names)
        for person in entry.persons["author"]
    ]
    authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    return f"{authors}, {entry.fields['year']}"


class LabelStyle(BaseLabelStyle):
    """The labels of a bibliography."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """Yield the label of each work."""
        return map(label_of, sorted_entries)


class AsCited(UnsrtStyle):
    """Entries as in BibTeX's `alpha`, with the labels of the text."""

    default_sorting_style = "author_year_title"
    default_label_style = LabelStyle


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the style to `bibliography` as `as_cited`."""
    register_plugin("pybtex.style.formatting", "as_cited", AsCited)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
