"""All-reduce by recursive halving and doubling (Rabenseifner's algorithm).

Rabenseifner, "Optimization of collective reduction operations", ICCS 2004,
doi:10.1007/978-3-540-24685-5_1; the cost analysis is in Thakur et al. 2005. As many bytes as the
ring, in 2 log2 m rounds. Ours folds a number of ranks that is no power of two by whole arrays,
where the paper halves them; that costs it k more elements.
"""

import numpy as np

from mlsys_lib.collectives.chunks import split
from mlsys_lib.collectives.recursive_doubling import fold, unfold
from mlsys_lib.collectives.reduction import combine_for, finish
from mlsys_lib.comm import Communicator


def halving_doubling_all_reduce(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Combine `x` over all ranks; every rank gets the result, bitwise the same.

    Notes
    -----
    2 log2 m rounds, 2 (m - 1) / m · k elements per rank; if m is no power of two, 2 more rounds
    of k elements.
    """
    x = np.asarray(x)
    total = x.flatten()
    combine_for(op, total.dtype)
    power, is_extra = fold(comm, total, op)
    if not is_extra:
        _halve_and_double(comm, total, power, op)
    unfold(comm, total, power)
    return finish(op, total, comm.world_size).reshape(x.shape)


def _halve_and_double(comm: Communicator, total: np.ndarray, power: int, op: str) -> None:
    """Reduce-scatter by halving, all-gather by doubling, in place, over ranks 0 … power - 1."""
    combine = combine_for(op, total.dtype)
    chunks = split(total, power)
    starts = np.cumsum([0, *map(len, chunks)])
    inbox = np.empty_like(total)
    first, length = 0, power  # the chunks that this rank still works on
    exchanged = []
    while length > 1:
        length //= 2
        partner = comm.rank ^ length
        keep, give = (first, first + length) if comm.rank < partner else (first + length, first)
        kept = total[starts[keep] : starts[keep + length]]
        given = total[starts[give] : starts[give + length]]
        arrived = inbox[: len(kept)]
        comm.send_recv(given, arrived, partner, partner)
        combine(kept, arrived, out=kept)
        exchanged.append((partner, kept, given))
        first = keep
    for partner, kept, given in reversed(exchanged):  # the same way back: all-gather
        comm.send_recv(kept, given, partner, partner)
