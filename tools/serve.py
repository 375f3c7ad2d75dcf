"""Serve the built book on loopback and print its address (`make serve`)."""

from __future__ import annotations

import contextlib
import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "_build" / "html"
USUAL_PORT = 8000


class QuietHandler(SimpleHTTPRequestHandler):
    """A file server that does not print a line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def make_server(site: Path, port: int = USUAL_PORT) -> ThreadingHTTPServer:
    """Return a server of the folder `site`, on `port` or, if it is taken, on any free one."""
    handler = functools.partial(QuietHandler, directory=str(site))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError:
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)


def main() -> int:
    """Serve until Ctrl-C."""
    with make_server(SITE) as server, contextlib.suppress(KeyboardInterrupt):
        print(f"The book is at http://127.0.0.1:{server.server_port}/ (Ctrl-C to stop)", flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
