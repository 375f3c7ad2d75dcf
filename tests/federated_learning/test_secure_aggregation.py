import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from mlsys_lib.federated_learning import secure_client, secure_server
from mlsys_lib.federated_learning.encoding import FixedPoint
from mlsys_lib.federated_learning.key_agreement import FFDHE2048, Group
from mlsys_lib.federated_learning.masks import add_masks
from mlsys_lib.federated_learning.secure_aggregation import message_bytes, secure_sum
from mlsys_lib.federated_learning.secure_client import (
    AbortedRound,
    OpenedShares,
    SecureClient,
    least_threshold,
    self_mask_seed,
)
from mlsys_lib.federated_learning.secure_server import SecureServer
from mlsys_lib.federated_learning.shamir import reconstruct, seeded_draw

SMALL = Group("61 bits", 4611686018427377339, 4)  # fast, and far too small for anything but tests
U64 = np.dtype("<u8")
NEVER = 4


def vectors_for(m: int, k: int = 3, seed: int = 0) -> list[np.ndarray]:
    """Multiples of 1/8, so that their sums are exact as floats as well."""
    return list(np.random.default_rng(seed).integers(-99, 99, (m, k)) / 8)


def quick_sum(vectors: list[np.ndarray], **options: Any) -> Any:
    return secure_sum(vectors, group=SMALL, draw=seeded_draw(b"run"), **options)


def every_loss(m: int) -> list[dict[int, int]]:
    """Every way to lose clients: each before round 0, 1, 2, 3, or never."""
    ways = itertools.product(range(NEVER + 1), repeat=m)
    return [{i: step for i, step in enumerate(way) if step < NEVER} for way in ways]


def test_for_every_set_of_lost_clients_the_sum_is_exact_or_nothing_is_opened() -> None:
    vectors, outcomes = vectors_for(4), Counter[str]()
    for lost in every_loss(4):
        left = sum(lost.get(i, NEVER) == NEVER for i in range(4))
        survivors = tuple(i for i in range(4) if lost.get(i, NEVER) >= 3)
        if left >= 3:
            found = quick_sum(vectors, lost=lost)
            assert found.survivors == survivors
            np.testing.assert_array_equal(found.total, sum(vectors[i] for i in survivors))
            outcomes["opened"] += 1
        else:
            with pytest.raises(AbortedRound, match=r"must be of at least 3 clients, got \d"):
                quick_sum(vectors, lost=lost)
            outcomes["aborted"] += 1
    assert outcomes == {"opened": 1 + 4 * 4, "aborted": 5**4 - 17}


@pytest.mark.parametrize("m", [2, 3, 5, 9])
@pytest.mark.parametrize("bits", [16, 32, 64])
def test_the_sum_is_that_of_the_rounded_vectors(m: int, bits: int) -> None:
    vectors = [np.random.default_rng(i).normal(size=11) for i in range(m)]
    found = quick_sum(vectors, bits=bits, fractional_bits=8)
    ring = FixedPoint(bits, 8, m)
    np.testing.assert_array_equal(found.total, sum(ring.decode(ring.encode(v)) for v in vectors))


def test_the_large_group_gives_the_same_sum() -> None:
    vectors = vectors_for(3)
    np.testing.assert_array_equal(secure_sum(vectors, lost={0: 2}).total, vectors[1] + vectors[2])


def parties(m: int, threshold: int, k: int = 2) -> tuple[SecureServer, dict[int, SecureClient]]:
    draw = seeded_draw(b"parties")
    clients = {
        i: SecureClient(i, np.full(k, i, U64), threshold, group=SMALL, draw=draw) for i in range(m)
    }
    return SecureServer(threshold, k, U64, group=SMALL), clients


def up_to_masked(
    server: SecureServer, clients: Mapping[int, SecureClient]
) -> dict[int, np.ndarray]:
    keys = server.collect_keys({i: client.advertise() for i, client in clients.items()})
    sealed = server.collect_shares({i: client.share_keys(keys) for i, client in clients.items()})
    return {i: client.masked_vector(sealed[i]) for i, client in clients.items()}


