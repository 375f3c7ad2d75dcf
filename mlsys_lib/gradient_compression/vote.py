"""signSGD with majority vote: each worker sends one bit a number, and gets one bit back.

Bernstein et al., "signSGD: compressed optimisation for non-convex problems", ICML 2018,
arXiv:1802.04434; and "signSGD with majority vote is communication efficient and fault tolerant",
ICLR 2019, arXiv:1810.05291: where the honest workers agree and are more than half, the vote is
theirs, whatever the others send. No size travels that a liar could make large.

Rank 0 serves, and votes too. The sign of 0 is plus, as in `sign`, and so is a vote that ends in a
tie (an even number of workers); theirs leaves 0 as 0, which has no bit. A vote is no mean of
gradients: noise that is skewed leads it astray (`counterexamples.skewed_noise`).
"""

import numpy as np

from mlsys_lib.collectives import gather
from mlsys_lib.comm import Communicator, wait_all
from mlsys_lib.core.validate import positive
from mlsys_lib.gradient_compression.aggregate import Aggregated, Collective
from mlsys_lib.gradient_compression.compressor import as_gradient
from mlsys_lib.gradient_compression.sign import pack_signs, unpack_signs
from mlsys_lib.gradient_compression.wire import (
    HEADER_BYTES,
    Kind,
    MessageError,
    open_message,
    pack_bits,
    packed_bytes,
    seal,
)


def majority_vote(comm: Communicator, x: np.ndarray) -> np.ndarray:
    """Return for each number the sign that most ranks have.

    Parameters
    ----------
    x : ndarray of shape (k,), floating
        This rank's gradient; k is the same on every rank. Not modified.

    Returns
    -------
    ndarray of shape (k,), int8
        1 or -1; the same on every rank. A tie is 1.

    Notes
    -----
    2 rounds. A rank sends a message of `vote_bytes(k)` to rank 0, which sends one back to each.

    Examples
    --------
    >>> from mlsys_lib.comm import PerRank, simulate
    >>> gradients = [np.array([1.0, -2.0]), np.array([3.0, -0.1]), np.array([-99.0, 99.0])]
    >>> simulate(majority_vote, 3, PerRank(gradients)).results[1]
    array([ 1, -1], dtype=int8)
    """
    ballot = seal(Kind.VOTE, len(as_gradient(x)), pack_signs(x))
    ballots = gather(comm, ballot)
    if ballots is None:
        comm.recv(ballot, 0)
        return _signs(ballot, len(x))
    votes = np.zeros(len(x), np.int32)
    for rank, message in enumerate(ballots):
        try:
            votes += _signs(message, len(x))
        except MessageError as error:
            raise MessageError(f"ballot of rank {rank}: {error}") from error
    result = seal(Kind.VOTE, len(x), pack_bits(votes < 0, 1))
    wait_all([comm.isend(result, rank) for rank in range(1, comm.world_size)])
    return _signs(result, len(x))


def vote_bytes(num_elements: int) -> int:
    """Return the length of a ballot: a header, and a bit for each number.

    >>> vote_bytes(1000)
    130
    """
    return HEADER_BYTES + packed_bytes(num_elements, 1)


class MajorityVote(Collective):
    """The vote as an update for `train_compressed`: all weights move by the same step.

    Parameters
    ----------
    step_size : float
        η of signSGD: what a vote moves a weight by. The loop's own learning rate does not count,
        since a sign has no size.
    """

    name = "majority vote"

    def __init__(self, step_size: float) -> None:
        self.step_size = positive("step_size", step_size)

    def aggregate(self, comm: Communicator, x: np.ndarray) -> Aggregated:
        """Return step_size times the vote; `sent` is step_size times this rank's own signs.

        The mean of what ranks sent is not the vote, so a memory does not mend it.
        """
        vote = self.step_size * majority_vote(comm, x)
        own = self.step_size * np.where(x < 0, -1.0, 1.0)
        size = vote_bytes(len(x))
        return Aggregated(vote, own, size, size * (comm.world_size - 1 if comm.rank == 0 else 1))


def _signs(message: np.ndarray, num_elements: int) -> np.ndarray:
    k, body = open_message(message, Kind.VOTE)
    if k != num_elements:
        raise MessageError(f"message must have {num_elements} numbers, says {k}")
    return unpack_signs(body, k)
