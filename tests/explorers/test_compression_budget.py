"""The budget: chances, noise and bytes are those of messages, and what is cut is dealt again."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.explorers.gradient_compression import budget as module
from mlsys_lib.explorers.gradient_compression import budget_explorer
from mlsys_lib.explorers.gradient_compression.bits import layers
from mlsys_lib.explorers.gradient_compression.budget import (
    BUDGETS,
    FLOATS,
    OTHERS,
    SHAPE,
    SIX,
    bars,
    budget_table,
    curves,
    describe_budget,
    magnitudes,
    message_bytes,
    spend,
)
from mlsys_lib.gradient_compression import (
    Atomo,
    RandomK,
    SpectralAtomo,
    atomo_probabilities,
    atomo_variance,
)
from mlsys_lib.gradient_compression.atomo import draw_atoms
from mlsys_lib.plots.gradient_compression.budget import Budget, BudgetPlot
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(budget_explorer().positions())


def check_six_numbers() -> None:
    """1, 0.4, 4/15, 2/15, 2/15, 1/15; the square that is sent is 156.25, 165.625 and 345.75."""
    module.curves.cache_clear()
    shown = spend("six numbers", 2)
    chances = [bar.probability for bar in shown.bars]
    assert chances == pytest.approx([1, 6 / 15, 4 / 15, 2 / 15, 2 / 15, 1 / 15])
    squared = float(np.square(SIX).sum())
    sent = [(1 + shown.noise[name]) * squared for name in ("ATOMO", "released", "equal chances")]
    assert sent == pytest.approx([156.25, 165.625, 345.75])
    assert shown.released_sum == pytest.approx(13 / 7)
    assert shown.bars[0].asked == pytest.approx(20 / 17.5)
    assert (shown.num_sure, shown.left) == (1, 1)


def test_six_numbers() -> None:
    check_six_numbers()


@pytest.mark.parametrize("planted", ["not dealt out again", "equal chances"])
def test_a_wrong_rule_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistakes: what is cut is lost; each atom has the same chance."""

    def wrong(sizes: np.ndarray, budget: float) -> np.ndarray:
        if planted == "equal chances":
            return np.full(len(sizes), budget / len(sizes))
        return np.minimum(1.0, budget * sizes / sizes.sum())

    with monkeypatch.context() as patched:
        patched.setattr(module, "atomo_probabilities", wrong)
        with pytest.raises(AssertionError):
            check_six_numbers()
    module.curves.cache_clear()


@pytest.mark.parametrize("position", POSITIONS)
def test_the_whole_budget_is_spent_and_each_chance_is_one_or_in_proportion(
    position: dict[str, Any],
) -> None:
    sizes = magnitudes(position["atoms"])
    p = atomo_probabilities(sizes, position["budget"])
    assert p.sum() == pytest.approx(position["budget"])
    shown = spend(**position)
    others = sizes[shown.num_sure :]
    if len(others):
        np.testing.assert_allclose(
            p[shown.num_sure :], shown.left * others / others.sum(), atol=1e-12
        )
    assert shown.noise["ATOMO"] == pytest.approx(
        atomo_variance(sizes, position["budget"]) / (sizes @ sizes), abs=1e-12
    )
    assert shown.noise["ATOMO"] <= shown.noise["released"] + 1e-12
    assert all(bar.following >= bar.probability for bar in shown.bars)


def test_numbers_become_sure_from_the_largest_down_and_two_that_are_alike_together() -> None:
    sure = [spend("six numbers", budget).num_sure for budget in BUDGETS["six numbers"]]
    assert sure == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 5, 6]


def test_noise_is_that_of_messages() -> None:
    x, rng = np.array(SIX), np.random.default_rng(0)
    for budget in (2, 4):
        compressor = Atomo(budget)
        errors = [np.sum((compressor.compress(x, rng) - x) ** 2) for _ in range(1000)]
        expected = spend("six numbers", budget).noise["ATOMO"]
        assert np.mean(errors) / (x @ x) == pytest.approx(expected, rel=0.1)
    drawn = [RandomK(2, unbiased=True).compress(x, rng) for _ in range(1000)]
    alike = np.mean([np.sum((one - x) ** 2) for one in drawn]) / (x @ x)
    assert spend("six numbers", 2).noise["equal chances"] == pytest.approx(alike, rel=0.1)


def test_noise_and_bytes_of_a_layer_are_those_of_messages() -> None:
    x, rng = layers()[0].ravel(), np.random.default_rng(0)
    compressor = SpectralAtomo([SHAPE], 4)
    messages = [compressor.encode(x, rng) for _ in range(40)]
    errors = [np.sum((compressor.decode(message) - x) ** 2) for message in messages]
    spectral = curves("singular values")["ATOMO"][4]
    assert np.mean(errors) / (x @ x) == pytest.approx(spectral, rel=0.2)
    assert np.mean([len(message) for message in messages]) == pytest.approx(
        message_bytes("singular values", 4), rel=0.1
    )
    entries = Atomo(4 * FLOATS)
    errors = [np.sum((entries.compress(x, rng) - x) ** 2) for _ in range(4)]
    assert np.mean(errors) / (x @ x) == pytest.approx(curves("entries")["ATOMO"][4], rel=0.05)
    message = entries.encode(x, np.random.default_rng(0))
    assert message_bytes("entries", 4 * FLOATS) == len(message)


