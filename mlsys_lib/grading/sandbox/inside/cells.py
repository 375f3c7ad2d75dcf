"""Students' cells: run in one namespace, as a notebook runs them, and what went wrong in them."""

import builtins
import errno
import linecache
import re
import sys
import types
from types import TracebackType
from typing import Any

PREFIX = "<cell "
"""How the file name of a student's code begins: ``<cell NAME>``."""

_MESSAGE = 2000
_NOTEBOOK_LINE = re.compile(r"^([ \t]*)(?:[%!?].*|.*\S\?{1,2}[ \t]*)$", re.MULTILINE)
_OUT_OF_SPACE = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_compile, _exec, _str, _type = compile, exec, str, type  # before a student replaces them


class _Notebook:
    """What `get_ipython` gives: it takes every call, and does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def new_namespace() -> dict[str, Any]:
    """Return an empty ``__main__``, with builtins of its own.

    Who replaces `builtins.len` replaces it for students' cells; the worker keeps Python's.
    """
    own = types.ModuleType("builtins")
    own.__dict__.update(vars(builtins))
    main = types.ModuleType("__main__")
    notebook = _Notebook()
    main.__dict__.update(
        __builtins__=own,
        display=lambda *values, **options: print(*values),
        get_ipython=lambda: notebook,
    )
    sys.modules["builtins"] = own
    sys.modules["__main__"] = main
    return main.__dict__


def run(source: str, name: str, namespace: dict[str, Any]) -> None:
    """Run a cell; whatever it raises passes through."""
    filename = f"{PREFIX}{name}>"
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)  # for inspect.getsource
    _exec(_compiled(source, filename), namespace)


def _compiled(source: str, filename: str) -> types.CodeType:
    """Compile; where that fails, again without the lines that only a notebook understands."""
    try:
        return _compile(source, filename, "exec", dont_inherit=True)
    except SyntaxError:
        plain = _NOTEBOOK_LINE.sub(r"\1pass", source)  # it may be all that an `if` has
        if plain == source:
            raise
    try:
        return _compile(plain, filename, "exec", dont_inherit=True)
    except SyntaxError:
        pass
    return _compile(source, filename, "exec", dont_inherit=True)  # the student's own error


def fault_of(error: BaseException) -> tuple[str, str, str, int | None, str]:
    """Return status, kind, message, line and cell of what a student's code raised."""
    line, cell = _where(error)
    kind = _str(_type.__dict__["__name__"].__get__(_type(error)))[:100]
    message = _message(error)
    lacks = isinstance(error, MemoryError) or "DefaultCPUAllocator: " in message
    if lacks or (isinstance(error, OSError) and error.errno in _OUT_OF_SPACE):
        return "memory", kind, message, line, cell
    return "student_error", kind, message, line, cell


def _message(error: BaseException) -> str:
    try:
        text = error.msg if isinstance(error, SyntaxError) else _str(error)
        return _str(text)[:_MESSAGE].encode("utf-8", "backslashreplace").decode()
    except BaseException as another:
        return f"(its message cannot be shown: {_type(another).__name__})"


def _where(error: BaseException) -> tuple[int | None, str]:
    """Return the line of the deepest frame that lies in a student's cell, and the cell's name."""
    line, filename = None, ""
    step: TracebackType | None = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if name.startswith(PREFIX):
            line, filename = step.tb_lineno, name
        step = step.tb_next
    if isinstance(error, SyntaxError) and _str(error.filename).startswith(PREFIX):
        line, filename = error.lineno, _str(error.filename)
    return line, filename[len(PREFIX) : -1]
