"""Early stopping: end training when a validation measure has not improved for a while.

Prechelt, "Early stopping — but when?", in Neural networks: tricks of the trade, 1998,
doi:10.1007/3-540-49430-8_3. One value that is worse than the last is noise, so the rule waits:
it stops after `patience` values in a row that do not beat the best. Ours is the plain rule that
deep-learning libraries have; Prechelt's three criteria measure how much was lost.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import non_negative, one_of, positive_int


class EarlyStopping:
    """Watch a measure, keep the weights of its best value, and say when to stop.

    Parameters
    ----------
    patience : int
        ≥ 1: how many values in a row may fail to improve.
    min_delta : float
        ≥ 0: an improvement is a value better than the best by more than this.
    mode : {"min", "max"}
        Whether small values are good (a loss) or large ones (an accuracy).

    Attributes
    ----------
    best_value : float or None
        None before the first value that is a number.
    best_index : int or None
        Which value that was, from 0.
    num_values : int
        Values seen.

    Examples
    --------
    >>> stopping, w = EarlyStopping(patience=2), np.zeros(1)
    >>> for loss in (0.9, 0.7, 0.8, 0.75, 0.6):
    ...     w += 1
    ...     if stopping.update(loss, [w]):
    ...         break
    >>> stopping.restore([w])
    >>> print(stopping.best_value, stopping.num_values, w)
    0.7 4 [2.]
    """

    def __init__(self, patience: int, min_delta: float = 0.0, mode: str = "min") -> None:
        self.patience = positive_int("patience", patience)
        self.min_delta = non_negative("min_delta", min_delta)
        self.mode = one_of("mode", mode, ("min", "max"))
        self.best_value: float | None = None
        self.best_index: int | None = None
        self.num_values = 0
        self._num_bad = 0
        self._kept: list[np.ndarray] = []

    def update(self, value: float, weights: Sequence[np.ndarray]) -> bool:
        """Take the next value and the weights it was measured with; return whether to stop.

        Parameters
        ----------
        value : float
            NaN improves on nothing.
        weights : sequence of ndarray
            Copied if the value is the best so far. With batch normalization, hand over its running
            statistics too.
        """
        value = float(value)
        if self._is_better(value):
            self.best_value, self.best_index = value, self.num_values
            self._kept = [np.array(w) for w in weights]
            self._num_bad = 0
        else:
            self._num_bad += 1
        self.num_values += 1
        return self._num_bad >= self.patience

    def restore(self, weights: Sequence[np.ndarray]) -> None:
        """Write the weights of the best value into `weights`, in place."""
        if self.best_value is None:
            raise ValueError("best_value must be a number before weights are restored, got None")
        shapes, kept = [np.shape(w) for w in weights], [w.shape for w in self._kept]
        if shapes != kept:
            raise ValueError(f"weights must have the shapes {kept}, got {shapes}")
        for w, best in zip(weights, self._kept, strict=True):
            w[...] = best

    def _is_better(self, value: float) -> bool:
        if self.best_value is None:
            return not np.isnan(value)
        gain = self.best_value - value if self.mode == "min" else value - self.best_value
        return gain > self.min_delta
