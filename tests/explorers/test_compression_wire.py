"""Accuracy against bytes: errors and bytes are those of runs, and each control has its say."""

import gzip
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import Run, simulate
from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.explorers.gradient_compression import wire as module
from mlsys_lib.explorers.gradient_compression import wire_explorer, wire_runs
from mlsys_lib.explorers.gradient_compression.wire import (
    COUNTS,
    SETTABLE,
    WORKERS,
    describe_wire,
    received_bytes,
    wire,
    wire_table,
)
from mlsys_lib.explorers.gradient_compression.wire_runs import (
    ADDED,
    GATHERED,
    GRID,
    NUM_ELEMENTS,
    NUM_STEPS,
    RATES,
    SIZES,
    TARGET,
    WINDOW,
    compressor_of,
    gradient,
    memory_of,
    share_wrong,
    steps_of,
    train,
)
from mlsys_lib.gradient_compression import train_compressed
from mlsys_lib.plots.gradient_compression import Method, Wire, WirePlot
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(wire_explorer().positions())
STEPS = 4


def of(shown: Wire, name: str) -> Method:
    """Return one method at a position."""
    return next(method for method in shown.methods if method.name == name)


def run_again(name: str, size: int, workers: int, memory: bool) -> Run:
    """Run the first steps of a method with as many simulated ranks."""
    return simulate(
        train_compressed, workers, partial(gradient, num_workers=workers), np.zeros(NUM_ELEMENTS),
        compressor_of(name, size, memory), memory_of(memory), RATES[name][size][memory], STEPS,
    )  # fmt: skip


def held_to_a_run(name: str, size: int, workers: int, memory: bool, run: Run) -> None:
    """Compare errors and bytes with a run and its ledger."""
    shown = of(wire(size, workers, memory), name)
    wrong = [share_wrong(weights) for weights in run.results[0].history[1:]]
    means = [np.mean(wrong[max(0, t - WINDOW + 1) : t + 1]) for t in range(STEPS)]
    np.testing.assert_allclose(shown.errors[:STEPS], means, atol=3e-3 if shown.is_added else 1e-12)
    received = np.mean(run.ledger.received_bytes)
    assert shown.received_bytes[STEPS - 1] == pytest.approx(received, abs=0.5)


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("name", [*ADDED, *GATHERED])
def test_errors_and_bytes_are_those_of_a_run(name: str, memory: bool) -> None:
    """For what is added the errors of one rank; float32 sums may turn an image or two."""
    held_to_a_run(name, 12, 8, memory, run_again(name, 12, 8, memory))


@pytest.mark.parametrize("name", GATHERED)
def test_workers_that_take_turns_come_to_the_same_bits(name: str) -> None:
    run = run_again(name, 100, 3, True)
    rate = RATES[name][100][True]
    turns = list(islice(steps_of(name, 100, 3, True, rate), STEPS))
    np.testing.assert_array_equal([w for w, _ in turns], run.results[0].history[1:])
    lengths = np.mean([trained.message_bytes for trained in run.results], axis=0)
    assert [length for _, length in turns] == pytest.approx(lengths)


@pytest.mark.parametrize("name", ADDED)
def test_what_is_added_does_not_depend_on_the_workers(name: str) -> None:
    """The reason that one rank serves: weights agree up to float32."""
    few, many = (run_again(name, 4, m, True).results[0].history for m in (1, 8))
    np.testing.assert_allclose(many, few, atol=2e-5)


@pytest.mark.parametrize("planted", ["gathered as if added", "no sizes", "one message"])
def test_a_wrong_count_of_bytes_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_again("sign", 12, 8, True)

    def wrong(length: Any, workers: Any, *, is_added: bool) -> Any:
        if planted == "gathered as if added":
            return received_bytes(length, workers, is_added=True)
        return (workers - 1) * length if planted == "no sizes" else length + 0 * workers

    held_to_a_run("sign", 12, 8, True, run)
    monkeypatch.setattr(module, "received_bytes", wrong)
    with pytest.raises(AssertionError):
        held_to_a_run("sign", 12, 8, True, run)


