"""Print figures beside their goals, and write them down with the machine that they are from."""

import json
from collections.abc import Mapping
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def report(
    name: str,
    machine: Mapping[str, object],
    goals: Mapping[str, float],
    figures: Mapping[str, float],
) -> None:
    """Print all figures, and write benchmarks/results/<name>.json with four digits of each."""
    for figure, value in figures.items():
        goal = f"   goal <= {goals[figure]:g}" if figure in goals else ""
        print(f"{figure:<44} {value:>10.4g}{goal}")
    document = {
        "machine": machine,
        "goals": goals,
        "figures": {figure: float(f"{value:.4g}") for figure, value in figures.items()},
    }
    text = json.dumps(document, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
