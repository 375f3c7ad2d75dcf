"""Measure explorers: `python -m benchmarks.explorers`; figures go to benchmarks/results/."""

import gzip
import json
import os
import platform
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.explorers.browser import chromium, ready_s, repaint_ms, serve
from benchmarks.explorers.demo import explorer
from mlsys_lib.explorers.live import LiveView

RESULTS = Path(__file__).parents[1] / "results" / "explorers.json"
HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>One explorer</title>'
GOALS = {
    "explorer_gzip_bytes": 150_000,
    "draw_64_frames_s": 3.0,
    "repaint_p95_ms": 20.0,
    "ready_throttled_s": 4.0,
    "live_redraw_median_ms": 150.0,
}


def measure_drawing() -> tuple[str, dict[str, float]]:
    """Return the page of a 64-position explorer, and what it took and weighs."""
    start, cpu_start = time.perf_counter(), time.process_time()
    html = explorer().page()
    elapsed_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    size = {"explorer_bytes": len(html.encode()), "explorer_gzip_bytes": gzipped(html)}
    return html, {"draw_64_frames_s": elapsed_s, "draw_64_frames_cpu_s": cpu_s, **size}


def measure_page(html: str) -> dict[str, float]:
    """Return how the page answers in a headless Chromium."""
    with serve(HEAD + html) as url, chromium() as browser:
        runs = [repaint_ms(browser, url) for _ in range(5)]
        ready = median(ready_s(browser, url) for _ in range(5))
    return {
        "repaint_median_ms": median(median(run) for run in runs),
        "repaint_p95_ms": median(float(np.percentile(run, 95)) for run in runs),
        "ready_throttled_s": ready,
    }


def measure_live() -> dict[str, float]:
    """Return the kernel's part of a live redraw: compute, draw, and hand over the picture."""
    view = LiveView(explorer())
    times_ms = []
    slider = view.sliders["size_bytes"]
    for move in range(40):
        start = time.perf_counter()
        slider.index = (move + 1) % len(slider.options)
        times_ms.append(1000 * (time.perf_counter() - start))
    return {"live_redraw_median_ms": median(times_ms)}


def gzipped(html: str) -> int:
    """Return the compressed size in bytes."""
    return len(gzip.compress(html.encode()))


def main() -> None:
    """Measure, print each figure beside its goal, and write them down."""
    html, figures = measure_drawing()
    figures |= measure_page(html) | measure_live()
    for name, value in figures.items():
        goal = f"   goal {GOALS[name]:g}" if name in GOALS else ""
        print(f"{name:24} {value:12.4g}{goal}")
    load = os.getloadavg()[0]
    print(f"on {os.cpu_count()} cores, load {load:.1f} (times need a quiet machine)")
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "load": load}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
