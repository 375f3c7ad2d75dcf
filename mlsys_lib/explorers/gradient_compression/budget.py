"""ATOMO's budget: which atoms become sure, and who gets what they no longer need.

Three sets of atoms: the six numbers of the chapter; the singular values of a real gradient, that
of the 128 × 784 weights of `bits.layers`; and the entries of the same matrix. A singular value
travels with its two vectors, 913 floats, so the budget of entries is 913 times that of singular
values.

Probabilities are the library's; noise is Σ x_j² (1/p_j - 1) / ‖x‖², by `sampling_variance`, which
the tests hold to messages. The bytes of entries are the length of a message. Those of singular
values, which are sent with their vectors, are 9 and 4 · 913 for each one sent, in the mean over
what comes up.
"""

from functools import cache
from itertools import pairwise

import numpy as np

from mlsys_lib.core.units import format_bytes, format_count
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.explorers.gradient_compression.bits import layers
from mlsys_lib.gradient_compression import Atomo, atomo_probabilities
from mlsys_lib.gradient_compression.atomo import sampling_variance
from mlsys_lib.gradient_compression.cost import spectral_atomo_bytes
from mlsys_lib.gradient_compression.counterexamples import released_probabilities
from mlsys_lib.plots.gradient_compression.budget import SURE, Bar, Budget, BudgetPlot, number, short

SIX = (10.0, 3.0, 2.0, 1.0, 1.0, 0.5)
SHAPE = (128, 784)
FLOATS = 1 + sum(SHAPE)
"""Of one singular value and its two vectors."""
_SPECTRAL = (0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12)
BUDGETS: dict[str, tuple[float, ...]] = {
    "six numbers": (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6),
    "singular values": _SPECTRAL,
    "entries": tuple(FLOATS * budget for budget in _SPECTRAL),
}
OTHERS = {"singular values": "entries", "entries": "singular values"}
_BELOW = {
    "six numbers": "the six numbers, and p",
    "singular values": "the 12 largest of 128 singular values, and p",
    "entries": "entries by rank, in groups that double: 1, 2–3, 4–7, …",
}
_NUM_BARS = 12


def budget_explorer() -> Explorer:
    """Return the explorer: atoms and budget; probabilities, and the noise that is left."""
    return Explorer(
        name="budget",
        title="ATOMO: where does the next atom’s worth of budget go?",
        compute=spend,
        plot=BudgetPlot,
        controls=(
            Control("atoms", tuple(BUDGETS), default="six numbers"),
            Control("budget", lambda atoms: BUDGETS[atoms], default=1, format=number),
        ),
        describe=describe_budget,
        table=budget_table,
    )


def spend(atoms: str, budget: float) -> Budget:
    """Return who gets how much of a budget, and what other rules would leave."""
    sizes, worth = magnitudes(atoms), FLOATS if atoms == "entries" else 1
    probabilities = atomo_probabilities(sizes, budget)
    following = atomo_probabilities(sizes, min(budget + worth, len(sizes)))
    noises, other = dict(curves(atoms)), OTHERS.get(atoms, "")
    at = BUDGETS[atoms].index(budget)
    if other:
        noises["other atoms"] = curves(other)["ATOMO"]
    return Budget(
        atoms=atoms,
        unit=atoms.removeprefix("six "),
        budget=budget,
        worth=worth,
        num_atoms=len(sizes),
        num_sure=int(np.count_nonzero(probabilities >= SURE)),
        following_noise=sampling_variance(sizes, following) / float(sizes @ sizes),
        bars=bars(atoms, budget * sizes / sizes.sum(), probabilities, following),
        below=_BELOW[atoms],
        budgets=BUDGETS[atoms],
        noises=noises,
        released_sum=float(released_probabilities(sizes, budget).sum()),
        other_atoms=other,
        message_bytes=message_bytes(atoms, budget),
        other_bytes=message_bytes(other, BUDGETS[other][at]) if other else 0.0,
    )


