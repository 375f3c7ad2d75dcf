"""Threshold: send the entries that are large enough, however many these are.

Ström, "Scalable distributed DNN training using commodity GPU cloud computing", Interspeech 2015,
sends only the sign of such an entry, and ± the threshold stands for it. Ours sends the entry
itself, as Sahu et al., "Rethinking gradient sparsification as total error minimization", NeurIPS
2021, arXiv:2108.00951, do. They show why it pays: no entry's error exceeds the threshold, and so
the memory stays bounded, ‖e‖² <= k · threshold², whatever the gradients are. A share of the error
it does not guarantee: where all entries are small nothing is sent.
"""

import numpy as np

from mlsys_lib.core.validate import non_negative
from mlsys_lib.gradient_compression.compressor import Compressor, as_gradient
from mlsys_lib.gradient_compression.topk import open_sparse, seal_sparse
from mlsys_lib.gradient_compression.wire import Kind


class Threshold(Compressor):
    """Keep the entries of at least this magnitude.

    Parameters
    ----------
    threshold : float
        In the units of what is compressed, so with a memory in those of η g. At least 0; with 0
        all entries are sent.

    Notes
    -----
    A message has 10 bytes, 4 a kept entry, and the Rice code of the indices. One pass, no sorting.

    Examples
    --------
    >>> compressor = Threshold(1.0)
    >>> compressor.compress(np.array([0.5, -3.0, 1.0, 0.9]), np.random.default_rng(0))
    array([ 0., -3.,  1.,  0.])
    """

    name = "threshold"
    is_unbiased = False
    aggregation = "all_gather"

    def __init__(self, threshold: float) -> None:
        self.threshold = non_negative("threshold", threshold)

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`."""
        values = as_gradient(x)
        threshold = np.float64(self.threshold)  # a Python float would be rounded to x's type
        return seal_sparse(Kind.THRESHOLD, values, np.flatnonzero(np.abs(values) >= threshold))

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        return open_sparse(message, Kind.THRESHOLD)[0]

    def error_bound(self, k: int) -> float:
        """Return 1, or with threshold 0 that of float32: no Θ < 1 holds for all gradients."""
        return 1.0 if self.threshold else 2.0**-48

    def absolute_error_bound(self, k: int) -> float:
        """Return k · threshold², a bound of ‖C(x) - x‖² itself (but for rounding to float32)."""
        return k * self.threshold**2
