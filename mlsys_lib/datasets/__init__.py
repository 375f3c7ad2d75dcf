"""Data that ship with the packages of this course: nothing is downloaded."""

from mlsys_lib.datasets.digits import digits
from mlsys_lib.datasets.fashion_mnist import fashion_mnist
from mlsys_lib.datasets.patch_differences import patch_differences

__all__ = ["digits", "fashion_mnist", "patch_differences"]
