"""A function's own source, shown in a chapter by name, so that text and library cannot differ."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

MAX_LINES = 40


class Source:
    """The source of functions or classes, with only the first line of each docstring.

    Parameters
    ----------
    *symbols : function or class
        Shown one under the other.

    Raises
    ------
    ValueError
        If that is more than 40 lines: too long to read in a chapter.
    """

    def __init__(self, *symbols: Callable[..., Any]) -> None:
        self.text = "\n\n".join(_short(symbol) for symbol in symbols)
        num_lines = self.text.count("\n") + 1
        if num_lines > MAX_LINES:
            raise ValueError(f"symbols must have at most {MAX_LINES} lines, got {num_lines}")

    def _repr_html_(self) -> str:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        from mlsys_lib.core.static_build import is_static_build

        # In the built page the theme colors the classes, in light and dark; a notebook has none.
        formatter = HtmlFormatter(noclasses=not is_static_build(), nobackground=True)
        return (
            f'<div class="highlight-python">{highlight(self.text, PythonLexer(), formatter)}</div>'
        )

    def __repr__(self) -> str:
        return self.text


def _short(symbol: Callable[..., Any]) -> str:
    """Return the source with each docstring cut to its first line."""
    source = textwrap.dedent(inspect.getsource(symbol))
    lines = source.rstrip().splitlines()
    nodes = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    for node in reversed([n for n in ast.walk(ast.parse(source)) if isinstance(n, nodes)]):
        first = node.body[0]
        if ast.get_docstring(node) and first.end_lineno != first.lineno:
            indent = " " * first.col_offset
            summary = (ast.get_docstring(node) or "").splitlines()[0]
            lines[first.lineno - 1 : first.end_lineno] = [f'{indent}"""{summary}"""']
    return "\n".join(lines)
