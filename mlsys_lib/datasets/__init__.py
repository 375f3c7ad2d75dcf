"""Data that ship with the packages of this course: nothing is downloaded."""

from mlsys_lib.datasets.digits import digits
from mlsys_lib.datasets.fashion_mnist import fashion_mnist
from mlsys_lib.datasets.mails import Mails, mails, tf_idf_rows
from mlsys_lib.datasets.patch_differences import patch_differences

__all__ = ["Mails", "digits", "fashion_mnist", "mails", "patch_differences", "tf_idf_rows"]
