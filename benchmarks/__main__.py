"""Take every measurement: `python -m benchmarks`, or one with `python -m benchmarks.comm`."""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run each benchmark in an interpreter of its own; return how many failed."""
    failed = 0
    for folder in sorted(Path(__file__).parent.glob("*/__main__.py")):
        name = f"benchmarks.{folder.parent.name}"
        print(f"== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", name]).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
