"""`import mlsys_lib` is light, and so is the communicator."""

import subprocess
import sys

import pytest

HEAVY = ["torch", "matplotlib", "ipywidgets", "sklearn", "scipy", "tqdm", "IPython"]


@pytest.mark.parametrize("module", ["mlsys_lib", "mlsys_lib.comm", "mlsys_lib.collectives"])
def test_no_heavy_module_comes_along(module: str) -> None:
    script = f"import sys, {module}; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
