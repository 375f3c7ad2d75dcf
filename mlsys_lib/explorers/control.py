"""A control of an explorer: a name, the values it may take, and how they read.

The values are a tuple, or a function of controls that stand before it: the last step of a ring
depends on the number of workers. `walk` lists every position of a row of controls, and `settle`
says where a control lands when the ones before it have moved; both front ends follow it.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Position = dict[str, Any]


@dataclass(frozen=True)
class Control:
    """One slider.

    Parameters
    ----------
    name : str
        A parameter of the explorer's `compute`.
    values : sequence, or callable
        The positions from left to right. A callable takes earlier controls by parameter name:
        `lambda workers: range(2 * workers - 1)`.
    default : object
        The value shown first; must be among the values.
    label : str, optional
        What stands beside the slider; the name, if empty.
    unit : str, optional
        Written after the value, "8 workers".
    format : str or callable, optional
        A format specification (".2f"), or a function from value to text.
    play : bool, optional
        Offer a button that walks through the values from left to right.

    Raises
    ------
    ValueError
        If the name is no identifier, there are no values, two values read the same, or the
        default is not one of them.
    """

    name: str
    values: Sequence[Any] | Callable[..., Sequence[Any]]
    default: Any
    label: str = ""
    unit: str = ""
    format: str | Callable[[Any], str] = ""
    play: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(f"name of a control must be an identifier, got {self.name!r}")
        if not callable(self.values):
            self._require_default(self.choices({}))

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names of the earlier controls that `values` is a function of."""
        return tuple(inspect.signature(self.values).parameters) if callable(self.values) else ()

    def choices(self, earlier: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values open to this control, given those of the controls before it."""
        where = ""
        values: Any = self.values
        if callable(values):
            given = {name: earlier[name] for name in self.depends_on}
            values = values(**given)
            where = f" at {describe_position(given)}"
        choices = tuple(values)
        if not choices:
            raise ValueError(f"values of control {self.name!r} must not be empty{where}, got ()")
        if len({str(value) for value in choices}) < len(choices):
            raise ValueError(f"values of control {self.name!r} must differ{where}, got {choices}")
        return choices

    def text(self, value: Any) -> str:
        """Return the value as people read it, with its unit."""
        shown = self.format(value) if callable(self.format) else format(value, self.format)
        return f"{shown} {self.unit}".rstrip()

    def _require_default(self, choices: tuple[Any, ...]) -> None:
        if self.default not in choices:
            raise ValueError(
                f"default of control {self.name!r} must be one of {choices}, got {self.default!r}"
            )


def describe_position(position: Mapping[str, Any]) -> str:
    """Return "workers=8, step=3"."""
    return ", ".join(f"{name}={value}" for name, value in position.items())


def default_position(controls: Sequence[Control]) -> Position:
    """Return every control at its default.

    Raises
    ------
    ValueError
        If a default is not among the values that the earlier defaults leave open.
    """
    position: Position = {}
    for control in controls:
        control._require_default(control.choices(position))
        position[control.name] = control.default
    return position


def walk(controls: Sequence[Control], earlier: Position | None = None) -> Iterator[Position]:
    """Yield every position, the last control moving fastest."""
    position = earlier or {}
    if len(position) == len(controls):
        yield position
        return
    control = controls[len(position)]
    for value in control.choices(position):
        yield from walk(controls, {**position, control.name: value})


def settle(wanted: Any, index: int, choices: Sequence[Any]) -> int:
    """Return where a control lands when its values have become `choices`.

    It keeps its value if that is still there, else its place, else the last place.

    >>> settle(4, 2, (1, 2, 4)), settle(8, 3, (1, 2, 4)), settle(4, 0, (2, 4))
    (2, 2, 1)
    """
    return choices.index(wanted) if wanted in choices else min(index, len(choices) - 1)