def chi_square(values: np.ndarray) -> float:
    """Of the 256 values of each byte against the uniform distribution; 255 degrees of freedom."""
    counts = np.bincount(values.view(np.uint8), minlength=256)
    expected = values.nbytes / 256
    return float(np.sum((counts - expected) ** 2 / expected))


def test_a_masked_vector_is_uniform_whatever_it_hides() -> None:
    """0.001 and 0.999 quantiles of chi-square with 255 degrees of freedom: 190.9 and 330.5."""
    for value in (0, 1, 2**63):
        draw = seeded_draw(b"uniform")
        clients = {
            i: SecureClient(i, np.full(20_000, value, U64), 2, group=SMALL, draw=draw)
            for i in range(3)
        }
        server = SecureServer(2, 20_000, U64, group=SMALL)
        for masked in up_to_masked(server, clients).values():
            assert 190.9 < chi_square(masked) < 330.5
            changes = np.diff(masked)  # of neighbours that hide equal numbers
            assert 190.9 < chi_square(changes) < 330.5


def test_a_mask_that_is_too_narrow_fails_the_test_of_uniformity() -> None:
    """Planted: 32 random bits on numbers of 64."""
    narrow = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint64)
    assert chi_square(narrow) > 1000


def test_masked_vectors_of_all_others_do_not_show_the_last_one() -> None:
    """The self mask stays: y_0 + y_1 + y_2 less two vectors is not the third."""
    server, clients = parties(3, 2)
    masked = up_to_masked(server, clients)
    total = masked[0] + masked[1] + masked[2]
    assert not np.array_equal(total, np.full(2, 0 + 1 + 2, U64))


def test_a_client_opens_one_secret_of_each() -> None:
    server, clients = parties(5, 3)
    masked = up_to_masked(server, clients)
    survivors = server.collect_vectors({i: masked[i] for i in (0, 1, 3)})
    for i in survivors:
        opened = clients[i].open_shares(survivors)
        assert set(opened.self_masks) == {0, 1, 3} and set(opened.mask_keys) == {2, 4}


def test_a_client_that_is_asked_for_both_secrets_refuses() -> None:
    """The server says first that client 4 is lost, then that it survived."""
    server, clients = parties(5, 3)
    up_to_masked(server, clients)
    clients[0].open_shares([0, 1, 2, 3])
    with pytest.raises(ValueError, match="survivors must be named once to client 0"):
        clients[0].open_shares([0, 1, 2, 3, 4])


def test_a_client_gives_each_message_once() -> None:
    """Two vectors under other masks differ by masks alone, and tell the server what they are."""
    _, clients = parties(5, 3)
    keys = {i: client.advertise() for i, client in clients.items()}
    sealed = {i: client.share_keys(keys) for i, client in clients.items()}
    with pytest.raises(ValueError, match="keys must be named once to client 0"):
        clients[0].share_keys({i: keys[i] for i in range(4)})
    clients[0].masked_vector({i: sealed[i][0] for i in (1, 2, 3)})
    with pytest.raises(ValueError, match="sealed must be named once to client 0"):
        clients[0].masked_vector({i: sealed[i][0] for i in (1, 2)})


def test_a_client_that_is_named_again_and_again_is_one_survivor() -> None:
    """Else a server that names client 0 alone gets b_0 and the mask keys of all others."""
    server, clients = parties(5, 3)
    up_to_masked(server, clients)
    for survivors in ([0, 0, 0], [0, 1, 0, 1]):
        with pytest.raises(AbortedRound, match=r"survivors must be of at least 3 clients, got \d:"):
            clients[1].open_shares(survivors)
    opened = clients[1].open_shares([0, 1, 3, 3])  # the refusals opened nothing
    assert set(opened.self_masks) == {0, 1, 3} and set(opened.mask_keys) == {2, 4}


