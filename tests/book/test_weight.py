"""What a reader downloads to open a page for the first time."""

from __future__ import annotations

import gzip
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser

HEAVIEST_BYTES = 1_200_000
ALREADY_COMPRESSED = {".woff", ".woff2", ".png"}


def downloaded(browser: Browser, address: str, name: str) -> list[str]:
    """Return the paths of the files that the page asks for."""
    page = browser.new_page()
    paths: list[str] = []
    page.on("request", lambda request: paths.append(urlsplit(request.url).path))
    page.goto(f"{address}/{name}.html", wait_until="networkidle")
    page.close()
    return [path for path in dict.fromkeys(paths) if path.strip("/")]


def test_a_page_weighs_less_than_a_photograph(browser, address, site: Path, name):
    """As a host of static sites sends it: text compressed."""
    files = [site / path.lstrip("/") for path in downloaded(browser, address, name)]
    assert len(files) > 5
    bodies = [(file.suffix, file.read_bytes()) for file in files if file.is_file()]
    sizes = [len(b if s in ALREADY_COMPRESSED else gzip.compress(b)) for s, b in bodies]
    assert sum(sizes) < HEAVIEST_BYTES


def test_icons_are_letters_of_a_font(browser, address):
    """The script that would draw them is left out, so the fonts must be there."""
    page = browser.new_page()
    page.goto(f"{address}/chapters/index.html", wait_until="networkidle")
    loaded = page.evaluate(
        "[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)"
    )
    assert any("Font Awesome" in family for family in loaded)
    assert page.locator("script[src*=fontawesome]").count() == 0
    page.close()
