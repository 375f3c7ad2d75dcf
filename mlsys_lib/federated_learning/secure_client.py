"""A client of secure aggregation: it masks its vector, and helps to open the sum alone.

Bonawitz et al., CCS 2017, doi:10.1145/3133956.3133982, figure 4; `secure_aggregation` has the whole
protocol. Each method returns one message. The seed of the self mask is b_i, the mask key is the
private key behind the seeds s_ij.
"""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer
from mlsys_lib.federated_learning.key_agreement import (
    FFDHE2048,
    TAG_BYTES,
    Group,
    new_private_key,
    public_key,
    seal,
    shared_key,
    unseal,
)
from mlsys_lib.federated_learning.masks import add_masks, pair_sign
from mlsys_lib.federated_learning.shamir import PRIME, Draw, Share, share_secret

NUMBER_BYTES = 4
"""Of a client's number in a message."""
SHARE_BYTES = (PRIME.bit_length() + 7) // 8
SEALED_BYTES = 2 * NUMBER_BYTES + 2 * SHARE_BYTES + TAG_BYTES
"""Of one client's two shares for another: from, to, shares, tag."""


class AbortedRound(RuntimeError):
    """Too few clients are left; nothing was opened."""


@dataclass(frozen=True)
class PublicKeys:
    """What a client advertises: one for sealed messages, one for the masks of its pairs."""

    seal: int
    mask: int


@dataclass(frozen=True)
class OpenedShares:
    """A client's last message: shares of the mask keys of lost clients, of others' self masks."""

    mask_keys: Mapping[int, Share]
    self_masks: Mapping[int, Share]


def least_threshold(num_clients: int) -> int:
    """Return the least number of clients that may open secrets: more than half."""
    return num_clients // 2 + 1


def check_enough(what: str, found: Collection[int], threshold: int) -> None:
    """Raise `AbortedRound` if fewer clients than the threshold are left; each counts once."""
    clients = sorted(set(found))
    if len(clients) < threshold:
        raise AbortedRound(
            f"{what} must be of at least {threshold} clients, got {len(clients)}: {clients}"
        )


