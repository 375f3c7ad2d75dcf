"""The view under a kernel: moves, follows, and shows what the page shows."""

from collections.abc import Callable
from typing import Any

import pytest

from mlsys_lib.explorers import Explorer
from mlsys_lib.explorers.live import LiveView


def test_every_position_shows_the_frame_of_the_page(turn: Explorer) -> None:
    view = LiveView(turn)
    for position in turn.positions():
        view.sliders["workers"].value = position["workers"]
        view.sliders["step"].value = position["step"]
        assert view.position == position
        assert turn.frame(position) in view.drawing.value
        assert turn.describe(turn.compute(**position)) in view.drawing.value
        assert "<table>" in view.table.value


def test_a_dependent_slider_is_clamped(turn: Explorer) -> None:
    view = LiveView(turn)
    view.sliders["workers"].value = 7
    view.sliders["step"].value = 7
    view.sliders["workers"].value = 4
    assert view.position == {"workers": 4, "step": 4}
    assert view.players["step"].max == 4
    assert turn.frame({"workers": 4, "step": 4}) in view.drawing.value


def test_one_move_draws_once(
    turn: Explorer, turn_of: Callable[[Callable[..., Any]], Explorer]
) -> None:
    """A slider that follows another one is no second request."""
    computed = []

    def counted(workers: int, step: int) -> Any:
        computed.append((workers, step))
        return turn.compute(workers, step)

    view = LiveView(turn_of(counted))
    view.sliders["step"].value = 4
    del computed[:]
    view.sliders["workers"].value = 2
    assert computed == [(2, 2)]


def test_nothing_is_drawn_ahead(
    turn: Explorer, turn_of: Callable[[Callable[..., Any]], Explorer]
) -> None:
    computed = []

    def counted(workers: int, step: int) -> Any:
        computed.append((workers, step))
        return turn.compute(workers, step)

    LiveView(turn_of(counted))
    assert computed == [(4, 1)]


def test_the_play_button_moves_the_slider(turn: Explorer) -> None:
    view = LiveView(turn)
    view.players["step"].value = 3
    assert view.position == {"workers": 4, "step": 3}
    assert turn.frame({"workers": 4, "step": 3}) in view.drawing.value


def test_an_error_is_shown_and_raised(
    turn: Explorer, turn_of: Callable[[Callable[..., Any]], Explorer]
) -> None:
    def fails(workers: int, step: int) -> Any:
        if step == 2:
            raise ArithmeticError("no <such> turn")
        return turn.compute(workers, step)

    view = LiveView(turn_of(fails))
    with pytest.raises(ArithmeticError, match="no <such> turn"):
        view.sliders["step"].value = 2
    assert "no &lt;such&gt; turn" in view.drawing.value
    assert "<svg" not in view.drawing.value
    view.sliders["step"].value = 3
    assert "<svg" in view.drawing.value


def test_sliders_report_when_let_go(turn: Explorer) -> None:
    assert not any(slider.continuous_update for slider in LiveView(turn).sliders.values())
