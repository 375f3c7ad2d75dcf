"""Clothes, 28 by 28 pixels: a part of Fashion-MNIST that is bundled with this library.

Xiao, Rasul & Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
algorithms", 2017, arXiv:1708.07747. Copyright 2017 Zalando SE, MIT License; its text is beside this
file. The part holds the first 300 training and 100 test images of each class.
"""

from pathlib import Path

import numpy as np

_FOLDER = Path(__file__).parent
CLASSES = (
    "T-shirt", "trousers", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


def fashion_mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return images and what they show, to train on and to test on.

    Returns
    -------
    X_train : ndarray of shape (3000, 784), uint8
        Brightness of each pixel, 0 to 255, row by row.
    y_train : ndarray of shape (3000,), int64
        An index into `CLASSES`.
    X_test, y_test : ndarrays of shapes (1000, 784) and (1000,)

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = fashion_mnist()
    >>> X_train.shape, X_test.shape, CLASSES[y_train[0]]
    ((3000, 784), (1000, 784), 'ankle boot')
    """
    with np.load(_FOLDER / "fashion_mnist.npz") as file:
        return (
            file["X_train"].reshape(-1, 784),
            file["y_train"].astype(np.int64),
            file["X_test"].reshape(-1, 784),
            file["y_test"].astype(np.int64),
        )
