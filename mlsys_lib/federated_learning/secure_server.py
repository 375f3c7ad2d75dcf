"""The server of secure aggregation: it forwards, adds masked vectors, and takes masks off the sum.

Bonawitz et al., CCS 2017, doi:10.1145/3133956.3133982, figure 4; `secure_aggregation` has the whole
protocol. What the server ever holds in the clear is public keys, masked vectors, and one secret of
each client: the seed of its self mask if its vector arrived, else the key of its pair masks.

A message that lacks a part is refused before anything is opened. A changed share is noticed where
it opens the key of a lost client, whose public key is known. A changed share of a self mask is not:
the sum is then wrong, and looks like chance. The paper promises no more: against clients that lie,
vectors stay hidden, and the sum may be wrong.
"""

from collections.abc import Mapping

import numpy as np

from mlsys_lib.core.validate import integer
from mlsys_lib.federated_learning.key_agreement import FFDHE2048, Group, public_key, shared_key
from mlsys_lib.federated_learning.masks import add_masks, pair_sign
from mlsys_lib.federated_learning.secure_client import (
    OpenedShares,
    PublicKeys,
    check_enough,
    self_mask_seed,
)
from mlsys_lib.federated_learning.shamir import Share, reconstruct


class SecureServer:
    """The server; its methods take the messages of a round and return its answer.

    Parameters
    ----------
    threshold : int
        How many clients must be left in each round, or it raises `AbortedRound`.
    num_elements : int
        k, the length of each vector.
    dtype : numpy.dtype
        The unsigned integers of the vectors.
    group : Group
        For the keys; the same on all sides.
    """

    def __init__(
        self, threshold: int, num_elements: int, dtype: np.dtype, *, group: Group = FFDHE2048
    ) -> None:
        self._threshold = integer("threshold", threshold, 2)
        self._num_elements = integer("num_elements", num_elements, 0)
        self._dtype, self._group = dtype, group
        self._keys: dict[int, PublicKeys] = {}
        self._sharers: list[int] = []
        self._vectors: dict[int, np.ndarray] = {}

    def collect_keys(self, keys: Mapping[int, PublicKeys]) -> dict[int, PublicKeys]:
        """Round 0: return what all clients are sent, everybody's keys."""
        check_enough("keys", keys, self._threshold)
        self._keys = dict(keys)
        return self._keys

    def collect_shares(
        self, sent: Mapping[int, Mapping[int, bytes]]
    ) -> dict[int, dict[int, bytes]]:
        """Round 1: return what each client is sent, by sender; the server cannot read it.

        Raises
        ------
        ValueError
            If a sender sent no keys, or has nothing for one of those who did.
        """
        check_enough("shares", sent, self._threshold)
        for sender, parcels in sent.items():
            if sender not in self._keys:
                raise ValueError(f"shares must be of clients that sent keys, got {sender}")
            missing = sorted(set(self._keys) - {sender} - set(parcels))
            if missing:
                raise ValueError(
                    f"shares of client {sender} must be for all, got none for {missing}"
                )
        self._sharers = sorted(sent)
        return {
            receiver: {sender: sent[sender][receiver] for sender in sent if sender != receiver}
            for receiver in sent
        }

    def collect_vectors(self, vectors: Mapping[int, np.ndarray]) -> list[int]:
        """Round 2: return the survivors, whose masked vectors are here."""
        for client, vector in vectors.items():
            if client not in self._sharers:
                raise ValueError(f"vectors must be of clients that shared keys, got {client}")
            if vector.shape != (self._num_elements,) or vector.dtype != self._dtype:
                raise ValueError(
                    f"vectors must be {self._dtype} of shape ({self._num_elements},), "
                    f"got {vector.dtype} of shape {vector.shape} from client {client}"
                )
        check_enough("vectors", vectors, self._threshold)
        self._vectors = dict(vectors)
        return sorted(vectors)

    def open_sum(self, opened: Mapping[int, OpenedShares]) -> np.ndarray:
        """Round 3: return the sum of the survivors' vectors.

        Parameters
        ----------
        opened : mapping from client to OpenedShares
            Of at least the threshold; these may be fewer than the survivors.

        Returns
        -------
        ndarray of shape (k,)
            Modulo 2^bits. Cost: a mask of k numbers for each survivor, and one for each pair of a
            survivor and a client that shared its keys and was lost.

        Raises
        ------
        ValueError
            If shares are not from survivors, or lack a client; or if those of a lost client's mask
            key do not give it.
        """
        check_enough("opened shares", opened, self._threshold)
        self._check_opened(opened)
        total = np.zeros(self._num_elements, self._dtype)
        for vector in self._vectors.values():
            total += vector
        return add_masks(total, [*self._self_masks(opened), *self._masks_without_partner(opened)])

    def _check_opened(self, opened: Mapping[int, OpenedShares]) -> None:
        survivors = set(self._vectors)
        lost = set(self._sharers) - survivors
        for client, shares in opened.items():
            if client not in survivors:
                raise ValueError(f"opened must be from survivors, got shares from {client}")
            missing = (survivors - set(shares.self_masks)) | (lost - set(shares.mask_keys))
            if missing:
                raise ValueError(
                    f"opened by client {client} must be a share of each client, "
                    f"got none of {sorted(missing)}"
                )

    def _self_masks(self, opened: Mapping[int, OpenedShares]) -> list[tuple[bytes, int]]:
        return [
            (self_mask_seed(self._secret([o.self_masks[client] for o in opened.values()])), -1)
            for client in self._vectors
        ]

    def _masks_without_partner(self, opened: Mapping[int, OpenedShares]) -> list[tuple[bytes, int]]:
        """Return the pair masks in the sum whose other half was lost, with signs to remove them."""
        seeds = []
        for lost in (client for client in self._sharers if client not in self._vectors):
            private = self._secret([o.mask_keys[lost] for o in opened.values()])
            if public_key(private, self._group) != self._keys[lost].mask:
                raise ValueError(f"opened must give the mask key of client {lost}: shares differ")
            for client in self._vectors:
                seed = shared_key(private, self._keys[client].mask, b"mask", self._group)
                seeds.append((seed, -pair_sign(client, lost)))
        return seeds

    def _secret(self, shares: list[Share]) -> int:
        return reconstruct(shares, self._threshold)
