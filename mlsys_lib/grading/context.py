"""Who is being graded, and with which secret: what a test may ask of the grader that runs it.

In a learner's notebook there is no context, and `check` runs public tests only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from hmac import digest

import numpy as np


@dataclass(frozen=True)
class Context:
    """One submission under the grader.

    Attributes
    ----------
    assignment, student : str
        Names of the assignment and of the student.
    secret : bytes
        The course's secret; whoever does not have it can predict no hidden input.
    """

    assignment: str
    student: str
    secret: bytes

    def rng(self, label: str) -> np.random.Generator:
        """Return the generator of `label`: the same for the same secret, assignment, student."""
        name = "\0".join((self.assignment, self.student, label)).encode()
        return np.random.default_rng(list(digest(self.secret, name, sha256)))


_current: ContextVar[Context | None] = ContextVar("grading", default=None)


def current() -> Context | None:
    """Return the grader's context; None in a learner's own notebook."""
    return _current.get()


@contextmanager
def grading(context: Context) -> Iterator[None]:
    """Let the tests within know that they grade."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def secret_rng(label: str) -> np.random.Generator:
    """Return the generator from which a hidden test draws its inputs.

    Raises
    ------
    RuntimeError
        Outside of the grader: without the course's secret there are no hidden inputs.
    """
    context = current()
    if context is None:
        raise RuntimeError("secret_rng needs the grader: hidden tests run when a course is graded")
    return context.rng(label)