def test_a_client_does_not_share_or_mask_among_too_few() -> None:
    """The client counts for itself; the server might not."""
    server, clients = parties(3, 3)
    keys = server.collect_keys({i: client.advertise() for i, client in clients.items()})
    with pytest.raises(AbortedRound, match=r"keys must be of at least 3 clients, got 2: \[0, 1\]"):
        clients[0].share_keys({i: keys[i] for i in (0, 1)})
    sealed = server.collect_shares({i: client.share_keys(keys) for i, client in clients.items()})
    with pytest.raises(AbortedRound, match=r"shares must be of at least 3 .* got 2: \[0, 1\]"):
        clients[0].masked_vector({1: sealed[0][1]})
    assert clients[0].masked_vector(sealed[0]).shape == (2,)


@pytest.mark.parametrize("m", [2, 3, 4, 5, 6])
def test_two_halves_with_different_lists_do_not_open_both_secrets(m: int) -> None:
    """However a lying server splits the clients, one side stays below the threshold."""
    smaller_sides = [min(side, m - side) for side in range(m + 1)]
    assert max(smaller_sides) == least_threshold(m) - 1


def test_with_half_of_the_clients_as_threshold_a_lying_server_sees_a_vector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Planted: the threshold off by one. Two of four say b_3, the others the key of client 3."""
    monkeypatch.setattr(secure_client, "least_threshold", lambda m: m // 2)
    server, clients = parties(4, 2)
    masked = up_to_masked(server, clients)
    survived = [clients[i].open_shares([0, 1, 2, 3]).self_masks[3] for i in (0, 1)]
    lost = [clients[i].open_shares([0, 1, 2]).mask_keys[3] for i in (2, 3)]
    server.collect_vectors({i: masked[i] for i in range(3)})
    own = self_mask_seed(reconstruct(survived, 2))
    pairs = server._masks_without_partner(
        {i: OpenedShares({3: share}, {}) for i, share in enumerate(lost)}
    )
    removed = [(seed, -sign) for seed, sign in pairs]  # client 3 has the other half of each pair
    assert add_masks(masked[3], [(own, -1), *removed]).tolist() == [3, 3]  # its vector


def test_that_threshold_is_refused() -> None:
    _, clients = parties(4, 2)
    keys = {i: client.advertise() for i, client in clients.items()}
    with pytest.raises(ValueError, match="threshold must be an integer >= 3, got 2"):
        clients[0].share_keys(keys)


@pytest.mark.parametrize("wrong", ["lost keep their masks", "self masks stay", "both add"])
def test_masks_that_do_not_cancel_spoil_the_sum(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: what the server forgets, and a pair that does not agree on the sign."""
    if wrong == "lost keep their masks":
        monkeypatch.setattr(SecureServer, "_masks_without_partner", lambda *_: [])
    elif wrong == "self masks stay":
        monkeypatch.setattr(SecureServer, "_self_masks", lambda *_: [])
    else:
        for module in (secure_client, secure_server):
            monkeypatch.setattr(module, "pair_sign", lambda client, other: 1)
    vectors = vectors_for(4)
    found = quick_sum(vectors, lost={3: 2})
    assert not np.array_equal(found.total, sum(vectors[:3]))


@pytest.mark.parametrize("bits", [16, 64])
@pytest.mark.parametrize(("m", "k"), [(2, 0), (3, 1), (7, 100)])
def test_bytes_are_those_of_the_formula(m: int, k: int, bits: int) -> None:
    found = quick_sum([np.zeros(k)] * m, bits=bits, fractional_bits=4)
    up, down = message_bytes(m, k, bits=bits, group=SMALL)
    assert found.up_bytes == (up,) * m and found.down_bytes == (down,) * m


def test_a_clients_bytes_grow_by_a_constant_with_each_client_and_with_each_number() -> None:
    """O(k + m): 8 bytes a number, and the same for every further client."""
    by_k = [message_bytes(10, k)[0] for k in (0, 1000, 2000)]
    by_m = [sum(message_bytes(m, 0)) for m in (10, 11, 12, 100)]
    assert np.diff(by_k).tolist() == [8000, 8000]
    assert by_m[1] - by_m[0] == by_m[2] - by_m[1] == (by_m[3] - by_m[0]) / 90


