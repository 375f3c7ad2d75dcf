"""Numbers of a student's own: two students' differ, and anybody can work out either's.

A notebook says ``STUDENT = "ada"`` and draws from ``variant(STUDENT, "read_a_timeline")``; the
grader draws from the same generator, with the name under which the answer was handed in.
"""

from hashlib import sha256

import numpy as np


def variant(student: str, label: str) -> np.random.Generator:
    """Return the generator from which the numbers of `label` are drawn for `student`.

    Parameters
    ----------
    student : str
        The id under which the student hands in. Spaces around it and its case do not count.
    label : str
        What the numbers are for, most often the exercise's name.

    Raises
    ------
    TypeError, ValueError
        If one of the two is not a str, or is empty.

    Examples
    --------
    >>> variant("ada", "dice").integers(1, 7, 5).tolist()
    [4, 4, 3, 2, 3]
    >>> variant("grace", "dice").integers(1, 7, 5).tolist()
    [6, 4, 5, 1, 2]
    """
    for name, value in (("student", student), ("label", label)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a str, got {type(value).__name__}")
        if not value.strip():
            raise ValueError(f"{name} must not be empty, got {value!r}")
    seed = "\0".join((same_student(student), label)).encode()
    return np.random.default_rng(list(sha256(seed).digest()))


def same_student(student: str) -> str:
    """Return the id as it counts: two spellings of one id give the same."""
    return student.strip().casefold()
