"""What models mean for each client: losses, accuracies, and who gains and who pays for fairness."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_LEAST = 0.5
"""Points of accuracy; a smaller change is drawn as none."""


@dataclass(frozen=True)
class Outcome:
    """What one model means for each client.

    Attributes
    ----------
    losses : tuple of float
        F_i on what the clients trained on.
    accuracies : tuple of float
        On their test data, in percent.
    """

    losses: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean accuracy."""
        return float(np.mean(self.accuracies))

    @property
    def worst_tenth(self) -> float:
        """Mean accuracy of the tenth of the clients that have the least."""
        return float(np.mean(np.sort(self.accuracies)[: self._tenth]))

    @property
    def best_tenth(self) -> float:
        """Mean accuracy of the tenth of the clients that have the most."""
        return float(np.mean(np.sort(self.accuracies)[-self._tenth :]))

    @property
    def variance(self) -> float:
        """Variance of the accuracies, in squared points."""
        return float(np.var(self.accuracies))

    @property
    def loss_variance(self) -> float:
        """Variance of the losses."""
        return float(np.var(self.losses))

    @property
    def worst(self) -> np.ndarray:
        """Which clients are the worst tenth."""
        return np.argsort(self.accuracies, kind="stable")[: self._tenth]

    @property
    def _tenth(self) -> int:
        return max(1, round(len(self.accuracies) / 10))


@dataclass(frozen=True)
class Fairness:
    """The clients with every q, solved in one way, and the q that is looked at.

    Attributes
    ----------
    data, way, way_text, other_text : str
        Data set; how far one has solved, in words, and the other choice.
    q : float
    names : tuple of str
        Of the clients, in the order of their drawing.
    names_are : str
        What the names mean.
    order : tuple of int
        Which client is drawn where: from the least accuracy at the minimum for q = 0.
    outcomes : mapping of q to Outcome
    others : mapping of q to Outcome
        With the other choice.
    minimax : Outcome
        Where the largest loss is smallest, which is q = ∞.
    """

    data: str
    way: str
    way_text: str
    other_text: str
    q: float
    names: tuple[str, ...]
    names_are: str
    order: tuple[int, ...]
    outcomes: Mapping[float, Outcome]
    others: Mapping[float, Outcome]
    minimax: Outcome

    @property
    def ends_from(self) -> Outcome:
        """The minimum at q = 0, which the minimax is compared with."""
        return (self.outcomes if self.way == "minimum" else self.others)[0.0]

    @property
    def outcome(self) -> Outcome:
        """The clients with the q that is looked at."""
        return self.outcomes[self.q]

    @property
    def before(self) -> np.ndarray:
        """Accuracies at q = 0, as drawn from left to right."""
        return np.array(self.outcomes[0.0].accuracies)[list(self.order)]

    @property
    def now(self) -> np.ndarray:
        """Accuracies at this q, as drawn from left to right."""
        return np.array(self.outcome.accuracies)[list(self.order)]

    @property
    def moves(self) -> list[str]:
        """For each client "gains", "pays" or "as before", as drawn from left to right."""
        changes = self.now - self.before
        return [
            "as before" if abs(change) < _LEAST else "gains" if change > 0 else "pays"
            for change in changes
        ]

    @property
    def extremes(self) -> tuple[tuple[str, float, float], tuple[str, float, float]]:
        """Name, accuracy at q = 0 and now of the clients that gain most and pay most."""
        changes = self.now - self.before
        most, least = (
            (self.names[i], float(self.before[i]), float(self.now[i]))
            for i in (int(changes.argmax()), int(changes.argmin()))
        )
        return most, least
