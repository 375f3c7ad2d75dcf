"""What an all-reduce must do. The library passes every check; each planted version fails one."""

from collections.abc import Callable

import numpy as np

from mlsys_lib.collectives import reference
from mlsys_lib.collectives.cost import Cost
from mlsys_lib.comm import Ledger, Network, PerRank
from tests.collectives import bodies
from tests.conftest import Machine

AllReduce = Callable[..., np.ndarray]
PLAIN = Network(latency_s=1e-3, seconds_per_byte=1e-6)
WITH_OVERHEAD = Network(latency_s=1e-3, seconds_per_byte=1e-9, overhead_s=4e-4)

# Rounding: m additions in another order move a sum of positive numbers by at most m ulps.
TOLERANCE = {"float64": 1e-13, "complex128": 1e-13, "float32": 1e-4, "float16": 0.1}


def shapes(world_size: int) -> list[tuple[int, ...]]:
    """Shapes that divide, that do not, with fewer elements than ranks, empty, and 0-d."""
    return [(), (0,), (1,), (2, 3), (0, 4), (3 * world_size,), (2 * world_size + 1,)]


def ops_for(dtype: str) -> list[str]:
    """Return the operations that a dtype allows."""
    kind = np.dtype(dtype).kind
    return ["sum"] + ["mean"] * (kind in "fc") + ["max", "min"] * (kind != "c")


def arrays(world_size: int, shape: tuple[int, ...], dtype: str, seed: int = 0) -> list[np.ndarray]:
    """Return one array per rank; small whole numbers, so that there are ties and zeros."""
    rng = np.random.default_rng([seed, world_size])
    numbers = rng.integers(0, 5, (world_size, *shape))
    if np.dtype(dtype).kind in "fc":
        return [np.array(x, dtype) for x in numbers + rng.random(numbers.shape)]
    return [np.array(x, dtype) for x in numbers]


def outcomes(
    machine: Machine, all_reduce: AllReduce, cases: list[tuple[str, list[np.ndarray]]]
) -> list[list[tuple[np.ndarray, bool]]]:
    """Run all cases in one run; return for each case what the ranks got."""
    per_rank = [[(op, xs[rank]) for op, xs in cases] for rank in range(machine.world_size)]
    results = machine.run(bodies.reduce_all, all_reduce, PerRank(per_rank)).results
    return list(zip(*results, strict=True))


def oracle_cases(machine: Machine) -> list[tuple[str, list[np.ndarray]]]:
    """Return every dtype, shape and operation; a thinner choice where runs are slow."""
    others = ["float32", "float16", "int64", "int32", "uint8", "bool", "complex128"]
    m = machine.world_size
    pairs = [("float64", shape) for shape in shapes(m)]
    if m == 64:
        return [("sum", arrays(m, shape, dtype)) for dtype, shape in [*pairs, ("int32", (129,))]]
    few = machine.pool is not None
    pairs += [(dtype, s) for dtype in others for s in ([(2 * m + 1,)] if few else shapes(m))]
    return [(op, arrays(m, shape, dtype)) for dtype, shape in pairs for op in ops_for(dtype)]


def check_oracle(machine: Machine, all_reduce: AllReduce) -> None:
    """Every rank gets what the reference says, in the shape and dtype of the input."""
    cases = oracle_cases(machine)
    for (op, xs), ranks in zip(cases, outcomes(machine, all_reduce, cases), strict=True):
        for expected, (result, _) in zip(reference.all_reduce(xs, op), ranks, strict=True):
            case = f"{op} of {xs[0].dtype} {xs[0].shape}"
            assert isinstance(result, np.ndarray), case
            assert (result.dtype, result.shape) == (expected.dtype, expected.shape), case
            tolerance = TOLERANCE.get(str(result.dtype), 0)
            np.testing.assert_allclose(result, expected, rtol=tolerance, atol=0, err_msg=case)


def awkward(world_size: int) -> list[tuple[str, list[np.ndarray]]]:
    """Return cases in which the order of additions shows: rounding, signs of zero, NaN, ties."""
    rough = [x * 10.0**r for r, x in enumerate(arrays(world_size, (11,), "float64"))]
    zeros = [np.where(np.arange(5) % 2 == r % 2, 0.0, -0.0) for r in range(world_size)]
    missing = [np.where(np.arange(6) == r, np.nan, float(r)) for r in range(world_size)]
    signed_missing = [np.copysign(np.full(3, np.nan), (-1.0) ** r) for r in range(world_size)]
    return [
        *[("sum", xs) for xs in (rough, zeros, missing, signed_missing)],
        *[("max", xs) for xs in (rough, zeros, missing, signed_missing)],
        *[("min", xs) for xs in (zeros, missing)],
        ("mean", rough),
    ]


def check_equal_on_all_ranks(machine: Machine, all_reduce: AllReduce) -> None:
    """All ranks hold the same bits, where the order of additions shows too."""
    for ranks in outcomes(machine, all_reduce, awkward(machine.world_size)):
        bits = {result.tobytes() for result, _ in ranks}
        assert len(bits) == 1, f"{len(bits)} different results"


def check_input_unchanged(machine: Machine, all_reduce: AllReduce) -> None:
    """No rank's input is modified, nor shared with its result."""
    cases = [
        (op, arrays(machine.world_size, shape, "float64"))
        for shape in [(), (0,), (2 * machine.world_size + 1,)]
        for op in ("sum", "mean")
    ]
    for (op, xs), ranks in zip(cases, outcomes(machine, all_reduce, cases), strict=True):
        changed = [rank for rank, (_, unchanged) in enumerate(ranks) if not unchanged]
        assert not changed, f"{op} of {xs[0].shape}: ranks {changed} changed their input"


def check_ledger(machine: Machine, all_reduce: AllReduce, cost: Callable[..., Cost]) -> None:
    """Rounds, bytes of each rank and time on two networks are those of the closed form."""
    for num_elements in (0, 1, 3 * machine.world_size, 5 * machine.world_size + 2):
        xs = arrays(machine.world_size, (num_elements,), "float64")
        ledger = machine.run(all_reduce, PerRank(xs)).ledger
        check_costs(ledger, cost(machine.world_size, num_elements, 8))


def check_integer_mean_refused(machine: Machine, all_reduce: AllReduce) -> None:
    """The mean of integers is an error on every rank, raised before anything is sent."""
    run = machine.run(bodies.error_of, all_reduce, np.arange(4), op="mean")
    assert set(run.results) == {"TypeError: op 'mean' needs a floating dtype, got int64"}
    assert run.ledger.messages == ()


def check_costs(ledger: Ledger, expected: Cost) -> None:
    """Rounds, bytes of each rank, and time on two networks are those of the closed form."""
    assert ledger.sent_bytes == tuple(expected.sent_bytes)
    assert ledger.rounds == expected.rounds
    for network in (PLAIN, WITH_OVERHEAD):
        np.testing.assert_allclose(ledger.time_s(network), expected.time_s(network), rtol=1e-9)
