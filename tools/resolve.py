"""Ask pip whether every pin has a wheel on each Python that the course supports.

    .venv/bin/python tools/resolve.py            say yes or no for each version
    .venv/bin/python tools/resolve.py --write    and rewrite constraints.txt from the answers

Nothing is installed. The newest versions that satisfy requirements-dev.txt are taken where
constraints.txt does not pin them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
TORCH_PINS_THEM_ITSELF = ("nvidia-", "cuda-", "triton")  # and only where there is CUDA
HEADER = """\
# Every package that requirements-dev.txt pulls in, at one version for all supported Pythons.
# Written by `.venv/bin/python tools/resolve.py --write`.
"""


def resolve(python_version: str) -> dict[str, str]:
    """Return name -> version of all packages that pip would install on `python_version`.

    Raises
    ------
    subprocess.CalledProcessError
        If a pin has no wheel there or two pins disagree; its `stderr` says which.
    """
    with tempfile.TemporaryDirectory() as target:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--only-binary=:all:", "--python-version", python_version]
        command += ["--target", target, "--report", "-", "-r", str(ROOT / "requirements-dev.txt")]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    packages = (item["metadata"] for item in json.loads(answer.stdout)["install"])
    return {package["name"].lower(): package["version"].split("+")[0] for package in packages}


def one_version_each(resolved: dict[str, dict[str, str]]) -> dict[str, str]:
    """Merge the answers of all Pythons; ValueError if two of them need different versions."""
    merged: dict[str, str] = {}
    for python_version, packages in resolved.items():
        for name, version in packages.items():
            if merged.setdefault(name, version) != version:
                raise ValueError(
                    f"{name} must have one version on all Pythons, got {merged[name]} "
                    f"and, on {python_version}, {version}"
                )
    return merged


def main() -> int:
    """Resolve for each Python; the exit status is 1 if one of them cannot be served."""
    resolved = {}
    for python_version in PYTHONS:
        try:
            resolved[python_version] = resolve(python_version)
        except subprocess.CalledProcessError as error:
            reasons = [line for line in error.stderr.splitlines() if "WARNING" not in line]
            print(f"Python {python_version}: no", *reasons, sep="\n")
            return 1
        print(f"Python {python_version}: yes, {len(resolved[python_version])} packages")
    pins = one_version_each(resolved)
    if "--write" in sys.argv[1:]:
        kept = sorted(
            item for item in pins.items() if not item[0].startswith(TORCH_PINS_THEM_ITSELF)
        )
        lines = [f"{name}=={version}\n" for name, version in kept]
        (ROOT / "constraints.txt").write_text(HEADER + "".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
