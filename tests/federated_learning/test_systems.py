import numpy as np
import pytest

from mlsys_lib.federated_learning.aggregation import MeanByExamples
from mlsys_lib.federated_learning.client_privacy import PoissonSampling, PrivateMean
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.local import LocalSgd
from mlsys_lib.federated_learning.model import LeastSquares
from mlsys_lib.federated_learning.rounds import federate
from mlsys_lib.federated_learning.systems import Devices, Stragglers, Visit, lognormal_devices
from tests.federated_learning.quadratics import unequal_clients


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def devices(**changes) -> Devices:
    """Clients 0 and 1: 10 and 100 examples a second, 1000 and 500 bytes a second either way."""
    fields = {
        "examples_per_s": np.array([10.0, 100.0]),
        "down_bytes_per_s": np.array([1000.0, 500.0]),
        "up_bytes_per_s": np.array([1000.0, 500.0]),
        "latency_s": np.array([0.5, 0.25]),
        "availability": np.ones(2),
        "dropout": np.zeros(2),
    }
    return Devices(**(fields | changes))


def ask(systems, *, size: int = 1000, epochs: float = 2, seed: int = 0):
    return systems(0, [0, 1], [20, 50], size, epochs, rng(seed))


def test_a_round_lasts_as_long_as_its_slowest_client() -> None:
    """Client 0: 1 + 2 + 4 seconds; client 1: 0.5 + 4 + 1."""
    visits, seconds = ask(devices())
    assert visits == [Visit(), Visit()]
    assert seconds == 7.0
    _, alone = devices()(0, [1], [50], 1000, 2, rng())
    assert alone == 5.5
    assert devices().messages_s(0, 1000) == 3.0


def test_at_the_deadline_the_late_are_dropped_or_send_what_they_have() -> None:
    visits, seconds = ask(devices(deadline_s=6.0))
    assert visits == [Visit(lost="missed the deadline"), Visit()]
    assert seconds == 6.0
    visits, seconds = ask(devices(deadline_s=6.0, late="partial"))
    assert visits == [Visit(work=0.75), Visit()]  # 3 of 4 seconds of work are left
    assert seconds == 6.0
    visits, seconds = ask(devices(deadline_s=2.9, late="partial"))
    assert [visit.lost for visit in visits] == ["missed the deadline"] * 2
    assert ask(devices(deadline_s=7.0))[0] == [Visit(), Visit()]


def test_those_who_are_not_there_hear_nothing_and_the_lost_are_waited_for() -> None:
    away = devices(availability=np.array([0.0, 1.0]))
    assert ask(away) == ([Visit(lost="not available", hears=False), Visit()], 5.5)
    lost = devices(dropout=np.array([1.0, 0.0]))
    assert ask(lost) == ([Visit(lost="dropped out"), Visit()], 5.5)
    waited = devices(dropout=np.array([1.0, 0.0]), deadline_s=60.0)
    assert ask(waited)[1] == 60.0
    nobody = devices(availability=np.zeros(2))
    assert ask(nobody)[1] == 0.0
    late_too = devices(dropout=np.array([1.0, 0.0]), deadline_s=6.0)
    assert ask(late_too) == ([Visit(lost="dropped out"), Visit()], 6.0)


@pytest.mark.parametrize("systems", [lognormal_devices(3), Stragglers(0.5)])
def test_a_round_of_nobody_takes_no_time(systems) -> None:
    assert systems(0, [], [], 8, 1, rng()) == ([], 0.0)
    run = federate(
        LeastSquares(3), unequal_clients([4, 4, 4]), np.zeros(3), num_rounds=20,
        sampling=PoissonSampling(0.1), local_solver=LocalSgd(1, None, 0.1),
        aggregation=PrivateMean(1.0, 0.0, 0.1, rng()), systems=systems,
    )  # fmt: skip
    assert () in run.sampled
    assert not any(seconds for s, seconds in zip(run.sampled, run.round_s, strict=True) if not s)


def test_chances_are_the_stated_ones() -> None:
    systems = devices(availability=np.full(2, 0.8), dropout=np.full(2, 0.25))
    reasons = [visit.lost for seed in range(2000) for visit in ask(systems, seed=seed)[0]]
    assert reasons.count("not available") / 4000 == pytest.approx(0.2, abs=0.02)
    assert reasons.count("dropped out") / 4000 == pytest.approx(0.2, abs=0.02)


def test_lognormal_machines_have_the_medians_and_the_spread() -> None:
    drawn = lognormal_devices(4000, spread=0.5, seed=1)
    for values, median in ((drawn.examples_per_s, 1000), (drawn.up_bytes_per_s, 6e5)):
        assert np.median(values) == pytest.approx(median, rel=0.05)
        assert np.std(np.log(values)) == pytest.approx(0.5, rel=0.05)
    ratio = drawn.down_bytes_per_s / drawn.up_bytes_per_s
    assert np.ptp(ratio) < 1e-9 * ratio[0]
    assert abs(np.corrcoef(np.log(drawn.examples_per_s), np.log(drawn.up_bytes_per_s))[0, 1]) < 0.05
    again = lognormal_devices(4000, spread=0.5, seed=1)
    assert np.array_equal(drawn.examples_per_s, again.examples_per_s)


def test_options_of_lognormal_machines_are_their_fields() -> None:
    drawn = lognormal_devices(
        3, latency_s=0.2, availability=0.7, dropout=0.1, deadline_s=9.0, late="partial"
    )
    assert drawn.latency_s.tolist() == [0.2] * 3
    assert drawn.availability.tolist() == [0.7] * 3
    assert drawn.dropout.tolist() == [0.1] * 3
    assert (drawn.deadline_s, drawn.late) == (9.0, "partial")