def bars(
    atoms: str, asked: np.ndarray, probabilities: np.ndarray, following: np.ndarray
) -> tuple[Bar, ...]:
    """Return one for each of the largest atoms; of entries, one for each group of ranks."""
    columns = (asked, probabilities, following)
    if atoms != "entries":
        spec = "g" if atoms == "six numbers" else ".2f"
        names = [f"{size:{spec}}" for size in magnitudes(atoms)[:_NUM_BARS]]
        rows = zip(names, *(column.tolist() for column in columns), strict=False)
        return tuple(Bar(*row) for row in rows)
    ends = [*(2**power - 1 for power in range(len(asked).bit_length())), len(asked)]
    groups = [slice(*pair) for pair in pairwise(ends)]
    return tuple(Bar("", *(float(column[group].mean()) for column in columns)) for group in groups)


@cache
def magnitudes(atoms: str) -> np.ndarray:
    """Return |x_j|, the largest first."""
    if atoms == "six numbers":
        return np.array(SIX)
    if atoms == "singular values":
        return np.asarray(np.linalg.svd(layers()[0], compute_uv=False))
    return np.sort(np.abs(layers()[0]).ravel())[::-1]


@cache
def curves(atoms: str) -> dict[str, tuple[float, ...]]:
    """Return the noise of three rules for each budget."""
    sizes = magnitudes(atoms)
    rules = {
        "ATOMO": atomo_probabilities,
        "equal chances": lambda sizes, budget: np.full(len(sizes), budget / len(sizes)),
        "released": released_probabilities,
    }
    squared = float(sizes @ sizes)
    return {
        name: tuple(sampling_variance(sizes, rule(sizes, s)) / squared for s in BUDGETS[atoms])
        for name, rule in rules.items()
    }


@cache
def message_bytes(atoms: str, budget: float) -> float:
    """Return the bytes of a message of entries, or the mean bytes of one of singular values."""
    if atoms == "singular values":
        least, one = (spectral_atomo_bytes([SHAPE], [count]) for count in (0, 1))
        return least + budget * (one - least)
    x = np.array(SIX) if atoms == "six numbers" else layers()[0].ravel()
    return float(len(Atomo(budget).encode(x, np.random.default_rng(0))))


def describe_budget(shown: Budget) -> str:
    """Say which atoms are sure, what the others get, and how much noise is left."""
    noise = {name: short(value) for name, value in shown.noise.items()}
    first = shown.bars if shown.atoms == "six numbers" else shown.bars[:3]
    chances = ", ".join(f"{bar.probability:.3g}" for bar in first)
    next_chances = ", ".join(f"{bar.following:.3g}" for bar in first)
    more = f"with {shown.worth} more"
    rise = f" {more.capitalize()}: {next_chances}." if shown.can_grow else ""
    fall = f" ({more}: {short(shown.following_noise)})" if shown.can_grow else ""
    return (
        f"Bars: probabilities of {shown.atoms}, the largest first, with a budget of "
        f"{number(shown.budget)} of {format_count(shown.num_atoms)}: {shown.verdict}. They begin "
        f"with {chances}.{rise} In proportion to its size alone the first would have "
        f"{shown.bars[0].asked:.3g}. Second panel, noise against the budget: ATOMO "
        f"{noise['ATOMO']}{fall}; equal chances {noise['equal chances']}; the released sampler, "
        f"whose probabilities sum to {number(shown.released_sum)}, {noise['released']}."
        + (_compared(shown, noise["other atoms"]) if shown.other_atoms else "")
    )


def _compared(shown: Budget, noise: str) -> str:
    return (
        f" {shown.other_atoms.capitalize()} with as many floats: {noise}. A message has "
        f"{format_bytes(shown.message_bytes)}, theirs {format_bytes(shown.other_bytes)}."
    )


def budget_table(shown: Budget) -> Table:
    """Return a row for each bar: what it would get in proportion, gets, and gets next."""
    header = ("atom", "in proportion", "p", f"p with {shown.worth} more")
    names = [bar.name for bar in shown.bars]
    if shown.atoms == "entries":
        names = [f"rank {format_count(2**place)} on" for place in range(len(names))]
    rows = [
        (name, *(f"{value:.3g}" for value in (bar.asked, bar.probability, bar.following)))
        for name, bar in zip(names, shown.bars, strict=True)
    ]
    return header, rows
