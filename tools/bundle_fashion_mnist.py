"""Cut the bundled part of Fashion-MNIST out of Debian's package dataset-fashion-mnist.

Run once: `python tools/bundle_fashion_mnist.py /usr/share/datasets/fashion-mnist`. It takes the
first 300 training and 100 test images of each class, so that classes are equally frequent.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "mlsys_lib" / "datasets" / "fashion_mnist.npz"
NUM_CLASSES = 10


def read_part(folder: Path, name: str, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images of each class, in the order of the file, and their classes."""
    images = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())
    X = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
    y = np.frombuffer(labels, np.uint8, offset=8)
    firsts = [np.flatnonzero(y == c)[:per_class] for c in range(NUM_CLASSES)]
    rows = np.sort(np.concatenate(firsts))
    return X[rows], y[rows]


def main(folder: Path) -> None:
    """Write the file."""
    X_train, y_train = read_part(folder, "train", 300)
    X_test, y_test = read_part(folder, "t10k", 100)
    np.savez_compressed(TARGET, X_train=X_train, y_train=y_train, X_test=X_test, y_test=y_test)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
