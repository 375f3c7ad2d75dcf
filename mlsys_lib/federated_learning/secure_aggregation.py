"""Secure aggregation: the server learns the sum of the clients' vectors, and no vector.

Bonawitz et al., "Practical secure aggregation for privacy-preserving machine learning", CCS 2017,
doi:10.1145/3133956.3133982, figure 4, for a server that keeps to the protocol but is curious:

    y_i = x_i + PRG(b_i) + Σ_{j < i} PRG(s_ij) - Σ_{j > i} PRG(s_ij)    modulo 2^bits

Each pair agrees on a seed s_ij; one adds its mask, the other subtracts it, and in the sum they
cancel. If client i is lost before y_i arrives, the others open the key behind its s_ij, and the
server removes the masks that now lack a partner. If y_i did arrive, they open b_i instead. Never
both: together they would lay x_i open, for a vector that was late and not lost.

Ours differs from the paper: the group is Diffie and Hellman's and not an elliptic curve; nobody
signs, which would be against a server that invents clients; and the threshold lies above half of
the clients, so that a server which names different survivors to different clients still does not
get both secrets of one. `key_agreement` says why this is a teaching version.

>>> vectors = [np.array([0.5, -1.0]), np.array([0.25, 2.0]), np.array([1.0, 1.0])]
>>> secure_sum(vectors, lost={2: 2}).total
array([0.75, 1.  ])
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer
from mlsys_lib.federated_learning.encoding import FixedPoint
from mlsys_lib.federated_learning.key_agreement import FFDHE2048, Group
from mlsys_lib.federated_learning.secure_client import (
    NUMBER_BYTES,
    SEALED_BYTES,
    SHARE_BYTES,
    SecureClient,
    least_threshold,
)
from mlsys_lib.federated_learning.secure_server import SecureServer
from mlsys_lib.federated_learning.shamir import Draw


@dataclass(frozen=True)
class SecureSum:
    """A sum that was opened.

    Attributes
    ----------
    total : ndarray of shape (k,), float64
        Of the survivors' vectors; exact for the fixed-point numbers that stand for them.
    survivors : tuple of int
        Whose vectors are in it.
    up_bytes, down_bytes : tuple of int
        Of each client's messages to the server and from it.
    """

    total: np.ndarray
    survivors: tuple[int, ...]
    up_bytes: tuple[int, ...]
    down_bytes: tuple[int, ...]


def secure_sum(
    vectors: Sequence[np.ndarray],
    *,
    threshold: int | None = None,
    lost: Mapping[int, int] | None = None,
    bits: int = 64,
    fractional_bits: int = 32,
    group: Group = FFDHE2048,
    draw: Draw = secrets.randbelow,
) -> SecureSum:
    """Run the whole protocol in this process and return the sum.

    Parameters
    ----------
    vectors : sequence of m >= 2 ndarrays of shape (k,)
        Finite, small enough for the sum to fit; see `FixedPoint`.
    threshold : int, optional
        How many clients must be left, m // 2 + 1 … m; more than half if not given.
    lost : mapping from client to int
        The round, 0 … 3, from which on a client is silent. One that is lost in round 3 has sent its
        vector, and is in the sum.
    bits, fractional_bits
        Of `FixedPoint`.
    group : Group
        2048 bits by default: m clients take 2 m² powers of some milliseconds.
    draw : callable
        Where all secrets come from; `seeded_draw` repeats a run.

    Returns
    -------
    SecureSum

    Raises
    ------
    AbortedRound
        If in some round fewer clients than the threshold are left.
    """
    m, lost = len(vectors), dict(lost or {})
    integer("number of vectors", m, 2)
    least = least_threshold(m)
    threshold = integer("threshold", least if threshold is None else threshold, least, m)
    for client, step in lost.items():
        integer("lost client", client, 0, m - 1)
        integer("lost round", step, 0, 3)
    if len({np.shape(vector) for vector in vectors}) > 1 or np.ndim(vectors[0]) != 1:
        raise ValueError(f"vectors must have one shape (k,), got {[np.shape(v) for v in vectors]}")
    ring = FixedPoint(bits, fractional_bits, m)
    clients = {
        i: SecureClient(i, ring.encode(vector), threshold, group=group, draw=draw)
        for i, vector in enumerate(vectors)
    }
    server = SecureServer(threshold, len(vectors[0]), ring.dtype, group=group)
    return _run(server, clients, lost, ring, group)


def message_bytes(
    num_clients: int, num_elements: int, *, bits: int = 64, group: Group = FFDHE2048
) -> tuple[int, int]:
    """Return the bytes of a client's messages up and down if nobody is lost: O(k + m).

    Up are two keys, a sealed pair of shares for each other client, the vector, and a share of each
    client's self mask. Down are the keys of all, the sealed pairs, and the list of survivors.
    """
    sealed = (num_clients - 1) * (NUMBER_BYTES + SEALED_BYTES)
    up = 2 * group.element_bytes + sealed + num_elements * bits // 8
    up += num_clients * (NUMBER_BYTES + SHARE_BYTES)
    down = num_clients * (NUMBER_BYTES + 2 * group.element_bytes) + sealed
    return up, down + num_clients * NUMBER_BYTES


def _run(
    server: SecureServer,
    clients: Mapping[int, SecureClient],
    lost: Mapping[int, int],
    ring: FixedPoint,
    group: Group,
) -> SecureSum:
    """Carry the messages of the four rounds, and count their bytes."""
    up, down = np.zeros(len(clients), int), np.zeros(len(clients), int)
    key_bytes, sealed_bytes = 2 * group.element_bytes, NUMBER_BYTES + SEALED_BYTES

    def present(among: Collection[int], step: int) -> list[int]:
        return [i for i in among if lost.get(i, 4) > step]

    keys = server.collect_keys({i: clients[i].advertise() for i in present(clients, 0)})
    up[list(keys)] += key_bytes
    down[list(keys)] += len(keys) * (NUMBER_BYTES + key_bytes)

    sent = {i: clients[i].share_keys(keys) for i in present(keys, 1)}
    sealed = server.collect_shares(sent)
    up[list(sent)] += (len(keys) - 1) * sealed_bytes
    down[list(sent)] += (len(sent) - 1) * sealed_bytes

    masked = {i: clients[i].masked_vector(sealed[i]) for i in present(sent, 2)}
    survivors = server.collect_vectors(masked)
    up[survivors] += next(iter(masked.values())).nbytes
    down[survivors] += len(survivors) * NUMBER_BYTES

    opened = {i: clients[i].open_shares(survivors) for i in present(survivors, 3)}
    up[list(opened)] += len(sent) * (NUMBER_BYTES + SHARE_BYTES)
    total = ring.decode(server.open_sum(opened))
    return SecureSum(total, tuple(survivors), tuple(up.tolist()), tuple(down.tolist()))
