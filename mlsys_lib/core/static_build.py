"""Whether this code runs for a printed page (a built book) or for a live reader."""

from __future__ import annotations

import os

VARIABLE = "MLSYS_STATIC"


def is_static_build() -> bool:
    """Return True while the book is being built, when no kernel will answer a slider later.

    Examples
    --------
    >>> is_static_build()
    False
    """
    return os.environ.get(VARIABLE) == "1"
