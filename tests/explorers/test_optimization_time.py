"""Time to accuracy: losses and seconds are those of runs, and who is first depends on where."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import Network, Run, simulate
from mlsys_lib.distributed_optimization import (
    Logistic,
    cocoa,
    distributed_gradient_descent,
    distributed_minibatch_sgd,
    local_sgd,
    one_shot_average,
    solve,
)
from mlsys_lib.explorers.distributed_optimization import time_to_accuracy as module
from mlsys_lib.explorers.distributed_optimization import time_to_accuracy_explorer
from mlsys_lib.explorers.distributed_optimization.time_to_accuracy import (
    LATENCIES_US,
    LOCAL_BATCH,
    LOCAL_EXAMPLES,
    LOCAL_RATES,
    MINIBATCH,
    PENALTY,
    SECONDS_PER_ENTRY,
    TARGET,
    WORKERS,
    dealt,
    describe_time,
    minibatch_trace,
    most_entries,
    objective,
    on_network,
    optimum,
    rounds_of,
    time_table,
    time_to_accuracy,
)
from mlsys_lib.plots.distributed_optimization import Path, TimePlot, TimeToAccuracy
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(time_to_accuracy_explorer().positions())
ONE, GRADIENT_DESCENT, MINIBATCH_SGD, LOCAL_SGD, COCOA = (
    "one-shot", "gradient descent", "mini-batch SGD", "local SGD", "CoCoA",
)  # fmt: skip


def path_of(shown: TimeToAccuracy, name: str) -> Path:
    """Return the path of one method."""
    return next(path for path in shown.paths if path.name == name)


def run_again(shown: TimeToAccuracy, path: Path, num_rounds: int) -> Run:
    """Run a method on as many workers, on the network shown, with the clock on."""
    m, rate = shown.workers, module.GRADIENT_DESCENT_RATE / objective().smoothness
    batch_size = int(path.setting.split()[-1]) if path.name == MINIBATCH_SGD else 0
    steps = shown.local_examples // LOCAL_BATCH
    every: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
        GRADIENT_DESCENT: (distributed_gradient_descent, (rate, num_rounds), {}),
        MINIBATCH_SGD: (
            distributed_minibatch_sgd,
            (MINIBATCH.get(batch_size, (1.0,))[0], num_rounds, batch_size or 1),
            {},
        ),
        ONE: (one_shot_average, (), {"tolerance": TARGET / 10}),
        LOCAL_SGD: (
            local_sgd,
            (LOCAL_RATES[m, shown.local_examples], num_rounds, steps, LOCAL_BATCH),
            {},
        ),
        COCOA: (cocoa, (num_rounds,), {"num_local_steps": shown.local_examples}),
    }
    method, options, more = every[path.name]
    return simulate(
        method, m, *dealt(m), Logistic(), PENALTY, *options, **more,
        network=Network(latency_s=shown.latency_s), seconds_per_entry=SECONDS_PER_ENTRY,
    )  # fmt: skip


def held_to_a_run(shown: TimeToAccuracy, name: str) -> None:
    """Compare the losses and the seconds of the first rounds with a run on the network itself."""
    path = path_of(shown, name)
    num_rounds = min(6, len(path.gaps) - 1)
    run = run_again(shown, path, num_rounds)
    if name == ONE:
        history, seconds = np.array([run.results[0]]), [run.ledger.time_s()]
    else:
        history = run.results[0].history[1:]
        seconds = np.max([result.time_s for result in run.results], axis=0)[1:]
    gaps = [objective().value(weights) - optimum().value for weights in history]
    np.testing.assert_allclose(path.gaps[1 : len(gaps) + 1], gaps, atol=1e-9)
    ours = np.array(path.time_s[1 : len(gaps) + 1])
    np.testing.assert_allclose(ours, seconds, rtol=1e-3)  # chunks of a round differ by a number


@pytest.mark.parametrize("name", [GRADIENT_DESCENT, MINIBATCH_SGD, ONE, LOCAL_SGD, COCOA])
@pytest.mark.parametrize("position", [(2, 1, 128), (8, 1, 32), (4, 1000, 512), (16, 50, 128)])
def test_losses_and_seconds_are_those_of_a_run(name: str, position: tuple[int, int, int]) -> None:
    """The worker with the most to read sets the pace of each round."""
    held_to_a_run(time_to_accuracy(*position), name)


@pytest.mark.parametrize("planted", ["a pass reads once", "the mean worker", "one round too few"])
def test_a_wrong_clock_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistakes: each is seen by the clock of a run."""
    right = time_to_accuracy(8, 1, 32)

    def wrong(path: Path) -> Path:
        share = {"a pass reads once": 0.5, "the mean worker": 0.8, "one round too few": 1.0}[
            planted
        ]
        sent = np.array(path.send_s)
        if planted == "one round too few":
            sent = np.concatenate([sent[:1], sent[:-1]])
        return replace(
            path,
            compute_s=tuple(share * s for s in path.compute_s),
            send_s=tuple(sent.tolist()),
        )

    held_to_a_run(right, LOCAL_SGD)
    with pytest.raises(AssertionError):
        held_to_a_run(replace(right, paths=tuple(map(wrong, right.paths))), LOCAL_SGD)


def test_the_minimum_is_certified() -> None:
    assert optimum().gap <= TARGET * 1e-5
    assert solve(objective(), TARGET * 1e-6).value == pytest.approx(
        optimum().value, abs=TARGET / 1e4
    )


