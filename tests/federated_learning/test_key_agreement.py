import pytest

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
from mlsys_lib.federated_learning.shamir import seeded_draw

SMALL = Group("small", 23, 4)  # 23 = 2 · 11 + 1, and 4 has 11 powers


def test_the_group_is_the_one_of_rfc_7919() -> None:
    """Its prime is 2^2048 - 2^1984 + (floor(2^1918 e) + 560316) 2^64 - 1; it is a safe one."""
    e, term, k = 0, 1 << 2100, 1
    while term:
        e, term, k = e + term, term // k, k + 1
    assert FFDHE2048.prime == 2**2048 - 2**1984 + ((e >> 182) + 560316) * 2**64 - 1
    assert FFDHE2048.element_bytes == 256
    half = (FFDHE2048.prime - 1) // 2
    assert pow(2, half, FFDHE2048.prime) == 1  # the generator's powers are half of all
    assert all(pow(base, half - 1, half) == 1 for base in (3, 5))


def test_both_sides_get_one_key() -> None:
    draw = seeded_draw(b"pair")
    a, b, c = (new_private_key(draw) for _ in range(3))
    keys = {shared_key(mine, public_key(theirs), b"p") for mine, theirs in ((a, b), (b, a), (a, c))}
    assert len(keys) == 2 and all(len(key) == 32 for key in keys)


def test_every_pair_of_private_keys_of_a_small_group_agrees() -> None:
    """Brute force: 4^(ab) modulo 23 for all a and b."""
    for a in range(1, 11):
        for b in range(1, 11):
            if (a * b) % 11:
                ours = shared_key(a, public_key(b, SMALL), b"", SMALL)
                assert ours == shared_key(1, pow(4, a * b, 23), b"", SMALL)


def test_purposes_have_keys_of_their_own() -> None:
    other = public_key(5, SMALL)
    assert len({shared_key(3, other, p, SMALL) for p in (b"seal", b"mask", b"", b"sealx")}) == 4


@pytest.mark.parametrize("public", [0, 1, FFDHE2048.prime - 1, FFDHE2048.prime, -3])
def test_public_keys_that_give_a_key_away_are_refused(public: int) -> None:
    with pytest.raises(ValueError, match="public must be in 2…prime - 2 of ffdhe2048"):
        shared_key(5, public, b"p")


@pytest.mark.parametrize("text", [b"", b"x", b"0" * 100])
def test_a_sealed_text_comes_back_and_shows_nothing_of_itself(text: bytes) -> None:
    sealed = seal(b"k" * 32, text)
    assert unseal(b"k" * 32, sealed) == text
    assert len(sealed) == len(text) + TAG_BYTES
    assert not text or text not in sealed


@pytest.mark.parametrize("position", [0, 5, 11, -1])
def test_a_changed_bit_is_noticed(position: int) -> None:
    sealed = bytearray(seal(b"k" * 32, b"twelve bytes"))
    sealed[position] ^= 1
    with pytest.raises(ValueError, match="sealed must be a message under this key, unchanged"):
        unseal(b"k" * 32, bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"short", seal(b"other key", b"hello")])
def test_a_stranger_message_is_refused(sealed: bytes) -> None:
    with pytest.raises(ValueError, match="sealed must be a message under this key"):
        unseal(b"k" * 32, sealed)
