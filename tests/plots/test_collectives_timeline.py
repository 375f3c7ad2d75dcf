"""The timeline: every bar is a message or a computation of the ledger."""

import re

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from mlsys_lib.collectives import naive_all_reduce, ring_all_reduce
from mlsys_lib.comm import Communicator, simulate
from mlsys_lib.plots.collectives import timeline_figure

NAIVE = simulate(naive_all_reduce, 4, np.zeros(250_000, np.float32)).ledger.timeline()


def bars(figure: Figure) -> np.ndarray:
    """Return (left, low, right, high) of every bar."""
    (collection,) = figure.axes[0].findobj(PolyCollection)
    corners = np.array([path.vertices[:4] for path in collection.get_paths()])
    return np.concatenate([corners[:, 0], corners[:, 2]], axis=1)


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_message_is_sent_once_and_received_once() -> None:
    figure = timeline_figure(NAIVE)
    assert len(bars(figure)) == 2 * len(NAIVE.transfers)
    assert sorted(labels(figure)) == sorted(
        [f"→ {t.dst}" for t in NAIVE.transfers] + [f"← {t.src}" for t in NAIVE.transfers]
    )


def test_bars_stand_where_and_when_the_ledger_says() -> None:
    found = bars(timeline_figure(NAIVE))
    for number, t in enumerate(NAIVE.transfers):
        sent, received = found[2 * number : 2 * number + 2]
        for bar, rank in ((sent, t.src), (received, t.dst)):
            assert bar[[0, 2]] == pytest.approx([1e3 * t.start_s, 1e3 * t.arrival_s])
            assert rank - 0.5 < bar[1] < bar[3] < rank + 0.5
        assert sent[3] < received[1] or t.src != t.dst


def test_a_common_end_keeps_the_scale_and_cuts_what_lies_beyond() -> None:
    whole, half = timeline_figure(NAIVE), timeline_figure(NAIVE, end_s=NAIVE.time_s[0] / 2.2)
    end = half.axes[0].get_xlim()[1]
    assert whole.axes[0].get_xlim()[1] == pytest.approx(2.2 * end)
    assert len(bars(half)) < len(bars(whole))
    assert bars(half)[:, 2].max() <= end


def test_computation_is_drawn_with_its_label() -> None:
    def work(comm: Communicator) -> None:
        comm.compute(0.5, "think")

    figure = timeline_figure(simulate(work, 2).ledger.timeline(), names=("a", "b"))
    assert labels(figure) == ["think", "think"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "b"]


def test_the_title_tells_the_time() -> None:
    timeline = simulate(ring_all_reduce, 4, np.zeros(250_000)).ledger.timeline()
    title = timeline_figure(timeline, "ring").axes[0].get_title(loc="left")
    assert re.fullmatch(r"ring: 2\.7 ms", title)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"names must be one per rank \(4\), got 1"):
        timeline_figure(NAIVE, names=("a",))
    with pytest.raises(ValueError, match="end_s must be finite and > 0, got -1"):
        timeline_figure(NAIVE, end_s=-1)
