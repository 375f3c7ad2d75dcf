"""Stragglers: curves are runs of the library, and dropping them hurts where clients differ."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.explorers.federated_learning import stragglers as module
from mlsys_lib.explorers.federated_learning import stragglers_explorer
from mlsys_lib.explorers.federated_learning.stragglers import (
    DATA,
    MODEL,
    NUM_ROUNDS,
    PROXIMAL_WEIGHTS,
    SETTINGS,
    SHARES,
    describe_straggling,
    examples,
    straggling,
    straggling_table,
    synthetic_data,
    training,
)
from mlsys_lib.federated_learning import (
    History,
    LocalSgd,
    MeanByExamples,
    Stragglers,
    UniformWithoutReplacement,
    federate,
    federated_loss,
)
from mlsys_lib.plots.federated_learning import StragglersPlot, Straggling
from mlsys_lib.plots.federated_learning.stragglers import NAMES
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(stragglers_explorer().positions())
DROPS, TAKES, FEDPROX = NAMES


def assembled(data: str, share: float, proximal_weight: float, late: str, seed: int) -> History:
    """Run with the pieces put together here."""
    clients = synthetic_data(data).train
    return federate(
        MODEL, clients, np.zeros(MODEL.num_weights), num_rounds=NUM_ROUNDS,
        sampling=UniformWithoutReplacement(1 / 3),
        local_solver=LocalSgd(10, 10, 0.1, proximal_weight), aggregation=MeanByExamples(),
        systems=Stragglers(share, late), local_epochs=10, seed=seed,
    )  # fmt: skip


def end_loss(data: str, share: float, proximal_weight: float, late: str, seed: int) -> float:
    """Return the median of f over all clients after the last five rounds."""
    weights = assembled(data, share, proximal_weight, late, seed).weights[-5:]
    clients = synthetic_data(data).train
    return float(np.median([federated_loss(MODEL, w, clients) for w in weights]))


@pytest.mark.parametrize(
    ("name", "setting"),
    [(DROPS, (0.0, "drop")), (TAKES, (0.0, "partial")), (FEDPROX, (1.0, "partial"))],
)
def test_a_way_is_a_run(name: str, setting: tuple[float, str]) -> None:
    run, shown = assembled("(1, 1)", 0.9, *setting, seed=1), straggling("(1, 1)", 0.9, 1.0)
    clients, way = synthetic_data("(1, 1)"), shown.trainings[name]
    for t in (1, 7, NUM_ROUNDS):
        w = run.weights[t]
        assert way.losses[t] == pytest.approx(federated_loss(MODEL, w, clients.train))
        right = sum(int(np.sum(MODEL.predict(w, c.X) == c.y)) for c in clients.test)
        assert way.right[t] == pytest.approx(right / sum(c.num_examples for c in clients.test))
    assert set(way.num_updates) == {1 if name == DROPS else 10}


def test_all_ways_start_at_the_loss_of_a_guess() -> None:
    for position in POSITIONS:
        for way in straggling(**position).trainings.values():
            assert way.losses[0] == pytest.approx(np.log(10))
            assert len(way.losses) == len(way.right) == NUM_ROUNDS + 1


def test_one_run_where_the_ways_are_the_same() -> None:
    """Nobody is late, or λ = 0."""
    shown = straggling("(1, 1)", 0.0, 0.0)
    assert len({id(way) for way in shown.trainings.values()}) == 1
    assert shown.num_late == 0
    late = straggling("(0, 0)", 0.5, 0.0)
    assert late.trainings[TAKES] is late.trainings[FEDPROX]
    assert late.num_late == 5


def check_reference_kind() -> None:
    """Reference numbers L, in kind: dropping is unstable on (1, 1), and λ = 1 slows iid data."""
    apart, alike = straggling("(1, 1)", 0.9, 0.1).trainings, straggling("iid", 0.0, 1.0).trainings
    assert apart[DROPS].end_loss > 3 * apart[TAKES].end_loss
    assert apart[TAKES].end_loss > 1.05 * apart[FEDPROX].end_loss
    assert alike[FEDPROX].end_loss > 1.5 * alike[TAKES].end_loss


def test_the_paper_in_kind() -> None:
    check_reference_kind()


@pytest.mark.parametrize("planted", ["nobody is dropped", "the term is forgotten"])
def test_a_wrong_run_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(data: str, share: float, proximal_weight: float, late: str) -> Any:
        if planted == "nobody is dropped":
            return training(data, share, proximal_weight, "partial")
        return training(data, share, 0.0, late)

    monkeypatch.setattr(module, "training", wrong)
    with pytest.raises(AssertionError):
        check_reference_kind()


@pytest.mark.parametrize("seed", [0, 2])
def test_other_seeds_agree(seed: int) -> None:
    drops, takes, held = (
        end_loss("(1, 1)", 0.9, weight, late, seed)
        for weight, late in ((0.0, "drop"), (0.0, "partial"), (0.1, "partial"))
    )
    assert drops > 1.5 * takes
    assert takes > held
    assert end_loss("iid", 0.9, 1.0, "partial", seed) > 1.4 * end_loss(
        "iid", 0.9, 0.0, "partial", seed
    )


def test_dropping_costs_more_the_more_unlike_the_clients() -> None:
    """With nine of ten late: the loss that dropping ends with, over that of taking."""
    ratios = []
    for data in DATA:
        ways = straggling(data, 0.9, 0.0).trainings
        ratios.append(ways[DROPS].end_loss / ways[TAKES].end_loss)
    assert ratios == sorted(ratios)
    assert ratios[0] < 1.2
    assert ratios[-1] > 3


def test_the_term_only_costs_where_clients_are_alike() -> None:
    for share in SHARES:
        ends = [straggling("iid", share, w).trainings[FEDPROX].end_loss for w in PROXIMAL_WEIGHTS]
        assert ends == sorted(ends)
        apart = [straggling("(1, 1)", share, w).trainings[FEDPROX] for w in PROXIMAL_WEIGHTS]
        assert min(apart, key=lambda way: way.end_loss) is apart[1]
        assert max(apart, key=lambda way: way.end_right) is apart[2]


def test_description_and_table_say_the_numbers() -> None:
    shown = straggling("(1, 1)", 0.9, 0.1)
    assert describe_straggling(shown) == (
        "Training loss against rounds, synthetic data (1, 1). Of 10 clients a round 9 are late and "
        "have done a part of their epochs. FedAvg drops who is late, or takes what they have, as "
        "FedProx does. Median loss and test accuracy of the last 5 rounds: FedAvg, drops: 4.09, "
        "25.9%; FedAvg, takes: 1.2, 63.2%; FedProx with λ = 0.1: 1.08, 63.2%. Largest loss of "
        "FedAvg that drops: 4.78; before the first round 2.3. Second panel: test accuracy."
    )
    alone = describe_straggling(straggling("iid", 0.0, 0.0))
    assert "nobody is late, so that both kinds of FedAvg are one run." in alone
    assert "With λ = 0 FedProx is the FedAvg that takes." in alone
    header, rows = straggling_table(shown)
    assert all(len(row) == len(header) for row in rows)
    assert rows[0][:3] == (0, "2.3", "8.1%")
    assert rows[-1] == ("median of the last 5", "4.09", "25.9%", "1.2", "63.2%", "1.08", "63.2%")


def test_the_data_are_small_and_their_sizes_far_apart() -> None:
    for data in DATA:
        sizes = sorted(client.num_examples for client in synthetic_data(data).train)
        assert len(sizes) == 30
        assert sizes[0] < 20 < 400 < sizes[-1]
        assert examples(data)[0].num_examples == sum(sizes) == 1516
    assert SETTINGS["local_epochs"] == 10


def test_every_curve_stays_inside_its_panel() -> None:
    from mlsys_lib.plots.federated_learning.stragglers import _LOSS_LIMITS

    low, high = _LOSS_LIMITS
    for position in POSITIONS:
        for way in straggling(**position).trainings.values():
            assert low < min(way.losses) <= max(way.losses) < high, position


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(stragglers_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = stragglers_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: the title of the second panel keeps the λ of the first drawing."""

    class Forgetful(StragglersPlot):
        def draw(self, shown: Straggling) -> Any:
            before = self._right.title.get_text()
            drawn = super().draw(shown)
            if before:
                self._right.title.set_text(before)
            return drawn

    wrong = replace(stragglers_explorer(), plot=lambda: Forgetful(NUM_ROUNDS))
    assert wrong.frame(POSITIONS[0]) == wrong.fresh_frame(POSITIONS[0])
    assert wrong.frame(POSITIONS[1]) != wrong.fresh_frame(POSITIONS[1])


def test_the_page_is_light() -> None:
    page = stragglers_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
