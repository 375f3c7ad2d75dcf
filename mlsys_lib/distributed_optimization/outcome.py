"""What a distributed run of rounds returns on each rank."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rounds:
    """Weights round by round.

    Attributes
    ----------
    history : ndarray of shape (T + 1, d)
        The weights before the first round and after each; the same on every rank.
    time_s : tuple of float
        This rank's clock at those moments. Seconds of a simulated network, or measured.
    diverged_at : int or None
        The round whose result was not finite; the history ends before it.
    """

    history: np.ndarray
    time_s: tuple[float, ...]
    diverged_at: int | None = None

    @property
    def weights(self) -> np.ndarray:
        """Return the last weights, of shape (d,); they are finite."""
        return np.asarray(self.history[-1])
