"""Error memory: what a compressor did not send is added to the next step.

    p = η g + e,    Δ = C(p),    w -= mean of Δ,    e = p - Δ

Seide et al., "1-bit stochastic gradient descent", Interspeech 2014, kept the error of quantization.
Stich, Cordonnier & Jaggi, "Sparsified SGD with memory", NeurIPS 2018, arXiv:1809.07599, and
Karimireddy et al., "Error feedback fixes SignSGD and other gradient compression schemes", ICML
2019, arXiv:1901.09847, proved that with it any contraction C costs SGD nothing in the leading term.
All that was ever sent, plus e, is all that should have been sent: the law of the tests.

As there, the learning rate is inside the memory. Momentum correction (Lin et al., "Deep gradient
compression", ICLR 2018, arXiv:1712.01887) is left out.

>>> memory = ErrorFeedback()
>>> wanted = memory.add(np.array([3.0, 1.0]))
>>> memory.keep(wanted, sent=np.array([3.0, 0.0]))
>>> memory.add(np.array([0.5, 1.0]))
array([0.5, 2. ])
"""

from abc import ABC, abstractmethod

import numpy as np


class Memory(ABC):
    """What a worker does with the part of an update that was not sent."""

    @abstractmethod
    def add(self, update: np.ndarray) -> np.ndarray:
        """Return p, what should be sent in this step.

        Parameters
        ----------
        update : ndarray of shape (k,)
            η g. Not modified.

        Returns
        -------
        ndarray of shape (k,), float64
        """

    @abstractmethod
    def keep(self, wanted: np.ndarray, sent: np.ndarray) -> None:
        """Remember what is left of p after Δ.

        Parameters
        ----------
        wanted : ndarray of shape (k,)
            p, as `add` returned it.
        sent : ndarray of shape (k,)
            Δ, as the receivers decode it.
        """


class ErrorFeedback(Memory):
    """Keep all of it.

    Attributes
    ----------
    memory : ndarray of shape (k,), float64, or None
        e; None before the first step, where it is zero.

    Notes
    -----
    8 k bytes on each worker, and two passes over them in a step.
    """

    def __init__(self) -> None:
        self.memory: np.ndarray | None = None

    def add(self, update: np.ndarray) -> np.ndarray:
        """Return η g + e."""
        update = np.array(update, np.float64)
        if self.memory is None:
            return update
        if update.shape != self.memory.shape:
            raise ValueError(
                f"update must have the shape of the memory {self.memory.shape}, got {update.shape}"
            )
        update += self.memory
        return update

    def keep(self, wanted: np.ndarray, sent: np.ndarray) -> None:
        """Set e = p - Δ."""
        if wanted.shape != sent.shape:
            raise ValueError(f"sent must have the shape {wanted.shape}, got {sent.shape}")
        self.memory = np.subtract(wanted, sent, dtype=np.float64)


class NoMemory(Memory):
    """Forget it: right for an unbiased compressor, wrong for any other."""

    def add(self, update: np.ndarray) -> np.ndarray:
        """Return η g."""
        return np.array(update, np.float64)

    def keep(self, wanted: np.ndarray, sent: np.ndarray) -> None:
        """Do nothing."""
