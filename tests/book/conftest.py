"""The built site, served on loopback to a Chromium that can reach nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import build_book
import pytest
import serve
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, Route

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"


def chapter_names() -> list[str]:
    """The pages of the book, in its order."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = contents.get("parts", [])
    return [contents["root"], *(entry["file"] for part in parts for entry in part["chapters"])]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `name` runs once for each page; pytest puts those of a page together."""
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", chapter_names(), scope="module")


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built book, up to date."""
    assert build_book.build(ROOT) == 0, "the book does not build; see _build/book.log"
    return SITE


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the book is served while the tests run."""
    with serve.make_server(site, port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@dataclass
class Visit:
    """A page of the book, and what went wrong while it was open."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


class Reader:
    """Opens pages, each in a browser of its own; its network ends at the site."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        self.address = address
        self.contexts: list[BrowserContext] = []

    def open(self, name: str, *, suffix: str = "", **settings: object) -> Visit:
        """Open the page `name`, wait until it is whole, and return it with its record."""
        usual = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        context = self.browser.new_context(**{**usual, **settings})
        self.contexts.append(context)
        visit = Visit(context.new_page())

        def guard(route: Route) -> None:
            url = route.request.url
            if url.startswith((self.address, "data:", "blob:")):
                route.continue_()
            else:
                visit.foreign.append(url)
                route.abort()

        context.route("**/*", guard)
        page = visit.page
        page.on("console", lambda m: visit.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: visit.errors.append(str(error)))
        page.on(
            "response",
            lambda r: visit.errors.append(f"{r.status} {r.url}") if r.status >= 400 else None,
        )
        page.goto(f"{self.address}/{name}.html{suffix}", wait_until="load")
        if settings.get("java_script_enabled", True):
            page.evaluate("() => window.MathJax?.startup?.promise")
        return visit

    def close(self) -> None:
        """Close every page that was opened."""
        for context in self.contexts:
            context.close()


@pytest.fixture
def reader(browser: Browser, address: str) -> Iterator[Reader]:
    """Someone who reads the book, and opens a page of their own for each test."""
    someone = Reader(browser, address)
    yield someone
    someone.close()


# Opening a page costs a second, so the tests that only look at it share it.
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    "still": {"java_script_enabled": False},
}


@pytest.fixture(scope="module")
def look(request: pytest.FixtureRequest) -> str:
    """One of the ways to look at a page; `seen` says which."""
    return str(request.param)


def seen(*looks: str) -> pytest.MarkDecorator:
    """Mark a test to look at the shared page in each of these ways."""
    return pytest.mark.parametrize("look", looks, indirect=True, scope="module")


@pytest.fixture(scope="module")
def visit(browser: Browser, address: str, name: str, look: str) -> Iterator[Visit]:
    """The page `name`, opened once for all the tests that look at it in the same way."""
    someone = Reader(browser, address)
    yield someone.open(name, **LOOKS[look])
    someone.close()
