"""Wide tables: differences between patches of an image, as many as one likes.

Pairs of patches are the features of Viola & Jones, "Rapid object detection using a boosted cascade
of simple features", CVPR 2001, doi:10.1109/CVPR.2001.990517; theirs are adjacent, ours anywhere.
A few hundred images become a table of thousands of columns, many more than it has rows.
"""

import numpy as np

_SIDE = 28


def patch_differences(X: np.ndarray, num_features: int, seed: int = 0) -> np.ndarray:
    """Return how much brighter one patch of an image is than another, for many pairs of patches.

    Parameters
    ----------
    X : ndarray of shape (n, 784)
    num_features : int
    seed : int
        Of the corners and sizes of the patches, 2 to 9 pixels a side.

    Returns
    -------
    ndarray of shape (n, num_features), float64
        Differences of mean brightness.
    """
    rng = np.random.default_rng(seed)
    sums = np.zeros((len(X), _SIDE + 1, _SIDE + 1))  # of all pixels above and to the left
    sums[:, 1:, 1:] = X.reshape(-1, _SIDE, _SIDE).cumsum(axis=1, dtype=float).cumsum(axis=2)
    brightness = []
    for _ in range(2):
        height, width = rng.integers(2, 10, (2, num_features))
        top, left = rng.integers(0, _SIDE + 1 - height), rng.integers(0, _SIDE + 1 - width)
        bottom, right = top + height, left + width
        total = sums[:, bottom, right] - sums[:, top, right]
        total += sums[:, top, left] - sums[:, bottom, left]
        brightness.append(total / (height * width))
    return np.asarray(brightness[0] - brightness[1])