def test_the_formula_counts_what_the_messages_hold() -> None:
    """Each message measured in bytes, one by one."""
    server, clients = parties(4, 3, k=5)
    advertised = {i: client.advertise() for i, client in clients.items()}
    keys = server.collect_keys(advertised)
    sent = {i: client.share_keys(keys) for i, client in clients.items()}
    sealed = server.collect_shares(sent)
    masked = {i: client.masked_vector(sealed[i]) for i, client in clients.items()}
    opened = clients[0].open_shares(server.collect_vectors(masked))
    number, share = secure_client.NUMBER_BYTES, secure_client.SHARE_BYTES
    up = 2 * SMALL.element_bytes + sum(number + len(text) for text in sent[0].values())
    up += masked[0].nbytes + len(opened.self_masks) * (number + share)
    down = len(keys) * (number + 2 * SMALL.element_bytes) + len(masked) * number
    down += sum(number + len(text) for text in sealed[0].values())
    assert (up, down) == message_bytes(4, 5, group=SMALL)


def test_who_is_lost_is_not_charged_for_later_messages() -> None:
    found = quick_sum(vectors_for(5), lost={4: 0, 3: 1}, threshold=3)
    assert found.up_bytes[4] == found.down_bytes[4] == 0
    assert found.up_bytes[3] == 2 * SMALL.element_bytes
    assert found.up_bytes[0] == found.up_bytes[1] == found.up_bytes[2] > found.up_bytes[3]


def test_a_changed_or_misdirected_share_is_noticed_before_anything_is_masked() -> None:
    server, clients = parties(3, 2)
    keys = server.collect_keys({i: client.advertise() for i, client in clients.items()})
    sealed = server.collect_shares({i: client.share_keys(keys) for i, client in clients.items()})
    for wrong in (sealed[1][0], sealed[0][2], sealed[0][1][:-1] + b"?"):
        with pytest.raises(ValueError, match="sealed must be a message under this key"):
            clients[0].masked_vector({1: wrong, 2: sealed[0][2]})
    assert clients[0].masked_vector(sealed[0]).shape == (2,)


def test_forged_shares_of_a_lost_clients_key_are_noticed() -> None:
    server, clients = parties(3, 2)
    masked = up_to_masked(server, clients)
    survivors = server.collect_vectors({i: masked[i] for i in (0, 1)})
    opened = {i: clients[i].open_shares(survivors) for i in survivors}
    forged = OpenedShares({2: opened[0].self_masks[0]}, opened[0].self_masks)
    with pytest.raises(ValueError, match="opened must give the mask key of client 2"):
        server.open_sum({0: forged, 1: opened[1]})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quick_sum([np.zeros(2)]), "number of vectors must be an integer >= 2, got 1"),
        (
            lambda: quick_sum(vectors_for(4), threshold=2),
            "threshold must be an integer in 3…4, got 2",
        ),
        (
            lambda: quick_sum(vectors_for(4), threshold=5),
            "threshold must be an integer in 3…4, got 5",
        ),
        (
            lambda: quick_sum(vectors_for(3), lost={3: 0}),
            "lost client must be an integer in 0…2, got 3",
        ),
        (
            lambda: quick_sum(vectors_for(3), lost={0: 4}),
            "lost round must be an integer in 0…3, got 4",
        ),
        (
            lambda: quick_sum([np.zeros(2), np.zeros(3)]),
            r"vectors must have one shape \(k,\), got \[\(2,\), \(3,\)\]",
        ),
        (lambda: quick_sum([np.zeros(1), np.full(1, np.nan)]), "values must be finite"),
        (lambda: quick_sum([np.zeros(1), np.full(1, 1e30)]), "values must be in ±"),
        (lambda: quick_sum([np.full(1, 2.0**30)] * 2), "for sums of 2 not to wrap"),
        (
            lambda: SecureClient(0, np.zeros(2), 2),
            r"vector must be unsigned of shape \(k,\), got float64 \(2,\)",
        ),
        (
            lambda: SecureClient(0, np.zeros(2, U64), 1),
            "threshold must be an integer >= 2, got 1",
        ),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_the_server_refuses_strangers_and_vectors_of_another_shape() -> None:
    server, clients = parties(3, 2)
    masked = up_to_masked(server, clients)
    with pytest.raises(ValueError, match="vectors must be of clients that shared keys, got 9"):
        server.collect_vectors({**masked, 9: masked[0]})
    with pytest.raises(ValueError, match=r"vectors must be uint64 of shape \(2,\), got uint64 of"):
        server.collect_vectors({**masked, 1: masked[1][:1]})
    with pytest.raises(ValueError, match=r"survivors must be clients that shared .* got \[9\]"):
        clients[0].open_shares([0, 1, 9])
    with pytest.raises(AbortedRound, match="survivors must be of at least 2 clients, got 1"):
        clients[0].open_shares([0])


