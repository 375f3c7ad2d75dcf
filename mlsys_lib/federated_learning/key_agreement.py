"""Secrets for two: they agree on a key in public, and seal short messages with it.

Diffie & Hellman, "New directions in cryptography", IEEE Transactions on Information Theory 22(6),
1976, doi:10.1109/TIT.1976.1055638, in the group ffdhe2048 of RFC 7919 (2016). Sealing is encrypt
then MAC: the text is added (exclusive or) to a stream of SHAKE-256, and HMAC-SHA-256 guards it.

A teaching version, not to protect real people with. Python's integers take a time that depends on
their values, which tells a watcher something; nobody has reviewed this code; and public keys are
believed, where a real system asks who owns them. Use a library such as `cryptography`.

>>> mine, yours = new_private_key(), new_private_key()
>>> key = shared_key(mine, public_key(yours), b"lesson")
>>> key == shared_key(yours, public_key(mine), b"lesson")
True
>>> unseal(key, seal(key, b"hello"))
b'hello'
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from mlsys_lib.federated_learning.shamir import Draw

KEY_BITS = 256
TAG_BYTES = 32


@dataclass(frozen=True)
class Group:
    """The powers of a generator modulo a prime.

    Parameters
    ----------
    name : str
    prime : int
        A safe one: (prime - 1) / 2 is prime as well, so that no small group hides in it.
    generator : int
    """

    name: str
    prime: int
    generator: int

    @property
    def element_bytes(self) -> int:
        """Bytes of a public key."""
        return (self.prime.bit_length() + 7) // 8


FFDHE2048 = Group(
    "ffdhe2048",
    int(
        "FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1D8B9C583CE2D3695"
        "A9E13641146433FBCC939DCE249B3EF97D2FE363630C75D8F681B202AEC4617A"
        "D3DF1ED5D5FD65612433F51F5F066ED0856365553DED1AF3B557135E7F57C935"
        "984F0C70E0E68B77E2A689DAF3EFE8721DF158A136ADE73530ACCA4F483A797A"
        "BC0AB182B324FB61D108A94BB2C8E3FBB96ADAB760D7F4681D4F42A3DE394DF4"
        "AE56EDE76372BB190B07A7C8EE0A6D709E02FCE1CDF7E2ECC03404CD28342F61"
        "9172FE9CE98583FF8E4F1232EEF28183C3FE3B1B4C6FAD733BB5FCBC2EC22005"
        "C58EF1837D1683B2C6F34A26C1B2EFFA886B423861285C97FFFFFFFFFFFFFFFF",
        16,
    ),
    2,
)


def new_private_key(draw: Draw = secrets.randbelow) -> int:
    """Return a private key, uniform in 1 … 2^256 - 1."""
    return 1 + draw(2**KEY_BITS - 1)


def public_key(private: int, group: Group = FFDHE2048) -> int:
    """Return generator^private modulo the group's prime: some milliseconds for 2048 bits."""
    return pow(group.generator, private, group.prime)


def shared_key(private: int, public: int, purpose: bytes, group: Group = FFDHE2048) -> bytes:
    """Return the 32 bytes that only this pair can compute.

    Parameters
    ----------
    private : int
        One's own.
    public : int
        The other's, in 2 … prime - 2. The three others give a key that everyone can guess.
    purpose : bytes
        Keys for different purposes do not tell about each other.
    group : Group
        The same for both.

    Returns
    -------
    bytes
        SHA-256 of the purpose and of generator^(private · other's private).
    """
    if not 2 <= public <= group.prime - 2:
        raise ValueError(f"public must be in 2…prime - 2 of {group.name}, got {public}")
    element = pow(public, private, group.prime).to_bytes(group.element_bytes, "big")
    return hashlib.sha256(len(purpose).to_bytes(4, "big") + purpose + element).digest()


def seal(key: bytes, text: bytes) -> bytes:
    """Return the text so that only a holder of the key reads or changes it; 32 bytes longer.

    A key seals one message. Two under one key would show their difference.
    """
    hidden = _add_stream(key, text)
    return hidden + _tag(key, hidden)


def unseal(key: bytes, sealed: bytes) -> bytes:
    """Return the text, or raise `ValueError` if it was sealed with another key or changed."""
    hidden, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(key, hidden)):
        raise ValueError("sealed must be a message under this key, unchanged")
    return _add_stream(key, hidden)


def _add_stream(key: bytes, text: bytes) -> bytes:
    stream = hashlib.shake_256(b"stream" + key).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))


def _tag(key: bytes, hidden: bytes) -> bytes:
    return hmac.digest(hashlib.sha256(b"tag" + key).digest(), hidden, "sha256")
