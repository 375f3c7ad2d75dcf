"""Measure a built chapter: `python -m benchmarks.book` after `make book`."""

import functools
import gzip
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser

from benchmarks.explorers.browser import chromium, ready_s

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"
RESULTS = ROOT / "benchmarks" / "results" / "book.json"
PAGE = "chapters/collectives.html"
COMPRESSED = {".html", ".css", ".js", ".svg", ".json"}
GOALS = {"page_gzip_bytes": 1_200_000, "page_ready_throttled_s": 4.0}


class GzipHandler(SimpleHTTPRequestHandler):
    """Files as a host of static sites sends them: text compressed."""

    def do_GET(self) -> None:
        """Send one file, and note what it weighed."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix in COMPRESSED:
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        weights[self.path] = len(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


weights: dict[str, int] = {}


@contextmanager
def serve() -> Iterator[str]:
    """Serve the built book and yield its address."""
    handler = functools.partial(GzipHandler, directory=str(SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def measure(browser: Browser, address: str) -> dict[str, float]:
    """Return bytes and requests of one visit, and seconds until the first slider answers."""
    page = browser.new_page()
    page.goto(address + PAGE, wait_until="networkidle")
    page.close()
    size, requests = sum(weights.values()), len(weights)
    ready = median(ready_s(browser, address + PAGE) for _ in range(5))
    return {
        "page_gzip_bytes": size,
        "page_html_gzip_bytes": weights["/" + PAGE],
        "page_requests": requests,
        "page_ready_throttled_s": ready,
    }


def main() -> None:
    """Measure, print each figure beside its goal, and write them down."""
    if not (SITE / PAGE).is_file():
        raise SystemExit(f"{PAGE} is not built: run `make book` first")
    with serve() as address, chromium() as browser:
        figures = measure(browser, address)
    for name, value in figures.items():
        goal = f"   goal {GOALS[name]:g}" if name in GOALS else ""
        print(f"{name:24} {value:12.4g}{goal}")
    machine = {"cpus": os.cpu_count(), "load": os.getloadavg()[0]}
    RESULTS.write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