def test_each_step_size_is_the_best_of_those_tried() -> None:
    """Half and twice as much take at least as many rounds, or never arrive."""

    def rounds(method: Any, m: int, *options: Any) -> float:
        run = simulate(method, m, *dealt(m), Logistic(), PENALTY, *options)
        gaps = [objective().value(w) - optimum().value for w in run.results[0].history]
        return next((t for t, gap in enumerate(gaps) if gap <= TARGET), np.inf)

    for batch_size in (64, 256):
        rate, num_rounds = MINIBATCH[batch_size]
        tried = [
            rounds(distributed_minibatch_sgd, 1, rate * factor, num_rounds, batch_size)
            for factor in (1, 0.5, 2)
        ]
        assert tried[0] == min(tried) < np.inf, batch_size
    for m, examples in ((2, 128), (4, 512), (8, 128)):
        rate, steps = LOCAL_RATES[m, examples], examples // LOCAL_BATCH
        tried = [
            rounds(local_sgd, m, rate * factor, rounds_of(m, examples), steps, LOCAL_BATCH)
            for factor in (1, 0.5, 2)
        ]
        assert tried[0] == min(tried) < np.inf, (m, examples)


def test_what_is_read_is_what_the_ledger_counts() -> None:
    run = simulate(
        distributed_minibatch_sgd, 4, *dealt(4), Logistic(), PENALTY, 64.0, 5, 64,
        seconds_per_entry=1.0,
    )  # fmt: skip
    assert minibatch_trace(64, 4).entries[:5] == most_entries(run, 5)


def test_a_run_is_timed_on_any_network_and_only_its_sending_changes() -> None:
    near, far = (on_network(minibatch_trace(64, 4), Network(s), 4) for s in (1e-6, 2e-2))
    assert near.compute_s == far.compute_s
    assert near.gaps == far.gaps
    assert far.send_s[-1] > 1000 * near.send_s[-1]


def winners(workers: int, latency_us: float, local_examples: int) -> list[str]:
    """Return who is first."""
    return [path.name for path in time_to_accuracy(workers, latency_us, local_examples).winners]


def test_who_is_first_depends_on_latency_workers_and_local_work() -> None:
    assert winners(2, 1, 128) == [MINIBATCH_SGD]
    assert winners(16, 1, 32) == [LOCAL_SGD]
    assert winners(4, 50, 512) == [COCOA]
    assert winners(4, 1000, 512) == [ONE]
    assert winners(8, 1000, 512) == [COCOA]
    assert winners(8, 20_000, 32) == [GRADIENT_DESCENT]


def test_one_shot_has_a_floor_that_rises_with_the_workers() -> None:
    ends = [path_of(time_to_accuracy(m, 50, 128), ONE).gaps[-1] for m in WORKERS]
    assert ends == sorted(ends)
    assert ends[1] < TARGET < ends[2]


def test_every_method_but_one_shot_gets_there() -> None:
    for position in POSITIONS:
        shown = time_to_accuracy(**position)
        for path in shown.paths:
            assert path.rounds_to(TARGET) is not None or path.name == ONE, (position, path.name)


def test_the_axis_of_seconds_holds_every_hit() -> None:
    from mlsys_lib.plots.distributed_optimization.time_to_accuracy import _EARLIEST_S, _SPAN

    for position in POSITIONS:
        shown = time_to_accuracy(**position)
        first_s = max(_EARLIEST_S, shown.latency_s)
        times_s = [path.target_s(TARGET) for path in shown.paths]
        assert all(first_s < time_s < first_s * _SPAN for time_s in times_s if time_s < np.inf)


def test_the_lists_are_complete() -> None:
    assert set(LOCAL_RATES) == {(m, examples) for m in WORKERS for examples in LOCAL_EXAMPLES}
    assert len(POSITIONS) == len(LOCAL_RATES) * len(LATENCIES_US)


def test_description_and_table_say_the_numbers() -> None:
    shown = time_to_accuracy(4, 50, 128)
    assert describe_time(shown) == (
        "Distance to the minimum against simulated seconds: 4 workers, latency 50 µs, 10 Gb/s; "
        "local SGD and CoCoA read 128 mails a worker between messages. First to reach 0.003: "
        "one-shot. By method: gradient descent: 10.3 ms (16 rounds, 50% of it sending); mini-batch "
        "SGD, b = 256: 6.73 ms (19 rounds, 90% of it sending); one-shot: 2.39 ms (1 round, 19% of "
        "it sending); local SGD, H = 16: 4.69 ms (12 rounds, 82% of it sending); CoCoA, H = 128: "
        "3.91 ms (10 rounds, 83% of it sending). Second panel: the time to the target, split into "
        "computing and sending."
    )
    header, rows = time_table(shown)
    assert all(len(row) == len(header) for row in rows)
    assert rows[2] == ("one-shot", 1, "2.39 ms", "1.93 ms", "460 µs", 0.0024)
    assert time_table(time_to_accuracy(16, 50, 128))[1][2][1] == "not reached"
    assert "one-shot: never, it ends at 0.018" in describe_time(time_to_accuracy(16, 50, 128))


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(time_to_accuracy_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = time_to_accuracy_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: a mark of the target stays where the method no longer reaches it."""

    class Forgetful(TimePlot):
        def draw(self, shown: TimeToAccuracy) -> Any:
            before = self._hits[ONE].get_data()
            drawn = super().draw(shown)
            if not np.size(self._hits[ONE].get_xdata()):
                self._hits[ONE].set_data(*before)
            return drawn

    wrong = replace(time_to_accuracy_explorer(), plot=Forgetful)
    assert wrong.frame(POSITIONS[0]) == wrong.fresh_frame(POSITIONS[0])
    assert wrong.frame(POSITIONS[-1]) != wrong.fresh_frame(POSITIONS[-1])


def test_the_page_is_light() -> None:
    page = time_to_accuracy_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
