"""Systems: how fast clients compute and send, who is there, and who is waited for.

FedProx, MLSys 2020, arXiv:1812.06127, calls this systems heterogeneity, and has a rule without time
for it (`Stragglers`): in each round a share of the clients has time for a random part of the epochs
only. FedAvg drops them, FedProx takes what they have. `Devices` gives clients speeds, bandwidths
and a deadline instead, so that rounds take simulated seconds.
"""

import builtins  # `round` is a parameter here
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mlsys_lib.core.validate import integer, non_negative, one_of, positive, positive_int

LATE = ("drop", "partial")


@dataclass(frozen=True)
class Visit:
    """What becomes of a sampled client in one round.

    Attributes
    ----------
    work : float
        In (0, 1]: the share of its local work that it has time for.
    lost : str
        Why no update of it counts; "" if one does.
    hears : bool
        Whether the weights are sent to it.
    """

    work: float = 1.0
    lost: str = ""
    hears: bool = True


class Systems(Protocol):
    """A model of the clients' machines."""

    def __call__(
        self,
        round: int,
        clients: Sequence[int],
        num_examples: Sequence[int],
        message_bytes: int,
        local_epochs: float,
        rng: np.random.Generator,
    ) -> tuple[list[Visit], float]:
        """Return what becomes of each client, and the seconds of the round.

        Parameters
        ----------
        round : int
        clients : sequence of int
            The sampled ones, each once; none in a round of nobody.
        num_examples : sequence of int
            Of each of them.
        message_bytes : int
            Size of the weights, the same in both directions.
        local_epochs : float
            Passes over its examples that full work is.
        rng : Generator
            This round's own, apart from the sampling's: the sample does not depend on the model.
        """


@dataclass(frozen=True)
class Stragglers:
    """FedProx's rule: a share of the sampled clients manages part of its epochs, by chance.

    Attributes
    ----------
    share : float
        In [0, 1], of the clients of a round, rounded.
    late : {"drop", "partial"}
        What becomes of them: no update (FedAvg), or what they have (FedProx).

    Notes
    -----
    Of E ≥ 2 epochs a straggler manages 1 … E - 1, each alike, as in the released code. Of a single
    epoch, where that code has no stragglers, ours manages a uniform part. A round takes no time.
    """

    share: float
    late: str = "partial"

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be in [0, 1], got {self.share!r}")
        one_of("late", self.late, LATE)

    def __call__(
        self,
        round: int,
        clients: Sequence[int],
        num_examples: Sequence[int],
        message_bytes: int,
        local_epochs: float,
        rng: np.random.Generator,
    ) -> tuple[list[Visit], float]:
        """Return the visits, and no seconds."""
        num_slow = builtins.round(self.share * len(clients))
        visits = [Visit()] * len(clients)
        for at in rng.choice(len(clients), num_slow, replace=False):
            work = self._part(local_epochs, rng)
            visits[at] = Visit(work, "straggler" if self.late == "drop" else "")
        return visits, 0.0

    @staticmethod
    def _part(local_epochs: float, rng: np.random.Generator) -> float:
        if local_epochs < 2:
            return 1 - float(rng.uniform())  # in (0, 1]
        return int(rng.integers(1, int(local_epochs))) / local_epochs


