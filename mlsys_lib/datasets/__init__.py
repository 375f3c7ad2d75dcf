"""Data that ship with the packages of this course: nothing is downloaded."""

from mlsys_lib.datasets.digits import digits

__all__ = ["digits"]