def test_each_client_straggles_equally_often() -> None:
    slow = np.zeros(10)
    for seed in range(1000):
        visits, _ = Stragglers(0.3)(0, list(range(10)), [5] * 10, 8, 20, rng(seed))
        slow += [visit.work < 1 for visit in visits]
    assert slow.sum() == 3000
    assert np.abs(slow - 300).max() < 60  # four standard deviations


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.5, 5), (0.9, 9), (1.0, 10)])
def test_the_share_of_stragglers_is_the_stated_one(share: float, expected: int) -> None:
    visits, seconds = Stragglers(share)(0, list(range(10)), [5] * 10, 8, 20, rng())
    works = [visit.work for visit in visits]
    assert sum(work < 1 for work in works) == expected
    assert all(visit.lost == "" for visit in visits)
    dropped, _ = Stragglers(share, "drop")(0, list(range(10)), [5] * 10, 8, 20, rng())
    assert [visit.lost for visit in dropped].count("straggler") == expected
    assert seconds == 0


def test_a_straggler_manages_one_epoch_to_all_but_one_each_alike() -> None:
    epochs = [
        round(visit.work * 4, 9)
        for seed in range(300)
        for visit in Stragglers(1.0)(0, [0, 1], [5, 5], 8, 4, rng(seed))[0]
    ]
    assert set(epochs) == {1, 2, 3}
    assert np.bincount(np.array(epochs, int))[1:].min() > 160
    parts = [Stragglers(1.0)(0, [0], [5], 8, 1, rng(s))[0][0].work for s in range(200)]
    assert 0 < min(parts) < 0.1 < 0.9 < max(parts) <= 1


def test_a_run_has_the_seconds_and_the_losses_of_its_systems() -> None:
    clients, model = unequal_clients([20, 50]), LeastSquares(3)
    settings = {"num_rounds": 2, "local_epochs": 2, "batch_size": 10, "learning_rate": 0.01}
    run = fedavg(model, clients, np.zeros(3), systems=devices(), **settings)
    # 24 bytes: client 0 takes 1 + 0.048 + 4, client 1 takes 0.5 + 0.096 + 1
    np.testing.assert_allclose(run.round_s, 5.048)
    late = fedavg(model, clients, np.zeros(3), systems=devices(deadline_s=3.0), **settings)
    assert late.lost == ({0: "missed the deadline"},) * 2
    assert late.round_s.tolist() == [3.0, 3.0]
    assert late.down_bytes.tolist() == [48, 48]  # the late one has heard
    assert late.up_bytes.tolist() == [24, 24]
    part = fedavg(
        model, clients, np.zeros(3), systems=devices(deadline_s=3.048, late="partial"), **settings
    )
    assert part.num_steps == ({0: 2, 1: 10},) * 2  # half of 4 steps
    away = fedavg(model, clients, np.ones(3), systems=devices(availability=np.zeros(2)), **settings)
    assert np.array_equal(away.final, np.ones(3))
    assert away.down_bytes.tolist() == [0, 0]


def test_a_client_works_on_its_own_examples_only() -> None:
    """Client 1 of 50 examples, alone in a round: 0.5 + 0.096 + 1 seconds for two epochs."""
    run = federate(
        LeastSquares(3), unequal_clients([20, 50]), np.zeros(3), num_rounds=1,
        sampling=lambda *arguments: [1], local_solver=LocalSgd(2, 10, 0.01),
        aggregation=MeanByExamples(), systems=devices(), local_epochs=2,
    )  # fmt: skip
    np.testing.assert_allclose(run.round_s, 1.596)


def test_who_is_sampled_does_not_depend_on_the_systems() -> None:
    clients, model = unequal_clients([4] * 8), LeastSquares(3)
    runs = [
        fedavg(
            model, clients, np.zeros(3), systems=systems, num_rounds=5, local_epochs=2,
            batch_size=2, learning_rate=0.01, client_fraction=0.5,
        )
        for systems in (None, Stragglers(0.5), Stragglers(0.9, "drop"))
    ]  # fmt: skip
    assert runs[0].sampled == runs[1].sampled == runs[2].sampled


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Stragglers(1.5), r"share must be in \[0, 1\], got 1.5"),
        (lambda: Stragglers(np.nan), r"share must be in \[0, 1\], got nan"),
        (lambda: Stragglers(0.5, "wait"), "late must be one of 'drop', 'partial', got 'wait'"),
        (
            lambda: devices(examples_per_s=np.array([1.0, 0.0])),
            "examples_per_s must be finite and > 0, got 0.0",
        ),
        (
            lambda: devices(latency_s=np.array([1.0, -1.0])),
            "latency_s must be finite and >= 0, got -1.0",
        ),
        (
            lambda: devices(dropout=np.array([1.0, 1.1])),
            r"dropout must be finite and in \[0, 1\], got 1.1",
        ),
        (
            lambda: devices(availability=np.ones(3)),
            r"availability must have one number for each client, got shape \(3,\)",
        ),
        (lambda: devices(deadline_s=0.0), "deadline_s must be > 0, got 0.0"),
        (
            lambda: devices()(0, [0, 2], [5, 5], 8, 1, rng()),
            "devices must be those of all clients, got 2 and client 2",
        ),
        (lambda: lognormal_devices(0), "num_clients must be an integer >= 1, got 0"),
        (lambda: lognormal_devices(2, spread=-1.0), "spread must be finite and >= 0, got -1"),
        (lambda: lognormal_devices(2, latency_s=-1.0), "latency_s must be finite and >= 0"),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
