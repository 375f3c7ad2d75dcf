"""Search, the order of the pages, the launch buttons and the identity of the book."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from .conftest import ROOT, chapter_names, seen

LAUNCH = ".dropdown-launch-buttons a"


def test_the_first_address_leads_to_the_landing_page(reader):
    page = reader.open("index", java_script_enabled=False).page
    page.wait_for_url("**/chapters/index.html")
    assert page.title().startswith("Machine Learning at Scale")


def test_search_finds_a_word_of_the_book(reader):
    page = reader.open("search", suffix="?q=Binder").page
    page.wait_for_selector("#search-results li a")
    found = [link.get_attribute("href") for link in page.locator("#search-results li a").all()]
    assert any("run_it_yourself" in href for href in found)


def test_next_leads_through_the_whole_book(reader):
    names = chapter_names()
    page = reader.open(names[0]).page
    for name in names[1:]:
        page.locator(".prev-next-footer a.right-next").click()
        page.wait_for_url(f"**/{name}.html")
    assert page.locator(".prev-next-footer a.right-next").count() == 0


@seen("light")
def test_a_notebook_opens_as_a_notebook_everywhere_and_nothing_else_does(visit, name):
    urls = [link.get_attribute("href") for link in visit.page.locator(LAUNCH).all()]
    notebook = ROOT / f"{name}.ipynb"
    if not notebook.exists():
        assert urls == []
        return
    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    owner_and_name = urlsplit(repository["url"]).path
    binder, hub, colab = urls
    assert f"/v2/gh{owner_and_name}/main?urlpath=lab/tree/{name}.ipynb" in binder
    assert parse_qs(urlsplit(hub).query)["repo"] == [repository["url"]]
    assert colab.endswith(f"{owner_and_name}/blob/main/{name}.ipynb")


def test_the_book_has_a_logo_and_an_icon_of_its_own(reader):
    page = reader.open(chapter_names()[0]).page
    assert page.locator("link[rel=icon]").get_attribute("href").endswith("favicon.svg")
    logo = page.locator(".navbar-brand img:visible")
    assert logo.evaluate("n => n.complete && n.naturalWidth > 0")


@pytest.mark.parametrize("field", ["og:title", "og:site_name", "og:description"])
def test_a_link_to_the_book_can_be_previewed(reader, field):
    page = reader.open(chapter_names()[0]).page
    assert page.locator(f"meta[property='{field}']").get_attribute("content")


def test_no_page_offers_a_theme_that_the_reader_did_not_choose(reader):
    page = reader.open(chapter_names()[0], color_scheme="dark").page
    page.evaluate("localStorage.setItem('mode', 'light')")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_the_search_index_knows_every_page(site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").rstrip(")\n;"))
    assert set(chapter_names()) <= set(index["docnames"])
