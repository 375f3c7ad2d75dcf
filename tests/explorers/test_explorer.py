"""One declaration: what it refuses, and that a drawing depends on the position alone."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Plot


@pytest.mark.parametrize("demo", ["wave", "turn"])
def test_every_frame_equals_the_drawing_of_a_fresh_plot(
    demo: str, request: pytest.FixtureRequest
) -> None:
    """Whatever was drawn before: an artist that `draw` forgets to move is found here."""
    explorer: Explorer = request.getfixturevalue(demo)
    positions = list(explorer.positions())
    random.Random(0).shuffle(positions)
    for position in positions:
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_stale_artist_is_found(wave: Explorer) -> None:
    """The test above can fail: a plot that adds an artist a frame differs from a fresh one."""
    plot_class: Any = wave.plot

    class Hoarder(plot_class):  # type: ignore[misc]
        def draw(self, result: Any) -> Any:
            self.left.axes[0].axhline(result.amplitude)
            return super().draw(result)

    hoarder = replace(wave, plot=Hoarder)
    first, second, *_ = hoarder.positions()
    assert hoarder.frame(first) == hoarder.fresh_frame(first)
    assert hoarder.frame(second) != hoarder.fresh_frame(second)


def test_drawing_twice_gives_the_same_text(turn: Explorer) -> None:
    assert turn.page() == turn.page()


def test_the_plot_is_made_once(wave: Explorer) -> None:
    made: list[Plot] = []

    def make() -> Plot:
        made.append(wave.plot())
        return made[-1]

    counted = replace(wave, plot=make)
    for position in list(counted.positions())[:3]:
        counted.frame(position)
    assert len(made) == 1


def test_an_error_at_any_position_fails_the_page_and_names_it(
    turn_of: Callable[[Callable[..., Any]], Explorer], turn: Explorer
) -> None:
    def fails_once(workers: int, step: int) -> Any:
        if (workers, step) == (7, 3):
            raise ArithmeticError("no such turn")
        return turn.compute(workers, step)

    with pytest.raises(ArithmeticError, match="no such turn") as caught:
        turn_of(fails_once).page()
    assert caught.value.__notes__ == ["in explorer 'turn' at workers=7, step=3"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "My Ring"}, r"name of an explorer must match .*, got 'My Ring'"),
        ({"controls": ()}, r"controls of explorer 'turn' must not be empty, got \(\)"),
        (
            {"controls": (Control("workers", (1,), 1), Control("workers", (1,), 1))},
            "names of controls must differ, got 'workers' twice",
        ),
        (
            {"controls": (Control("step", lambda workers: (1,), 1), Control("workers", (1,), 1))},
            r"values of control 'step' must depend on earlier controls, got \['workers'\]",
        ),
        (
            {"controls": (Control("workers", (1,), 1),)},
            r"parameters of compute must be the controls \['workers'\], .*missing.*'step'",
        ),
        (
            {"compute": lambda workers: None},
            r"parameters of compute must be the controls \['workers', 'step'\], got \(workers\)",
        ),
    ],
)
def test_a_bad_declaration_names_parameter_rule_and_value(
    turn: Explorer, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(turn, **change)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ({"workers": 2}, r"position must name the controls \['workers', 'step'\]"),
        ({"workers": 3, "step": 0}, r"workers must be one of \(2, 4, 7\), got 3"),
        ({"workers": 2, "step": 3}, r"step must be one of \(0, 1, 2\), got 3"),
    ],
)
def test_a_position_off_the_grid_is_refused(
    turn: Explorer, position: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        turn.frame(position)


def test_the_book_gets_html_alone_and_a_kernel_gets_a_widget(
    turn: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSYS_STATIC", "1")
    assert list(turn._repr_mimebundle_()) == ["text/html"]
    monkeypatch.delenv("MLSYS_STATIC")
    assert "application/vnd.jupyter.widget-view+json" in turn._repr_mimebundle_()