def test_a_message_that_lacks_a_client_is_refused_by_name() -> None:
    server, clients = parties(3, 2)
    keys = server.collect_keys({i: client.advertise() for i, client in clients.items()})
    with pytest.raises(ValueError, match=r"keys must hold those of client 0, got \[1, 2\]"):
        clients[0].share_keys({i: keys[i] for i in (1, 2)})
    sent = {i: client.share_keys(keys) for i, client in clients.items()}
    with pytest.raises(ValueError, match=r"shares of client 1 must be for all, got none for \[2\]"):
        server.collect_shares({**sent, 1: {0: sent[1][0]}})
    with pytest.raises(ValueError, match="shares must be of clients that sent keys, got 9"):
        server.collect_shares({**sent, 9: sent[0]})
    sealed = server.collect_shares(sent)
    with pytest.raises(ValueError, match=r"sealed must be from clients that .* got \[9\]"):
        clients[0].masked_vector({**sealed[0], 9: sealed[0][1]})


def test_opened_shares_that_lack_a_client_are_refused_and_may_come_again() -> None:
    server, clients = parties(4, 3)
    masked = up_to_masked(server, clients)
    survivors = server.collect_vectors({i: masked[i] for i in (0, 1, 2)})
    opened = {i: clients[i].open_shares(survivors) for i in survivors}
    keys, own = opened[1].mask_keys, opened[1].self_masks
    for wrong, lacks in (
        (OpenedShares({}, {}), r"\[0, 1, 2, 3\]"),
        (OpenedShares({}, own), r"\[3\]"),
        (OpenedShares(keys, {0: own[0]}), r"\[1, 2\]"),
    ):
        with pytest.raises(ValueError, match=f"opened by client 1 must .* got none of {lacks}"):
            server.open_sum({**opened, 1: wrong})
    with pytest.raises(ValueError, match="opened must be from survivors, got shares from 3"):
        server.open_sum({**opened, 3: opened[1]})
    assert server.open_sum(opened).tolist() == [0 + 1 + 2] * 2


def test_a_forged_share_of_a_self_mask_spoils_the_sum_in_silence() -> None:
    """Documented: the seed of a self mask has no public key to compare with."""
    server, clients = parties(3, 2)
    survivors = server.collect_vectors(up_to_masked(server, clients))
    opened = {i: clients[i].open_shares(survivors) for i in survivors}
    swapped = {**opened[0].self_masks, 1: opened[0].self_masks[2]}
    total = server.open_sum({**opened, 0: OpenedShares({}, swapped)})
    assert total.tolist() != [0 + 1 + 2] * 2


def test_secrets_are_drawn_anew_by_default() -> None:
    first, second = (SecureClient(0, np.zeros(1, U64), 2).advertise() for _ in range(2))
    assert first.mask != second.mask and first.mask != first.seal
    assert 2 <= first.mask <= FFDHE2048.prime - 2