class SecureClient:
    """One client; its methods are its messages, in their order, each given once.

    Parameters
    ----------
    client : int
        Its number, from 0 on.
    vector : ndarray of shape (k,), unsigned integers
        Encoded by `FixedPoint`. Not modified.
    threshold : int
        How many clients must be left; more than half of those that advertise.
    group : Group
        For the keys; the same on all sides.
    draw : callable
        Where its secrets come from.
    """

    def __init__(
        self,
        client: int,
        vector: np.ndarray,
        threshold: int,
        *,
        group: Group = FFDHE2048,
        draw: Draw = secrets.randbelow,
    ) -> None:
        self.client = integer("client", client, 0, 2 ** (8 * NUMBER_BYTES) - 2)
        if vector.ndim != 1 or vector.dtype.kind != "u":
            shape = vector.shape
            raise ValueError(f"vector must be unsigned of shape (k,), got {vector.dtype} {shape}")
        self._threshold = integer("threshold", threshold, 2)
        self._vector, self._draw, self._group = vector, draw, group
        self._seal_key, self._mask_key, self._self_mask = (new_private_key(draw) for _ in range(3))
        self._keys: dict[int, PublicKeys] = {}
        self._pair_keys: dict[int, bytes] = {}
        self._shares: dict[int, tuple[Share, Share]] = {}
        self._answered: set[str] = set()

    def advertise(self) -> PublicKeys:
        """Round 0: return the public keys."""
        return PublicKeys(*(public_key(k, self._group) for k in (self._seal_key, self._mask_key)))

    def share_keys(self, keys: Mapping[int, PublicKeys]) -> dict[int, bytes]:
        """Round 1: return, for each other client, its shares of both secrets of this one, sealed.

        Parameters
        ----------
        keys : mapping from client to PublicKeys
            Of all who advertised, this client too.

        Raises
        ------
        AbortedRound
            If they are fewer than the threshold.
        ValueError
            If the threshold is not more than half of them: two halves could be asked for one secret
            each. Or if this client is not among them, or is asked again.
        """
        self._refuse_again("keys")
        check_enough("keys", keys, self._threshold)
        if self.client not in keys:
            raise ValueError(f"keys must hold those of client {self.client}, got {sorted(keys)}")
        integer("threshold", self._threshold, least_threshold(len(keys)))
        self._keys = dict(keys)
        points = [client + 1 for client in keys]
        of_mask_key, of_self_mask = (
            share_secret(secret, points, self._threshold, draw=self._draw)
            for secret in (self._mask_key, self._self_mask)
        )
        shares = dict(zip(keys, zip(of_mask_key, of_self_mask, strict=True), strict=True))
        self._shares[self.client] = shares.pop(self.client)
        self._answered.add("keys")
        return {other: self._sealed(other, pair) for other, pair in shares.items()}

    def masked_vector(self, sealed: Mapping[int, bytes]) -> np.ndarray:
        """Round 2: return the vector under its masks: uniform to all who lack the seeds.

        Parameters
        ----------
        sealed : mapping from client to bytes
            What the others sealed for this one. Only with them it shares masks.

        Raises
        ------
        AbortedRound
            If, with this client, they are fewer than the threshold.
        ValueError
            If a message was changed, or is for or from somebody else. If the server asks again: two
            vectors under different masks tell about the masks.
        """
        self._refuse_again("sealed")
        check_enough("shares", {self.client, *sealed}, self._threshold)
        strangers = sorted(set(sealed) - set(self._keys))
        if strangers:
            raise ValueError(f"sealed must be from clients that advertised, got {strangers}")
        self._shares |= {other: self._unsealed(other, text) for other, text in sealed.items()}
        seeds = [(self_mask_seed(self._self_mask), 1)]
        for other in sealed:
            seed = shared_key(self._mask_key, self._keys[other].mask, b"mask", self._group)
            seeds.append((seed, pair_sign(self.client, other)))
        self._answered.add("sealed")
        return add_masks(self._vector, seeds)

    def open_shares(self, survivors: Collection[int]) -> OpenedShares:
        """Round 3: return a share of one secret of each client, never of both.

        Parameters
        ----------
        survivors : collection of int
            Whose masked vectors the server has. Of them this opens the self mask, of the others the
            mask key.

        Raises
        ------
        AbortedRound
            If the survivors are fewer than the threshold.
        ValueError
            If the server asks again: with another list it would get the other secret.
        """
        self._refuse_again("survivors")
        strangers = sorted(set(survivors) - set(self._shares))
        if strangers:
            raise ValueError(f"survivors must be clients that shared their keys, got {strangers}")
        check_enough("survivors", survivors, self._threshold)
        self._answered.add("survivors")
        of_lost = {j: pair[0] for j, pair in self._shares.items() if j not in survivors}
        return OpenedShares(of_lost, {j: self._shares[j][1] for j in survivors})

    def _refuse_again(self, what: str) -> None:
        if what in self._answered:
            raise ValueError(f"{what} must be named once to client {self.client}, got more")

    def _sealed(self, other: int, shares: tuple[Share, Share]) -> bytes:
        text = b"".join(share.value.to_bytes(SHARE_BYTES, "big") for share in shares)
        address = _address(self.client, other)
        return seal(self._key_for(other, address), address + text)

    def _unsealed(self, other: int, sealed: bytes) -> tuple[Share, Share]:
        address = _address(other, self.client)
        text = unseal(self._key_for(other, address), sealed)[len(address) :]
        values = (text[:SHARE_BYTES], text[SHARE_BYTES:])
        mask_key, self_mask = (Share(self.client + 1, int.from_bytes(v, "big")) for v in values)
        return mask_key, self_mask

    def _key_for(self, other: int, address: bytes) -> bytes:
        """Return the key of one direction of a pair, so that each seals a single message."""
        if other not in self._pair_keys:
            public = self._keys[other].seal
            self._pair_keys[other] = shared_key(self._seal_key, public, b"seal", self._group)
        return hashlib.sha256(self._pair_keys[other] + address).digest()


def self_mask_seed(self_mask: int) -> bytes:
    """Return b_i as the seed of a mask."""
    return b"self" + self_mask.to_bytes(SHARE_BYTES, "big")


def _address(sender: int, receiver: int) -> bytes:
    return sender.to_bytes(NUMBER_BYTES, "big") + receiver.to_bytes(NUMBER_BYTES, "big")
