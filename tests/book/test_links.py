"""Every link inside the built site leads somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import html
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class PageLinks(HTMLParser):
    """The anchors and explorers of a page, where its links lead, and what it loads by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.explorer = self.control = ""
        self.controls: dict[str, dict[str, int]] = {}  # name and first place, by explorer
        self.data: dict[str, str] = {}
        self.is_data = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.anchors |= {found[key] for key in ("id", "name") if key in found}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        if tag == "link" and found.get("rel") not in {"canonical", "next", "prev"}:
            self.loads.add(found["href"])
        if tag in LOADING and LOADING[tag] in found:
            self.loads.add(found[LOADING[tag]])
        if "data-name" in found:
            self.explorer = found["data-name"]
            self.controls[self.explorer] = {}
        if "data-control" in found:
            self.control = found["data-control"]
        if tag == "input" and found.get("type") == "range":
            self.controls[self.explorer][self.control] = int(found["value"])
        self.is_data = tag == "script" and found.get("type") == "application/json"

    def handle_data(self, data: str) -> None:
        if self.is_data and self.explorer:
            self.data[self.explorer] = self.data.get(self.explorer, "") + data

    def handle_endtag(self, tag: str) -> None:
        self.is_data = False

    def has_position(self, state: str) -> bool:
        """Whether an explorer can be set to "name:control=key,…"; the rest stays as it begins."""
        name, _, settings = state.partition(":")
        asked = dict(setting.split("=") for setting in settings.split(","))
        if name not in self.data or not asked.keys() <= self.controls[name].keys():
            return False
        data = json.loads(self.data[name])
        node = data["tree"]
        for control, place in self.controls[name].items():
            keys = [choice[0] for choice in data["lists"][node[0]]]
            key = asked.get(control, keys[min(place, len(keys) - 1)])
            if key not in keys:
                return False
            node = node[keys.index(key) + 1]
        return True


@cache
def links_of(path: Path) -> PageLinks:
    return PageLinks(path.read_text(encoding="utf-8"))


def pages_of(site: Path) -> list[Path]:
    """The pages of the site; what lies in _static are the theme's templates."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def broken_links(site: Path, path: Path) -> list[str]:
    """The links of one page that lead to no file, or to no anchor in it."""
    broken = []
    for link in links_of(path).links | links_of(path).loads:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.is_relative_to(site) or not target.is_file():
            broken.append(f"{path.relative_to(site)}: {link} (no such file)")
        elif target.suffix != ".html":
            continue
        elif ":" in parts.fragment:  # sets an explorer: #ring:workers=8,step=7
            if not links_of(target).has_position(parts.fragment):
                broken.append(f"{path.relative_to(site)}: {link} (no such position)")
        elif unquote(parts.fragment) not in links_of(target).anchors:
            broken.append(f"{path.relative_to(site)}: {link} (no such anchor)")
    return sorted(broken)


def test_every_internal_link_leads_to_a_page_and_to_an_anchor_on_it(site):
    pages = pages_of(site)
    assert len(pages) > 5
    assert [link for path in pages for link in broken_links(site, path)] == []


def words(markup: str) -> str:
    """What is left of HTML without tags and without the brackets round a citation."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>|[\[\]]", "", markup)).split())


def test_a_work_is_labelled_as_it_is_cited(site):
    works = (site / "chapters" / "bibliography.html").read_text(encoding="utf-8")
    entry = r'<div class="citation" id="([^"]+)".*?<span class="label">(.*?)</span>\s*<p>'
    labels = {anchor: words(label) for anchor, label in re.findall(entry, works, re.DOTALL)}
    assert len(labels) > 150
    link = r'<a class="reference internal" href="bibliography.html#([^"]+)"[^>]*>(.*?)</a>'
    for path in pages_of(site / "chapters"):
        for anchor, text in re.findall(link, path.read_text(encoding="utf-8"), re.DOTALL):
            authors, year = labels[anchor].rsplit(", ", 1)
            assert words(text) in (labels[anchor], authors, year, f"{authors} {year}"), path.name


def test_no_page_loads_anything_from_another_host(site):
    for path in pages_of(site):
        foreign = [url for url in links_of(path).loads if urlsplit(url).netloc]
        assert foreign == [], path.name


def test_a_missing_page_and_a_missing_anchor_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#x"></a><a href="c.html"></a>'
    )
    (tmp_path / "b.html").write_text('<a href="a.html#top"></a><a href="https://example.org/"></a>')
    assert broken_links(tmp_path, tmp_path / "b.html") == []
    assert broken_links(tmp_path, tmp_path / "a.html") == [
        "a.html: b.html#x (no such anchor)",
        "a.html: c.html (no such file)",
    ]


def test_a_script_from_another_host_is_found():
    page = PageLinks(
        '<script src="https://example.org/a.js"></script><a href="https://example.org/">'
    )
    assert page.loads == {"https://example.org/a.js"}


def test_a_link_that_no_explorer_can_follow_is_found(tmp_path):
    tree = [0, [1, 0], [2, 1, 2]]  # the second control has one value, and then two
    lists = [[["1", "one"], ["2", "two"]], [["x", "x"]], [["x", "x"], ["y%20z", "y z"]]]
    (tmp_path / "a.html").write_text(
        '<section data-name="sum"><p data-control="n"><input type="range" value="0"></p>'
        '<p data-control="what"><input type="range" value="0"></p>'
        f'<script type="application/json">{json.dumps({"tree": tree, "lists": lists})}</script>'
        '</section><a href="#sum:n=2,what=y%20z"></a><a href="#sum:n=1,what=y%20z"></a>'
        '<a href="#sum:n=2"></a><a href="#sums:n=2,what=x"></a><a href="#sum:m=2,what=x"></a>'
        '<a href="#sum:what=y%20z"></a>'
    )
    assert [link.split()[1] for link in broken_links(tmp_path, tmp_path / "a.html")] == [
        "#sum:m=2,what=x",
        "#sum:n=1,what=y%20z",
        "#sum:what=y%20z",
        "#sums:n=2,what=x",
    ]
