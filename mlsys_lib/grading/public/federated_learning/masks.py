"""Secure aggregation by masks that cancel in pairs, and what is left when a client drops out.

Bonawitz et al., "Practical secure aggregation for privacy-preserving machine learning", CCS 2017,
doi:10.1145/3133956.3133982. Theirs makes the seeds by key agreement, shares them so that a client
that drops out need not be asked, and adds a mask of each client's own; here seeds are handed over.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_equal, show

Answer = Callable[..., Any]
Revealed = list[tuple[int, int, int]]
"""Who answered, who dropped out, and the seed of the two."""


def mask_of(seed: int, num_weights: int, modulus: int) -> np.ndarray:
    """Return the mask of a pair: what the notebook's `pair_mask` returns."""
    return np.random.default_rng(seed).integers(0, modulus, num_weights)


def masked_of(client: int, update: np.ndarray, seeds: Sequence[int], modulus: int) -> np.ndarray:
    """Return what `client` sends: plus the masks shared with later clients, less the others."""
    total = [int(number) for number in update]
    for other, seed in enumerate(seeds):
        sign = (other > client) - (other < client)
        for j, number in enumerate(mask_of(seed, len(total), modulus)):
            total[j] += sign * int(number)
    return np.array([number % modulus for number in total])


def draw_seeds(rng: np.random.Generator, num_clients: int) -> list[list[int]]:
    """Draw a seed for each pair; row i is what client i knows, and its own entry is 0."""
    seeds = np.triu(rng.integers(1, 2**31, (num_clients, num_clients)), 1)
    table: list[list[int]] = (seeds + seeds.T).tolist()
    return table


def draw_updates(
    rng: np.random.Generator, num_clients: int, num_weights: int, modulus: int
) -> list[np.ndarray]:
    """Draw whole numbers of both signs whose sum lies between -modulus/2 and modulus/2."""
    most = (modulus // 2 - 1) // num_clients
    return [rng.integers(-most, most + 1, num_weights) for _ in range(num_clients)]


def handed_in(
    updates: Sequence[np.ndarray],
    seeds: Sequence[Sequence[int]],
    dropped: Sequence[int],
    modulus: int,
) -> tuple[dict[int, np.ndarray], Revealed]:
    """Return what the server has: masked updates of those who answered, and their seeds."""
    stayed = [i for i in range(len(updates)) if i not in dropped]
    masked = {i: masked_of(i, updates[i], seeds[i], modulus) for i in stayed}
    return masked, [(i, j, seeds[i][j]) for i in stayed for j in dropped]


def expect_masked(
    masked_update: Answer,
    client: int,
    update: np.ndarray,
    seeds: Sequence[int],
    modulus: int,
    idea: str = "Add the masks of pairs in which the client has the lower number, subtract those "
    "in which it has the higher one, and take the remainder.",
) -> None:
    """Hold a masked update to `masked_of`, and the update to what it was."""
    handed = update.copy()
    got = masked_update(client, handed, list(seeds), modulus)
    masks = {
        other: show(mask_of(seed, len(update), modulus))
        for other, seed in enumerate(seeds)
        if other != client
    }
    told = ", ".join(f"with client {other} {mask}" for other, mask in masks.items())
    given = (
        f"client = {client}, update = {show(update)}, seeds = {list(seeds)}, modulus = {modulus}; "
        f"masks: {told}"
    )
    expect_equal(got, masked_of(client, update, seeds, modulus), given=given, hint=idea)
    expect_equal(
        handed,
        update,
        given=f"{given}; update after the call",
        hint="The client still needs its update: `update += …` changes it.",
    )


def expect_unmasked(
    unmasked_sum: Answer,
    updates: Sequence[np.ndarray],
    seeds: Sequence[Sequence[int]],
    dropped: Sequence[int],
    modulus: int,
    idea: str = "Add up, undo the masks of pairs that drop-outs have broken, and count in circles "
    "around 0.",
) -> None:
    """Hold a sum to that of the updates of all who answered."""
    masked, revealed = handed_in(updates, seeds, dropped, modulus)
    handed = {client: numbers.copy() for client, numbers in masked.items()}
    got = unmasked_sum(handed, list(revealed), modulus)
    given = f"{_told(masked)}, revealed = {revealed}, modulus = {modulus}"
    if revealed:
        masks = [show(mask_of(seed, len(updates[0]), modulus)) for *_, seed in revealed]
        given = f"{given}; masks of the revealed seeds: {', '.join(masks)}"
    wanted = np.sum([updates[client] for client in masked], axis=0)
    expect_equal(got, wanted, given=given, hint=idea)
    expect_equal(
        list(handed.values()),
        list(masked.values()),
        given=f"{given}; what the clients sent, after the call",
        hint="Add up in a new array: `total += …` changes the first client's.",
    )


def _told(masked: Mapping[int, np.ndarray]) -> str:
    return f"masked = {{{', '.join(f'{i}: {show(numbers)}' for i, numbers in masked.items())}}}"
