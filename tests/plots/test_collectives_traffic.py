"""Bars of bytes: their heights are the ledger's, the line is the lower bound."""

import numpy as np
import pytest

from mlsys_lib.collectives import ALL_REDUCES
from mlsys_lib.comm import simulate
from mlsys_lib.plots.collectives import bytes_figure

LEDGERS = {name: simulate(f, 8, np.zeros(800)).ledger for name, f in ALL_REDUCES.items()}


def test_a_bar_for_each_rank_of_each_algorithm() -> None:
    (axes,) = bytes_figure(LEDGERS, 6400).axes
    heights = [patch.get_height() for patch in axes.patches]
    assert heights == [sent / 6400 for ledger in LEDGERS.values() for sent in ledger.sent_bytes]


def test_the_busiest_of_each_is_labeled() -> None:
    (axes,) = bytes_figure(LEDGERS, 6400).axes
    assert [text.get_text() for text in axes.texts] == ["7", "3", "3", "1.75", "1.75"]


def test_the_line_is_the_lower_bound() -> None:
    (axes,) = bytes_figure(LEDGERS, 6400).axes
    (line,) = axes.lines
    assert list(line.get_ydata()) == [1.75, 1.75]
    assert "1.75" in axes.get_title(loc="left")


@pytest.mark.parametrize(
    "ledgers",
    [{}, {"a": LEDGERS["ring"], "b": simulate(ALL_REDUCES["ring"], 2, np.zeros(2)).ledger}],
)
def test_ledgers_of_one_world_are_wanted(ledgers: dict) -> None:
    with pytest.raises(ValueError, match="ledgers must be of one world size, got"):
        bytes_figure(ledgers, 6400)
