import itertools
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from mlsys_lib.federated_learning import shamir
from mlsys_lib.federated_learning.shamir import (
    PRIME,
    Share,
    reconstruct,
    seeded_draw,
    share_secret,
)


def listed(values: tuple[int, ...]) -> Callable[[int], int]:
    """A draw that gives these numbers, one after the other."""
    left = iter(values)
    return lambda bound: next(left)


def is_prime(n: int) -> bool:
    """Miller and Rabin's test with twenty bases."""
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in range(2, 22):
        powers = [pow(base, odd * 2**i, n) for i in range(twos)]
        if powers[0] != 1 and n - 1 not in powers:
            return False
    return True


def test_the_field_is_the_smallest_prime_above_all_secrets() -> None:
    assert [n for n in range(2**256 + 1, PRIME + 1, 2) if is_prime(n)] == [PRIME]


@pytest.mark.parametrize("threshold", [1, 2, 3, 5])
def test_any_threshold_of_the_shares_give_the_secret(threshold: int) -> None:
    secret, draw = 2**255 + 12345, seeded_draw(b"any")
    shares = share_secret(secret, [1, 2, 7, 40, 2**32], threshold, draw=draw)
    for size in range(threshold, 6):
        for chosen in itertools.permutations(shares, size):
            assert reconstruct(chosen, threshold) == secret


def test_shares_are_values_of_the_polynomial() -> None:
    """Oracle: 3x² + 10x + 6 modulo 11, by hand, and Lagrange's formula over the fractions."""
    shares = share_secret(6, [1, 2, 3, 4], 3, prime=11, draw=listed((3, 10)))
    assert [s.value for s in shares] == [(3 * x * x + 10 * x + 6) % 11 for x in (1, 2, 3, 4)]
    exact = sum(
        s.value * np.prod([Fraction(o.point, o.point - s.point) for o in shares[:3] if o is not s])
        for s in shares[:3]
    )
    assert exact.numerator * pow(exact.denominator, -1, 11) % 11 == 6


def views(secret: int, threshold: int, seen: int) -> Counter[tuple[int, ...]]:
    """What the first `seen` holders see, over all polynomials modulo 5, counted."""
    return Counter(
        tuple(
            s.value
            for s in share_secret(secret, [1, 2, 3], threshold, prime=5, draw=listed(chosen))[:seen]
        )
        for chosen in itertools.product(range(5), repeat=threshold - 1)
    )


@pytest.mark.parametrize("threshold", [2, 3])
def test_fewer_shares_look_the_same_whatever_the_secret(threshold: int) -> None:
    """Every polynomial modulo 5: what threshold - 1 see has one distribution for all secrets."""
    alike = [views(secret, threshold, threshold - 1) for secret in range(5)]
    assert all(view == alike[0] for view in alike)
    assert len(alike[0]) == 5 ** (threshold - 1)  # and it is uniform
    apart = [set(views(secret, threshold, threshold)) for secret in range(5)]
    assert not set.intersection(*apart)  # with one more, no two secrets look alike


@pytest.mark.parametrize("off_by", [-1, 1])
def test_a_polynomial_of_another_degree_is_found_out(
    off_by: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: one coefficient too few opens for too few, one too many for nobody."""
    honest = shamir._value_at

    def wrong(point: int, coefficients: list[int], prime: int) -> int:
        return honest(point, [7, *coefficients] if off_by == 1 else coefficients[1:], prime)

    monkeypatch.setattr(shamir, "_value_at", wrong)
    shares = share_secret(99, [1, 2, 3, 4], 3, draw=seeded_draw(b"degree"))
    if off_by == 1:
        assert reconstruct(shares, 3) != 99
    else:
        assert reconstruct(shares, 2) == 99  # one share fewer than the threshold says


def test_shares_of_two_secrets_add_up() -> None:
    """Law: sharing is linear."""
    first, second = (share_secret(s, [1, 2, 3], 2, draw=seeded_draw(b"l")) for s in (5, 8))
    both = [Share(a.point, a.value + b.value) for a, b in zip(first, second, strict=True)]
    assert reconstruct(both, 2) == 13


def test_edges() -> None:
    assert reconstruct(share_secret(0, [1], 1), 1) == 0
    assert reconstruct(share_secret(PRIME - 1, [1, PRIME - 1], 2), 2) == PRIME - 1
    assert [s.value for s in share_secret(42, [3, 9], 1)] == [42, 42]  # one share says it all


def test_shares_are_drawn_anew_and_a_seed_repeats_them() -> None:
    assert share_secret(1, [1, 2], 2) != share_secret(1, [1, 2], 2)
    again = [share_secret(1, [1, 2], 2, draw=seeded_draw(seed)) for seed in (b"a", b"a", b"b")]
    assert again[0] == again[1] != again[2]
    draw = seeded_draw(b"faces")
    faces = Counter(draw(6) for _ in range(6000))
    assert set(faces) == set(range(6))
    assert sum((count - 1000) ** 2 / 1000 for count in faces.values()) < 20.5  # p = 0.001


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, [1, 2], 2), r"secret must be an integer in 0…\d+, got -1"),
        ((PRIME, [1, 2], 2), r"secret must be an integer in 0…\d+, got \d+"),
        ((5, [1, 1], 2), r"points must differ, got \[1, 1\]"),
        ((5, [0, 1], 2), r"points must be an integer in 1…\d+, got 0"),
        ((5, [1, 2], 3), "threshold must be an integer in 1…2, got 3"),
        ((5, [1, 2], 0), "threshold must be an integer in 1…2, got 0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_drawn(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        share_secret(*arguments, draw=listed(()))


def test_too_few_or_equal_shares_are_refused() -> None:
    shares = share_secret(5, [1, 2, 3], 3)
    with pytest.raises(ValueError, match="shares must be at least 3, got 2"):
        reconstruct(shares[:2], 3)
    with pytest.raises(ValueError, match=r"shares must be of different points, got \[1, 1, 2\]"):
        reconstruct([shares[0], *shares[:2]], 3)


@pytest.mark.parametrize("prime", [11, PRIME])
def test_coefficients_are_drawn_from_the_whole_field(prime: int) -> None:
    """Shares of coefficients below 2^64 would tell most of a secret of 256 bits."""
    bounds: list[int] = []

    def draw(bound: int) -> int:
        bounds.append(bound)
        return bound - 1

    share_secret(5, [1, 2, 3], 3, prime=prime, draw=draw)
    assert bounds == [prime, prime]
