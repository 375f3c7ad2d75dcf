"""Times in a headless Chromium: until a page answers, and from a slider to the next picture."""

import gzip
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import Browser, sync_playwright

CPU_SLOWDOWN = 4
NETWORK = {
    "offline": False,
    "latency": 150,  # ms
    "downloadThroughput": 9e6 / 8,  # bytes/s
    "uploadThroughput": 9e6 / 8,
}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]

# Resolves once the frame that shows the move has been painted.
MOVE_AND_PAINT = """
const painted = () => new Promise((done) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => done(performance.now());
  channel.port2.postMessage(0);
}));
const moveAndPaint = async (input, index) => {
  const start = performance.now();
  input.value = index;
  input.dispatchEvent(new Event("input", {bubbles: true}));
  return [start, await painted()];
};
"""
READY = f"""
{MOVE_AND_PAINT}
window.sliderReady = new Promise((done) => {{
  const look = async () => {{
    const input = document.querySelector(".mlsys-controls:not([hidden]) input");
    if (!input) return requestAnimationFrame(look);
    const [, end] = await moveAndPaint(input, +input.value ? 0 : 1);
    done(end);
  }};
  look();
}});
"""
REPAINTS = f"""async (moves) => {{
  {MOVE_AND_PAINT}
  const sliders = [...document.querySelectorAll(".mlsys-control input")];
  const times = [];
  for (let move = 0; move < moves; move += 1) {{
    const slider = sliders[move % sliders.length];
    const index = (+slider.value + 1 + Math.floor(move / 2) % slider.max) % (+slider.max + 1);
    await new Promise((done) => setTimeout(done, 5 + (move * 7) % 17));  // any phase of a frame
    const [start, end] = await moveAndPaint(slider, index);
    times.push(end - start);
  }}
  return times;
}}"""


@contextmanager
def serve(html: str) -> Iterator[str]:
    """Serve one page, compressed as a host of static sites would; yield its address."""
    body = gzip.compress(html.encode())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/"
            self.send_response(200 if found else 204)
            if found:
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if found:
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a headless Chromium.

    Raises
    ------
    FileNotFoundError
        If there is none on this machine.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        raise FileNotFoundError(f"no Chromium on this machine (looked for {', '.join(names)})")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def ready_s(browser: Browser, url: str) -> float:
    """Return seconds from the request until a slider's move is painted, on a slow phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", NETWORK)
    session.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWDOWN})
    page.add_init_script(READY)
    page.goto(url)
    elapsed_ms = float(page.evaluate("window.sliderReady"))
    context.close()
    return elapsed_ms / 1000


def repaint_ms(browser: Browser, url: str, moves: int = 200) -> list[float]:
    """Return milliseconds from each move of a slider until its picture is painted."""
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(url)
    page.evaluate(REPAINTS, 10)  # the first moves compile the script
    times: list[float] = page.evaluate(REPAINTS, moves)
    page.close()
    return times
