"""What federated learning costs on the network: bytes of a round, of a run, and of ranks.

A round sends the weights to the sampled clients and back: 2 C m k numbers. The usual O(m k) leaves
out that only the share C takes part, and that there are two directions.
"""

from mlsys_lib.core.validate import positive_int
from mlsys_lib.federated_learning.rounds import History
from mlsys_lib.federated_learning.sampling import UniformWithoutReplacement
from mlsys_lib.federated_learning.workers import HEADER_BYTES, REASON_BYTES


def round_bytes(
    num_weights: int,
    num_clients: int,
    client_fraction: float = 1.0,
    *,
    itemsize: int = 8,
    num_vectors: int = 1,
) -> int:
    """Return the bytes of one round, both directions together.

    Parameters
    ----------
    num_weights : int
        k.
    num_clients : int
        m.
    client_fraction : float
        C; C m is rounded as `UniformWithoutReplacement` does it.
    itemsize : int
        Bytes of a number: 8 here, 4 in most systems.
    num_vectors : int
        Vectors of a message: 2 for SCAFFOLD.

    Examples
    --------
    McMahan's convolutional network, 100 clients, a tenth of them:

    >>> round_bytes(1_663_370, 100, 0.1, itemsize=4)
    133069600
    """
    k, m = positive_int("num_weights", num_weights), positive_int("num_clients", num_clients)
    sampled = UniformWithoutReplacement(client_fraction).num_sampled(m)
    size = positive_int("itemsize", itemsize) * positive_int("num_vectors", num_vectors)
    return 2 * sampled * k * size


def total_bytes(
    num_rounds: int,
    num_weights: int,
    num_clients: int,
    client_fraction: float = 1.0,
    *,
    itemsize: int = 8,
    num_vectors: int = 1,
) -> int:
    """Return the bytes of T rounds; see `round_bytes`."""
    return positive_int("num_rounds", num_rounds) * round_bytes(
        num_weights, num_clients, client_fraction, itemsize=itemsize, num_vectors=num_vectors
    )


def ledger_bytes(history: History, world_size: int) -> int:
    """Return what `RankWorkers` sends for a run without a model of the systems.

    Besides the vectors of the history: a header each way for each visit, a reason in the place of
    the weights of each client that failed, and a last header for each of `world_size` - 1 ranks.
    Clients that `systems` takes out are not visited, though the history counts what they hear.
    """
    visits = sum(len(set(sampled)) for sampled in history.sampled)
    arrived = history.up_bytes.sum() * visits // max(1, history.down_bytes.sum())
    headers = HEADER_BYTES * (2 * visits + world_size - 1)
    vectors = int(history.down_bytes.sum() + history.up_bytes.sum())
    return vectors + headers + REASON_BYTES * (visits - int(arrived))