@dataclass(frozen=True, eq=False)
class Devices:
    """Machines with speeds, and a server that waits until a deadline.

    A client that is there takes 2 latencies, its download, its work and its upload:

        2 α + bytes / down + work E n_i / speed + bytes / up.

    Attributes
    ----------
    examples_per_s : ndarray of shape (m,)
        Examples that client i trains on in a second.
    down_bytes_per_s, up_bytes_per_s : ndarray of shape (m,)
        Bandwidths.
    latency_s : ndarray of shape (m,)
        α of a message.
    availability : ndarray of shape (m,)
        Probability that a sampled client is there; else it is not sent anything.
    dropout : ndarray of shape (m,)
        Probability that one that is there is lost after it has heard: its work comes to nothing.
    deadline_s : float
        inf: the server waits for everyone who is not lost.
    late : {"drop", "partial"}
        At the deadline a client sends nothing, or as much of its work as fits; one whose messages
        alone take longer sends nothing either way.

    Notes
    -----
    A round ends when the last one who counts has answered. If somebody missed the deadline or was
    lost on the way, the server waits until the deadline, if there is one; the server does not know
    that a lost client will not answer, and without a deadline ours is told. Clients share nothing:
    the server's own bandwidth is not in the model.
    """

    examples_per_s: np.ndarray
    down_bytes_per_s: np.ndarray
    up_bytes_per_s: np.ndarray
    latency_s: np.ndarray
    availability: np.ndarray
    dropout: np.ndarray
    deadline_s: float = np.inf
    late: str = "drop"

    def __post_init__(self) -> None:
        shape = np.shape(self.examples_per_s)
        for name in ("examples_per_s", "down_bytes_per_s", "up_bytes_per_s"):
            _check_array(name, getattr(self, name), shape, 0, np.inf, open_below=True)
        _check_array("latency_s", self.latency_s, shape, 0, np.inf)
        for name in ("availability", "dropout"):
            _check_array(name, getattr(self, name), shape, 0, 1)
        if not self.deadline_s > 0:
            raise ValueError(f"deadline_s must be > 0, got {self.deadline_s!r}")
        one_of("late", self.late, LATE)

    def __call__(
        self,
        round: int,
        clients: Sequence[int],
        num_examples: Sequence[int],
        message_bytes: int,
        local_epochs: float,
        rng: np.random.Generator,
    ) -> tuple[list[Visit], float]:
        """Return the visits, and the seconds until the last one that is waited for."""
        last = max(clients, default=-1)
        if last >= len(self.latency_s):
            raise ValueError(
                f"devices must be those of all clients, got {len(self.latency_s)} and client {last}"
            )
        chances = rng.uniform(size=(len(clients), 2))
        visits, ends = [], [0.0]
        for i, n, (there, lost) in zip(clients, num_examples, chances, strict=True):
            visit, seconds = self._visit(i, local_epochs * n, message_bytes)
            if there >= self.availability[i]:
                visit, seconds = Visit(lost="not available", hears=False), 0.0
            elif lost < self.dropout[i]:
                visit = replace(visit, lost="dropped out")
                seconds = self.deadline_s if np.isfinite(self.deadline_s) else 0.0
            visits.append(visit)
            ends.append(seconds)
        return visits, max(ends)

    def _visit(self, i: int, num_examples: float, message_bytes: int) -> tuple[Visit, float]:
        """Return what client i manages before the deadline, and when it is done."""
        compute_s = num_examples / float(self.examples_per_s[i])
        messages_s = self.messages_s(i, message_bytes)
        if messages_s + compute_s <= self.deadline_s:
            return Visit(), messages_s + compute_s
        left_s = self.deadline_s - messages_s
        if self.late == "drop" or left_s <= 0:
            return Visit(lost="missed the deadline"), self.deadline_s
        return Visit(work=left_s / compute_s), self.deadline_s

    def messages_s(self, i: int, message_bytes: int) -> float:
        """Return the seconds that client i's download and upload take."""
        per_byte = 1 / float(self.down_bytes_per_s[i]) + 1 / float(self.up_bytes_per_s[i])
        return 2 * float(self.latency_s[i]) + message_bytes * per_byte


def lognormal_devices(
    num_clients: int,
    *,
    spread: float = 1.0,
    examples_per_s: float = 1000.0,
    down_bytes_per_s: float = 2.5e6,
    up_bytes_per_s: float = 6e5,
    latency_s: float = 0.05,
    availability: float = 1.0,
    dropout: float = 0.0,
    deadline_s: float = np.inf,
    late: str = "drop",
    seed: int = 0,
) -> Devices:
    """Draw machines whose speed and bandwidth are lognormal around the given medians.

    Parameters
    ----------
    num_clients : int
        m.
    spread : float
        Standard deviation of the logarithm, ≥ 0: with 1, one client in six has less than 0.37 of
        the median. A machine's bandwidths have one draw, apart from its speed's.
    examples_per_s, down_bytes_per_s, up_bytes_per_s : float
        Medians. The bandwidths are those of a phone, not measured by us.
    latency_s, availability, dropout, deadline_s, late
        See `Devices`; the same for all clients.
    seed : int

    Examples
    --------
    >>> devices = lognormal_devices(3, spread=0.0)
    >>> visits, seconds = devices(0, [0, 2], [500, 1000], 30_000, 1, np.random.default_rng(0))
    >>> round(seconds, 3)
    1.162
    """
    m, spread = positive_int("num_clients", num_clients), non_negative("spread", spread)
    positive("examples_per_s", examples_per_s)
    positive("down_bytes_per_s", down_bytes_per_s)
    positive("up_bytes_per_s", up_bytes_per_s)
    speed, bandwidth = np.random.default_rng(integer("seed", seed, 0)).normal(size=(2, m))
    return Devices(
        examples_per_s=examples_per_s * np.exp(spread * speed),
        down_bytes_per_s=down_bytes_per_s * np.exp(spread * bandwidth),
        up_bytes_per_s=up_bytes_per_s * np.exp(spread * bandwidth),
        latency_s=np.full(m, latency_s),
        availability=np.full(m, availability),
        dropout=np.full(m, dropout),
        deadline_s=deadline_s,
        late=late,
    )


def _check_array(
    name: str,
    values: np.ndarray,
    shape: tuple[int, ...],
    low: float,
    high: float,
    *,
    open_below: bool = False,
) -> None:
    values = np.asarray(values)
    if values.ndim != 1 or values.shape != shape:
        raise ValueError(f"{name} must have one number for each client, got shape {values.shape}")
    fits = np.isfinite(values) & (values <= high) & (values > low if open_below else values >= low)
    if not fits.all():
        rule = "> 0" if open_below else (">= 0" if high == np.inf else "in [0, 1]")
        raise ValueError(f"{name} must be finite and {rule}, got {values[~fits][0]}")
