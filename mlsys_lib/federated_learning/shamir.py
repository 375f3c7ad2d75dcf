"""Shamir's secret sharing: any `threshold` of the shares give the secret, fewer give nothing.

Shamir, "How to share a secret", Communications of the ACM 22(11), 1979, doi:10.1145/359168.359176.
The secret is the value at 0 of a random polynomial of degree threshold - 1 over the integers modulo
a prime, and a share is its value at another point. The paper gives the points 1 … n; ours are the
points that the caller names, so that a client's share can carry the client's number.

>>> shares = share_secret(1234, points=[1, 2, 3, 4, 5], threshold=3)
>>> reconstruct([shares[4], shares[0], shares[2]], threshold=3)
1234
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from mlsys_lib.core.validate import integer

PRIME = 2**256 + 297
"""The smallest prime above every secret of 256 bits."""

Draw = Callable[[int], int]
"""Return a uniform integer in 0 … bound - 1."""


@dataclass(frozen=True)
class Share:
    """A point of the polynomial: where, and its value there."""

    point: int
    value: int


def share_secret(
    secret: int,
    points: Collection[int],
    threshold: int,
    *,
    prime: int = PRIME,
    draw: Draw = secrets.randbelow,
) -> list[Share]:
    """Return a share of the secret for each point.

    Parameters
    ----------
    secret : int
        In 0 … prime - 1.
    points : collection of int
        In 1 … prime - 1, each once. At 0 the polynomial is the secret itself.
    threshold : int
        How many shares open the secret, 1 … len(points).
    prime : int
        Size of the field; that it is a prime is not checked.
    draw : callable
        Where the coefficients come from; `seeded_draw` repeats a run.

    Returns
    -------
    list of Share
        In the order of the points. Cost: threshold multiplications each.
    """
    integer("secret", secret, 0, prime - 1)
    if len(set(points)) < len(points):
        raise ValueError(f"points must differ, got {list(points)}")
    for point in points:
        integer("points", point, 1, prime - 1)
    integer("threshold", threshold, 1, len(points))
    coefficients = [draw(prime) for _ in range(threshold - 1)] + [secret]
    return [Share(point, _value_at(point, coefficients, prime)) for point in points]


def reconstruct(shares: Sequence[Share], threshold: int, *, prime: int = PRIME) -> int:
    """Return the secret, from the first `threshold` shares.

    Parameters
    ----------
    shares : sequence of Share
        At least `threshold`, of different points. A share that was changed gives another secret,
        and nothing here notices.
    threshold : int
        As when the secret was shared.
    prime : int
        Likewise.

    Returns
    -------
    int
        By Lagrange's formula at 0: threshold² multiplications and `threshold` inverses.
    """
    integer("threshold", threshold, 1)
    if len(shares) < threshold:
        raise ValueError(f"shares must be at least {threshold}, got {len(shares)}")
    points = [share.point for share in shares]
    if len(set(points)) < len(points):
        raise ValueError(f"shares must be of different points, got {points}")
    secret = 0
    for share in shares[:threshold]:
        numerator = denominator = 1
        for other in points[:threshold]:
            if other != share.point:
                numerator = numerator * other % prime
                denominator = denominator * (other - share.point) % prime
        secret += share.value * numerator * pow(denominator, -1, prime)
    return secret % prime


def seeded_draw(seed: bytes) -> Draw:
    """Return a `Draw` that repeats itself: SHAKE-256 of the seed and a counter.

    For lessons and tests only: who knows the seed knows every secret. Each number is the remainder
    of 512 bits, so that for bounds up to 2^257 its bias is below 2^-255.
    """
    counter = 0

    def draw(bound: int) -> int:
        nonlocal counter
        counter += 1
        stream = hashlib.shake_256(counter.to_bytes(8, "big") + seed)
        return int.from_bytes(stream.digest(64), "big") % bound

    return draw


def _value_at(point: int, coefficients: Sequence[int], prime: int) -> int:
    """Return the polynomial's value by Horner's rule, the highest coefficient first."""
    value = 0
    for coefficient in coefficients:
        value = (value * point + coefficient) % prime
    return value
