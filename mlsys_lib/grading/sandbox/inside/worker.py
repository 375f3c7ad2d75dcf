"""A worker: it runs a student's cells and calls the student's functions, as it is asked.

What a student can do to this interpreter (replace `sys.stdout`, exit, fork, leave threads, patch
any module) must at most spoil the student's own answer. So functions that are needed later are
taken now, and nothing is looked up in a module that a cell may have changed.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy import ndarray

from mlsys_lib.grading.plain import NotPlainError
from mlsys_lib.grading.sandbox.inside import cells
from mlsys_lib.grading.sandbox.inside.channel import Channel

if TYPE_CHECKING:
    from mlsys_lib.grading.sandbox.inside.ranks import Call

_RECURSION = 1000
_set_recursion_limit, _set_trace, _set_profile = sys.setrecursionlimit, sys.settrace, sys.setprofile
_ALLOWED = (
    "None, bool, int, float, str, list, tuple, dict with str or int keys, and NumPy arrays and "
    "scalars of numbers"
)
Answer = tuple[Any, ...]


class Worker:
    """Answers the grader's requests.

    Parameters
    ----------
    fd : int
        The worker's socket.
    """

    def __init__(self, fd: int) -> None:
        self._channel = Channel(fd)
        self._stdout = open(
            1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = self._stdout  # type: ignore[misc]
        self._namespace = cells.new_namespace()
        self._subject = ""  # of the sentence that refuses an answer
        self._answers: dict[str, Callable[..., Answer]] = {
            "cell": self._cell,
            "again": self._again,
            "value": self._value,
            "call": self._call,
            "rank": self._rank,
            "gloo": self._gloo,
        }

    def serve(self) -> None:
        """Answer one request after the other; ends with the process."""
        while True:
            (kind, *details), arrays = self._channel.receive()
            answer, error = _attempt(self._answers[kind], *details, arrays)
            if error is not None:
                answer = ("fault", *cells.fault_of(error))
            self._flush()
            self._send(answer)

    def _flush(self) -> None:
        try:
            self._stdout.flush()
        except (ValueError, OSError):  # the student has closed it
            self._stdout = sys.stdout = open(1, "w", buffering=1, closefd=False)

    def _send(self, answer: Answer) -> None:
        try:
            self._channel.answer(answer)
        except NotPlainError as error:
            words = f"{self._subject} {error}, which is not plain data ({_ALLOWED})"
            self._channel.answer(("fault", "student_error", "TypeError", words, None, ""))

    # -- requests ----------------------------------------------------------------------------------
    def _cell(self, source: str, name: str, arrays: list[ndarray]) -> Answer:
        cells.run(source, name, self._namespace)
        return ("done",)

    def _again(self, ended: tuple[tuple[str, str], ...], arrays: list[ndarray]) -> Answer:
        """Run cells that have ended elsewhere, be it with an error; lack of memory is a new one."""
        for source, name in ended:
            _, error = _attempt(cells.run, source, name, self._namespace)
            if error is not None and cells.fault_of(error)[0] == "memory":
                raise error
        return ("done",)

    def _value(self, name: str, arrays: list[ndarray]) -> Answer:
        value = self._find(name)
        self._subject = f"{name} is"
        return ("function",) if callable(value) else ("plain", value)

    def _call(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], arrays: list[ndarray]
    ) -> Answer:
        return self._called(name, arrays, lambda function: function(*args, **kwargs))

    def _rank(
        self, name: str, rank: int, world_size: int, call: "Call", arrays: list[ndarray]
    ) -> Answer:
        from mlsys_lib.grading.sandbox.inside.ranks import run_simulated

        return self._called(
            name, arrays, lambda f: run_simulated(f, self._channel, rank, world_size, call)
        )

    def _gloo(self, name: str, *where: Any) -> Answer:
        from mlsys_lib.grading.sandbox.inside.ranks import run_on_gloo

        return self._called(name, where[-1], lambda f: run_on_gloo(f, *where[:-1]))

    def _called(
        self, name: str, arrays: list[ndarray], run: Callable[[Callable[..., Any]], Any]
    ) -> Answer:
        """Return a function's result, and the arrays of its arguments that it changed."""
        function = self._find(name)
        self._subject = f"{name} returned"
        before = [_state(array) for array in arrays]
        result = run(function)
        pairs = enumerate(zip(arrays, before, strict=True))
        changed = tuple((i, array) for i, (array, was) in pairs if _state(array) != was)
        return ("result", result, changed)

    def _find(self, name: str) -> Any:
        if name not in self._namespace:
            raise NameError(f"name {name!r} is not defined")
        return self._namespace[name]


def _attempt(function: Callable[..., Any], *args: Any) -> tuple[Any, BaseException | None]:
    """Return what a function of the student's returned or raised, the interpreter as it was."""
    result, error = None, None
    try:
        result = function(*args)
    except BaseException as raised:
        error = raised
    _set_trace(None)  # here, before any call that it would trace
    _set_profile(None)
    _set_recursion_limit(_RECURSION)
    return result, error


def _state(array: ndarray) -> tuple[Any, ...]:
    """Return what tells whether an array has changed; bytes compare fastest, and cannot lie."""
    return array.shape, array.dtype, array.tobytes()
