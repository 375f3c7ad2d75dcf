"""A notebook that runs to its end holds no broken position: executed by a real kernel."""

import os
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

DECLARE = """
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.plots.style import panel

class Plot:
    def __init__(self):
        self.figure, _ = panel()
    def draw(self, result):
        return self.figure

def compute(step):
    return 1 / (BROKEN - step)

explorer = Explorer(
    name="demo", title="Demo", compute=compute, plot=Plot,
    controls=(Control("step", (0, 1, 2), default=0),),
    describe=str, table=lambda result: (("result",), [(result,)]),
)
"""


def run(*cells: str) -> list[Any]:
    """Execute cells and return the outputs of the last one."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute(env=dict(os.environ))
    outputs: list[Any] = notebook.cells[-1].outputs
    return outputs


def test_in_the_book_one_broken_position_fails_the_notebook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLSYS_STATIC", "1")
    with pytest.raises(CellExecutionError, match=r"in explorer 'demo' at step=2"):
        run(f"BROKEN = 2{DECLARE}", "explorer")
    [output] = run(f"BROKEN = 9{DECLARE}", "explorer")
    assert set(output.data) >= {"text/html"}
    assert "application/vnd.jupyter.widget-view+json" not in output.data
    assert "mlsys-explorer" in output.data["text/html"]


def test_under_a_kernel_a_move_to_a_broken_position_fails_the_notebook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLSYS_STATIC", raising=False)
    move = "explorer.live().children[1].index = 2"
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run(f"BROKEN = 2{DECLARE}", "explorer", move)
    [output] = run(f"BROKEN = 9{DECLARE}", "explorer")
    assert "application/vnd.jupyter.widget-view+json" in output.data
