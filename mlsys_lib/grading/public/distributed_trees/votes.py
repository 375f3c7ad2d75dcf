"""Voting parallel trees: which features are worth histograms of all ranks' rows.

Meng, Ke, Wang, Chen, Ye, Ma & Liu, "A communication-efficient parallel algorithm for decision
tree", NeurIPS 2016, arXiv:1611.01276: each rank votes for its k best features, and the 2k with most
votes are elected. How ties are decided is ours.
"""

from collections.abc import Sequence

import numpy as np


def elected(gains: Sequence[np.ndarray], top_k: int) -> np.ndarray:
    """Return the elected features, rising, int64.

    Parameters
    ----------
    gains : sequence of ndarray of shape (d,)
        What the best split by each feature gains among each rank's rows; -inf where none does.
    top_k : int
        Votes of a rank; its lowest features come first where gains are equal.
    """
    votes: dict[int, int] = {}
    for own in gains:
        for feature in ballot(own, top_k):
            votes[feature] = votes.get(feature, 0) + 1
    by_votes = sorted(votes, key=lambda feature: (-votes[feature], feature))
    return np.array(sorted(by_votes[: 2 * top_k]), np.int64)


def ballot(gains: np.ndarray, top_k: int) -> list[int]:
    """Return the features that a rank votes for, the best first."""
    ranked = sorted(range(len(gains)), key=lambda feature: (-gains[feature], feature))
    return [feature for feature in ranked if gains[feature] > -np.inf][:top_k]


def draw_gains(rng: np.random.Generator, world_size: int, num_features: int) -> list[np.ndarray]:
    """Draw each rank's gains: many are equal, some are -inf, and rank 0's dwarf the others'.

    Of several ranks the last has no split at all.
    """
    gains = []
    for rank in range(world_size):
        own = rng.integers(1, 6, num_features).astype(np.float64)
        own[rng.random(num_features) < 0.3] = -np.inf
        gains.append(own * (1000 if rank == 0 else 1))
    if world_size > 1:
        gains[-1][:] = -np.inf
    return gains
