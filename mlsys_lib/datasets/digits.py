"""Handwritten digits, 8 by 8 pixels, as they ship with scikit-learn.

Alpaydin & Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning Repository,
1998, doi:10.24432/C50P49; scikit-learn holds its test part.
"""

import numpy as np


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the images and what they show.

    Returns
    -------
    X : ndarray of shape (1797, 64), float64
        Brightness of each pixel, 0 (paper) to 1 (ink).
    y : ndarray of shape (1797,), int64
        The digit, 0 … 9.

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn is not installed.

    Examples
    --------
    >>> X, y = digits()
    >>> X.shape, y[:4]
    ((1797, 64), array([0, 1, 2, 3]))
    """
    from sklearn.datasets import load_digits  # imported here: it takes longer than the course

    X, y = load_digits(return_X_y=True)
    return np.asarray(X, dtype=np.float64) / 16.0, np.asarray(y, dtype=np.int64)
