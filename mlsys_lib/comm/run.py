"""What a run over several ranks takes and gives, the same for simulated ranks and processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mlsys_lib.comm.ledger import Ledger


class PerRank:
    """An argument of which each rank gets its own value.

    >>> PerRank([3, 5]).values
    (3, 5)
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = tuple(values)


@dataclass(frozen=True)
class Run:
    """The outcome of a run.

    Attributes
    ----------
    results : tuple
        What each rank returned, in rank order.
    ledger : Ledger
        What was sent.
    wall_s : tuple of float, or None
        Measured seconds of each rank between the first and the last line of the function;
        None for simulated ranks, which take turns.
    """

    results: tuple[Any, ...]
    ledger: Ledger = field(repr=False)
    wall_s: tuple[float, ...] | None = None


def arguments_of(
    world_size: int, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return (args, kwargs) for each rank, `PerRank` values handed out."""
    named = [(f"argument {i + 1}", a) for i, a in enumerate(args)] + list(kwargs.items())
    for name, value in named:
        if isinstance(value, PerRank) and len(value.values) != world_size:
            raise ValueError(
                f"{name} must have one value per rank ({world_size}), got {len(value.values)}"
            )

    def own(value: Any, rank: int) -> Any:
        return value.values[rank] if isinstance(value, PerRank) else value

    return [
        (tuple(own(a, rank) for a in args), {k: own(v, rank) for k, v in kwargs.items()})
        for rank in range(world_size)
    ]