def test_as_many_singular_values_come_up_as_the_budget_says() -> None:
    rng, sizes = np.random.default_rng(0), magnitudes("singular values")
    draws = [draw_atoms(sizes, 3, rng) for _ in range(2000)]
    sent = [len(draw.certain) + len(draw.chosen) for draw in draws]
    assert np.mean(sent) == pytest.approx(3, rel=0.03)


def test_singular_values_are_quieter_for_as_many_floats_but_longer_in_bytes() -> None:
    for budget in BUDGETS["singular values"]:
        spectral, entries = (
            spend(atoms, factor * budget)
            for atoms, factor in (("singular values", 1), ("entries", FLOATS))
        )
        assert spectral.noise["other atoms"] == entries.noise["ATOMO"]
        assert entries.noise["other atoms"] == spectral.noise["ATOMO"]
        assert entries.noise["ATOMO"] > 6.5 * spectral.noise["ATOMO"]
        assert spectral.message_bytes == entries.other_bytes > 2.5 * entries.message_bytes


def test_atoms_of_a_layer_have_its_square() -> None:
    squared = float(np.sum(layers()[0] ** 2))
    for atoms in OTHERS:
        sizes = magnitudes(atoms)
        assert sizes @ sizes == pytest.approx(squared)
        assert (np.diff(sizes) <= 0).all()


def test_a_bar_of_entries_is_the_mean_of_its_ranks() -> None:
    values = np.arange(SHAPE[0] * SHAPE[1], 0.0, -1)
    groups = bars("entries", values, values, values)
    assert len(groups) == 17
    assert [bar.asked for bar in groups[:3]] == [values[0], values[1:3].mean(), values[3:7].mean()]
    assert groups[-1].asked == values[2**16 - 1 :].mean()


def test_positions_of_both_kinds_of_atoms_of_the_layer_have_as_many_floats() -> None:
    pairs = zip(BUDGETS["singular values"], BUDGETS["entries"], strict=True)
    assert all(FLOATS * spectral == entries for spectral, entries in pairs)
    assert FLOATS == 1 + 128 + 784


def test_description_and_table_say_the_numbers() -> None:
    shown = spend("six numbers", 2)
    assert describe_budget(shown) == (
        "Bars: probabilities of six numbers, the largest first, with a budget of 2 of 6: 1 sure, "
        "1 left for the other 5. They begin with 1, 0.4, 0.267, 0.133, 0.133, 0.0667. With 1 "
        "more: 1, 0.8, 0.533, 0.267, 0.267, 0.133. In proportion to its size alone the first "
        "would have 1.14. Second panel, noise against the budget: ATOMO 0.356 (with 1 more: "
        "0.112); equal chances 2; the released sampler, whose probabilities sum to 1.857, 0.437."
    )
    assert describe_budget(spend("singular values", 4)).endswith(
        " Entries with as many floats: 7.09. A message has 14.6 kB, theirs 3.34 kB."
    )
    assert "more" not in describe_budget(spend("six numbers", 6))
    header, rows = budget_table(shown)
    assert all(len(row) == len(header) for row in rows)
    assert rows[1] == ("3", "0.343", "0.4", "0.8")
    _, rows = budget_table(spend("entries", 4 * FLOATS))
    assert [row[0] for row in rows[:3]] == ["rank 1 on", "rank 2 on", "rank 4 on"]


def test_the_title_tells_who_is_sure_and_what_is_left() -> None:
    assert spend("six numbers", 1).verdict == "none sure, 1 for all 6"
    assert spend("six numbers", 3.5).verdict == "2 sure, 1.5 left for the other 4"
    assert spend("six numbers", 6).verdict == "all 6 sure"
    assert spend("entries", 12 * FLOATS).verdict == "194 sure, 10 762 left for the other 100 158"


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(budget_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = budget_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: bars of atoms that are not there any more stay."""

    class Forgetful(BudgetPlot):
        def draw(self, shown: Budget) -> Any:
            seen = [artists._bar.get_visible() for artists in self._bars]
            drawn = super().draw(shown)
            for artists, was_seen in zip(self._bars, seen, strict=True):
                artists._bar.set_visible(was_seen)
            return drawn

    wrong = replace(budget_explorer(), plot=Forgetful)
    assert wrong.frame(POSITIONS[-1]) == wrong.fresh_frame(POSITIONS[-1])
    assert wrong.frame(POSITIONS[0]) != wrong.fresh_frame(POSITIONS[0])


def test_the_page_is_light() -> None:
    page = budget_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
