"""What all optimizers share: the checks, the count of steps, and the walk through blocks.

An optimizer holds the arrays of a model and changes them in place, once for each call of `step`.
Its state is plain arrays, in `state`. Whoever calls computes the gradients.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from mlsys_lib.core.validate import non_negative, positive

State = dict[str, np.ndarray]
"""What an optimizer remembers of one array of weights, by name."""

BLOCK = 2**15
"""Elements of a block: Adam's six arrays of float32 fill three quarters of a megabyte of cache."""


class Optimizer(ABC):
    """Arrays of weights, what is remembered of each, and a rule that changes them.

    Parameters
    ----------
    weights : sequence of ndarray, float32 or float64
        Changed in place by `step`. C-contiguous, writeable, none overlapping another.
    learning_rate : float
        η > 0. The attribute may be set between steps, to 0 too, as schedules do.
    weight_decay : float
        λ ≥ 0; each optimizer says where it enters.
    maximize : bool
        Go up instead of down.

    Attributes
    ----------
    weights : list of ndarray
        The arrays themselves.
    state : list of dict of str to ndarray
        For each array what is remembered of it.
    num_steps : int
        Steps taken.
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        self.weights = _checked_weights(weights)
        self._learning_rate = positive("learning_rate", learning_rate)
        self.weight_decay = non_negative("weight_decay", weight_decay)
        self.maximize = bool(maximize)
        self.num_steps = 0
        self.state: list[State] = []

    @property
    def learning_rate(self) -> float:
        """The step size η of the next step."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = non_negative("learning_rate", value)

    def step(self, gradients: Sequence[np.ndarray]) -> None:
        """Change every array of weights once.

        Parameters
        ----------
        gradients : sequence of ndarray
            One for each array, of its shape and dtype. Not modified.

        Raises
        ------
        TypeError, ValueError
            For another number, type, dtype or shape, and for a gradient that is not finite. Then
            nothing has changed. What overflows later becomes inf without a warning, as in torch.
        """
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            checked = self._checked_gradients(gradients)
            self.num_steps += 1
            for w, g, state in zip(self.weights, checked, self.state, strict=True):
                self._update(w, g, state)

    @abstractmethod
    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        """Change `w` and `state` in place; `num_steps` counts this step already."""

    def _remember(self, *names: str) -> None:
        """Give each array of weights an array of zeros under each name."""
        self.state = [{name: np.zeros_like(w) for name in names} for w in self.weights]

    def _checked_gradients(self, gradients: Sequence[np.ndarray]) -> list[np.ndarray]:
        _refuse_one_array("gradients", gradients)
        if len(gradients) != len(self.weights):
            raise ValueError(f"gradients must be {len(self.weights)} arrays, got {len(gradients)}")
        gradients = [_number_as_array(g) for g in gradients]
        for i, (w, g) in enumerate(zip(self.weights, gradients, strict=True)):
            if not isinstance(g, np.ndarray) or g.dtype != w.dtype:
                kind = g.dtype if isinstance(g, np.ndarray) else type(g).__name__
                raise TypeError(f"gradients[{i}] must be an array of {w.dtype}, got {kind}")
            if g.shape != w.shape:
                raise ValueError(f"gradients[{i}] must have shape {w.shape}, got {g.shape}")
        apart = [self._apart(g) for g in gradients]
        for i, g in enumerate(apart):
            self._require_finite(i, g)
        return apart

    def _apart(self, g: np.ndarray) -> np.ndarray:
        """Return `g` itself, or a copy if it is not contiguous or holds memory of the weights."""
        if g.flags.c_contiguous and not any(np.may_share_memory(g, w) for w in self.weights):
            return g
        return g.copy(order="C")

    def _require_finite(self, i: int, g: np.ndarray) -> None:
        line = g.reshape(-1)
        if np.isfinite(np.dot(line, line)):  # one read, no array of bools
            return
        bad = np.flatnonzero(~np.isfinite(line))  # a large finite gradient has none
        if bad.size:
            index = tuple(int(j) for j in np.unravel_index(bad[0], g.shape))
            raise ValueError(
                f"gradients[{i}] must be finite, got {line[bad[0]]} at {index} "
                f"in step {self.num_steps + 1}"
            )


class ElementwiseOptimizer(Optimizer):
    """An optimizer that changes each weight by that weight's own gradients alone.

    It works through blocks that fit a cache: weights and state are read from memory once a step,
    and nothing of their size is allocated. `_update_block` gets the gradient with the sign of
    `maximize` and the weight decay in it. With `decoupled` the decay shrinks the weights instead.
    """

    decoupled: ClassVar[bool] = False

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        longest = min(BLOCK, max((w.size for w in self.weights), default=0))
        dtypes = {w.dtype for w in self.weights}
        self._blocks = {dtype: np.empty((2, longest), dtype) for dtype in dtypes}

    @abstractmethod
    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        """Change `w` and `state`, all of shape (n,); only `scratch` may be overwritten besides."""

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        w, g = w.reshape(-1), g.reshape(-1)
        lines = {name: array.reshape(-1) for name, array in state.items()}
        for start in range(0, w.size, BLOCK):
            at = slice(start, start + BLOCK)
            block, part = w[at], {name: line[at] for name, line in lines.items()}
            room, scratch = self._blocks[w.dtype][:, : block.size]
            descent = self._descent(block, g[at], room)
            if self.decoupled and self.weight_decay:
                block *= 1 - self.learning_rate * self.weight_decay
            self._update_block(block, descent, part, scratch)

    def _descent(self, w: np.ndarray, g: np.ndarray, room: np.ndarray) -> np.ndarray:
        """Return the gradient to walk against, weight decay included: `g` itself or in `room`."""
        if self.maximize:
            g = np.asarray(np.negative(g, out=room))
        if self.weight_decay and not self.decoupled:
            g = np.asarray(np.add(self.weight_decay * w, g, out=room))
        return g


def _checked_weights(weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    _refuse_one_array("weights", weights)
    checked: list[np.ndarray] = []
    for i, w in enumerate(weights):
        if not isinstance(w, np.ndarray) or w.dtype not in (np.float32, np.float64):
            kind = w.dtype if isinstance(w, np.ndarray) else type(w).__name__
            raise TypeError(f"weights[{i}] must be an array of float32 or float64, got {kind}")
        if not (w.flags.c_contiguous and w.flags.writeable):
            raise ValueError(f"weights[{i}] must be C-contiguous and writeable, it is not")
        for j, other in enumerate(checked):
            if np.may_share_memory(w, other):  # exact, as both are contiguous
                raise ValueError(f"weights[{i}] must not overlap weights[{j}], it does")
        checked.append(w)
    return checked


def _refuse_one_array(name: str, value: object) -> None:
    """Raise for a bare array, whose rows would pass for the arrays."""
    if isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a sequence of arrays, got one array")


def _number_as_array(value: Any) -> Any:
    """Return a NumPy number as an array: arithmetic on an array without axes gives numbers."""
    return np.asarray(value) if isinstance(value, np.generic) else value