def test_a_forgotten_memory_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistake: the switch does nothing."""
    run = run_again("top-k", 12, 8, True)
    monkeypatch.setattr(wire_runs, "memory_of", lambda memory: memory_of(False))
    monkeypatch.setattr(module, "train", train.__wrapped__)  # without its cache
    with pytest.raises(AssertionError):
        held_to_a_run("top-k", 12, 8, True, run)


def test_error_is_that_of_the_pictures() -> None:
    X, _, X_test, y_test = fashion_mnist()
    small, small_test = (
        x.reshape(-1, 14, 2, 14, 2).astype(float).mean(axis=(2, 4)).reshape(-1, 196)
        for x in (X, X_test)
    )
    weights = np.random.default_rng(0).normal(size=(197, 10))
    scores = (small_test - small.mean(axis=0)) / small.std() @ weights[:-1] + weights[-1]
    assert share_wrong(weights.ravel()) == np.mean(scores.argmax(axis=1) != y_test)
    assert share_wrong(np.zeros(NUM_ELEMENTS)) == pytest.approx(0.9)


@pytest.mark.parametrize("size", SIZES)
def test_messages_are_as_small_as_the_slider_says(size: int) -> None:
    """PowerSGD has no rank below one, and says so."""
    for name in set(SETTABLE) - {"PowerSGD"}:
        method = of(wire(size, 8, False), name)
        share = np.mean(train(name, size, 1 if method.is_added else 8, False).message_bytes)
        assert share / (4 * NUM_ELEMENTS) == pytest.approx(1 / size, rel=0.12), name


@pytest.mark.parametrize(
    ("name", "size", "memory"),
    [("dense", 4, False), ("random-k", 12, True), ("sign", 4, True), ("top-k", 100, True)],
)
def test_each_rate_is_the_best_of_those_tried(name: str, size: int, memory: bool) -> None:
    """Half and twice as much, where the grid has them, take at least as many steps."""
    rate, workers = RATES[name][size][memory], 1 if name in ADDED else 8
    best = train(name, size, workers, memory)
    assert rate in GRID and best.errors[-1] <= TARGET
    for other in {rate / 2, rate * 2} & set(GRID):
        tried = train(name, size, workers, memory, other)
        assert tried.errors[-1] > TARGET or len(tried.errors) >= len(best.errors), other


def winners(size: int, workers: int, memory: bool) -> list[str]:
    """Return who needs the fewest bytes."""
    return [method.name for method in wire(size, workers, memory).winners]


def test_who_needs_the_fewest_bytes_depends_on_each_control() -> None:
    assert winners(12, 8, True) == ["sign"]
    assert winners(12, 32, True) == ["random-k"]
    assert winners(100, 8, True) == ["top-k"]
    assert winners(100, 8, False) == ["QSGD"]
    assert winners(100, 32, True) == ["PowerSGD"]


def test_a_memory_saves_what_is_biased_and_spoils_what_is_noisy() -> None:
    without, with_memory = (wire(100, 8, memory) for memory in (False, True))
    arrives = {
        name: tuple(of(shown, name).errors[-1] <= TARGET for shown in (without, with_memory))
        for name in (*ADDED, *GATHERED)
    }
    assert arrives["top-k"] == arrives["PowerSGD"] == (False, True)
    assert arrives["QSGD"] == (True, False)
    assert of(with_memory, "QSGD").errors[-1] > 0.8
    steps = [len(of(shown, "TernGrad").errors) for shown in (without, with_memory)]
    assert steps[1] > 1.5 * steps[0]


def test_gathering_loses_its_advantage_where_messages_times_workers_are_two_dense_ones() -> None:
    for shown in (wire(size, workers, True) for size in SIZES for workers in WORKERS):
        for method in shown.methods:
            if method.even_at is None:
                assert max(method.step_bytes) / method.step_bytes[0] < 2
            elif abs(method.even_at / shown.workers - 1) > 1e-3:
                assert (shown.to_dense(method) > 1) is (shown.workers > method.even_at)
    assert shown.counts == COUNTS and set(WORKERS) <= set(COUNTS)
    assert round(of(wire(4, 8, True), "QSGD").even_at or 0) == 8


def test_a_run_ends_at_the_target_or_without_hope_or_after_all_steps() -> None:
    for position in POSITIONS:
        for method in wire(**position).methods:
            end = method.errors[-1]
            assert end <= TARGET or end >= 0.8 or len(method.errors) == NUM_STEPS
            assert min(method.errors[WINDOW - 1 : -1], default=1) > TARGET


def test_description_and_table_say_the_numbers() -> None:
    shown = wire(12, 8, True)
    assert describe_wire(shown) == (
        "Test error of softmax regression against the bytes that a worker has received: 8 workers, "
        "messages of 1/12 of the dense bytes where a method can be set, error memory on. Fewest "
        "bytes to an error of 25%: sign. By method: dense: 248 kB after 18 steps; random-k, 8.3%: "
        "31 kB after 27 steps; PowerSGD, r = 1: 47.8 kB after 33 steps; QSGD, 2 bits: ends at 80% "
        "after 12 steps; TernGrad: 89.2 kB after 31 steps; sign: 20.3 kB after 11 steps; top-k, "
        "7.0%: 55.6 kB after 12 steps. Second panel: bytes of a step against workers; as multiples "
        "of a dense step, with 8 workers: dense 1; random-k 0.083; PowerSGD 0.11; QSGD 0.32, as "
        "much as dense at 25 workers; TernGrad 0.21, as much as dense at 38 workers; sign 0.13, as "
        "much as dense at 60 workers; top-k 0.34, as much as dense at 24 workers."
    )
    header, rows = wire_table(shown)
    assert all(len(row) == len(header) for row in rows)
    assert rows[5] == ("sign", "gathered", 11, "20.3 kB", "24.5%", "1.85 kB", "60 workers")
    assert rows[3][3] == "not reached"


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(wire_explorer)


def test_curves_lie_inside_their_panels() -> None:
    from mlsys_lib.plots.gradient_compression.wire import (
        _BYTE_LIMITS,
        _ERROR_LIMITS,
        _STEP_LIMITS,
    )

    for position in POSITIONS:
        for method in wire(**position).methods:
            for values, (low, high) in (
                (method.received_bytes, _BYTE_LIMITS),
                (method.errors, _ERROR_LIMITS),
                (method.step_bytes, _STEP_LIMITS),
            ):
                assert low < min(values) and max(values) < high, (position, method.name)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = wire_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: who once has won stays bold."""

    class Forgetful(WirePlot):
        def draw(self, shown: Wire) -> Any:
            bold = [t for t in self._names.values() if t.get_fontweight() == "bold"]
            drawn = super().draw(shown)
            for text in bold:
                text.set_fontweight("bold")
            return drawn

    wrong = replace(wire_explorer(), plot=lambda: Forgetful(TARGET, COUNTS))
    assert wrong.frame(POSITIONS[0]) == wrong.fresh_frame(POSITIONS[0])
    assert wrong.frame(POSITIONS[-1]) != wrong.fresh_frame(POSITIONS[-1])


def test_the_page_is_light() -> None:
    page = wire_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
