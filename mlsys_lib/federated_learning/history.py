"""What a federated run leaves behind: weights, who took part or did not, bytes and seconds."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class History:
    """What happened in T rounds.

    Attributes
    ----------
    weights : ndarray of shape (T + 1, k)
        w_0 … w_T.
    sampled : tuple of tuple of int
        Of each round the clients that were drawn, one that was drawn twice twice.
    lost : tuple of dict of int to str
        Of each round the clients whose update did not count, and why. If the run diverged these are
        in its last round all that answered, each with the largest weight that it sent.
    num_steps : tuple of dict of int to int
        Of each round the local steps of the clients that did count.
    down_bytes, up_bytes : ndarray of shape (T,), int64
        Vectors that the server sent, and that it received in time, refused ones included. A rank's
        headers come on top; see `workers`.
    round_s : ndarray of shape (T,)
        Simulated seconds; 0 without a model of the systems.
    traces : dict of str to ndarray of shape (T + 1,)
        What the caller asked for, of w_0 … w_T.
    diverged_at : int or None
        The round whose aggregate was not finite. It is the last one, and its weights are those
        before it, which are finite.
    """

    weights: np.ndarray
    sampled: tuple[tuple[int, ...], ...] = ()
    lost: tuple[dict[int, str], ...] = ()
    num_steps: tuple[dict[int, int], ...] = ()
    down_bytes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    up_bytes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    round_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    traces: dict[str, np.ndarray] = field(default_factory=dict)
    diverged_at: int | None = None

    @property
    def final(self) -> np.ndarray:
        """Return w_T."""
        return np.asarray(self.weights[-1])

    @property
    def num_rounds(self) -> int:
        """Return T."""
        return len(self.sampled)
