"""What can go wrong with a student's answer: a word for each, and the exception that carries it."""

from typing import Literal

Status = Literal[
    "graded",  # run, and its points are what the tests gave
    "needs_manual_grade",  # waits for a person; exported as pending
    "student_error",  # the student's code raised, or does not compile, or returned no plain data
    "timeout",  # stopped at its time limit
    "memory",  # stopped at its memory or disk limit
    "died",  # its process ended without an answer
    "invalid",  # the file cannot be graded; the reason is said
    "tampered",  # graded, after restoring cells or points that had been changed
]


class StudentFault(Exception):
    """The student's code failed; its words are the student's and must be escaped when shown.

    Parameters
    ----------
    status : Status
        `student_error`, `timeout`, `memory` or `died`.
    kind : str
        The name of the exception ("ValueError"), or the status.
    message : str
        What it said, cut to 2 000 characters.
    line : int, optional
        Line of the student's cell, from 1; None when it is not known to lie in a cell.
    cell : str
        Name of that cell.
    """

    def __init__(
        self, status: Status, kind: str, message: str, line: int | None = None, cell: str = ""
    ) -> None:
        super().__init__(f"{kind}: {message}" if message else kind)
        self.status: Status = status
        self.kind = kind
        self.message = message
        self.line = line
        self.cell = cell
