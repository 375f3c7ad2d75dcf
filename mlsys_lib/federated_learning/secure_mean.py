"""FedAvg's average through secure aggregation: the server learns the mean model and no model.

Bonawitz et al., CCS 2017, doi:10.1145/3133956.3133982, section 1: clients send n_i (w_i - w) and
n_i, both masked; the server divides one sum by the other. Ours runs the clients' part inside the
aggregation, as all of a simulation lies in one process.
"""

import secrets
from collections.abc import Sequence

import numpy as np

from mlsys_lib.federated_learning.aggregation import Update
from mlsys_lib.federated_learning.key_agreement import FFDHE2048, Group
from mlsys_lib.federated_learning.secure_aggregation import secure_sum
from mlsys_lib.federated_learning.shamir import Draw


class SecureMeanByExamples:
    """`MeanByExamples` by `secure_sum`: the same up to the rounding of fixed point.

    Parameters
    ----------
    bits, fractional_bits : int
        Of the numbers n_i (w_i - w) and n_i; see `FixedPoint`. The mean is off by less than
        2^-fractional_bits.
    group, draw
        See `secure_sum`.

    Examples
    --------
    >>> updates = [Update(i, np.array([float(i)]), 100, 1, 0.0) for i in (1, 2)]
    >>> SecureMeanByExamples()(np.zeros(1), updates, np.full(3, 1 / 3))
    array([1.5])
    """

    def __init__(
        self,
        *,
        bits: int = 64,
        fractional_bits: int = 32,
        group: Group = FFDHE2048,
        draw: Draw = secrets.randbelow,
    ) -> None:
        self._bits, self._fractional_bits = bits, fractional_bits
        self._group, self._draw = group, draw

    def __call__(
        self, weights: np.ndarray, updates: Sequence[Update], client_weights: np.ndarray
    ) -> np.ndarray:
        """Return the mean; with a single client the old weights, as a sum of one hides nothing.

        A client that was drawn more than once is still one.
        """
        if len({update.client for update in updates}) < 2:
            return weights.copy()
        changes = [u.num_examples * np.append(u.weights - weights, 1.0) for u in updates]
        opened = secure_sum(
            changes,
            bits=self._bits,
            fractional_bits=self._fractional_bits,
            group=self._group,
            draw=self._draw,
        )
        return np.asarray(weights + opened.total[:-1] / opened.total[-1])
