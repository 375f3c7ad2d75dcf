"""A progress bar for a live reader; nothing at all in a built page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from mlsys_lib.core.static_build import is_static_build

Item = TypeVar("Item")


def progress(iterable: Iterable[Item], label: str) -> Iterable[Item]:
    """Iterate over `iterable`, showing how far it is to a reader who is there to see it.

    Parameters
    ----------
    iterable : iterable
        Returned as it is in a static build, so that the page keeps no trace of a bar.
    label : str
        What is being done, in a word or two.

    Returns
    -------
    iterable
        The same items in the same order. The bar disappears at the end.

    Raises
    ------
    TypeError
        If `label` is not a str: most often the two arguments were swapped.
    """
    if not isinstance(label, str):
        raise TypeError(f"label must be a str, got {type(label).__name__}")
    if is_static_build():
        return iterable
    from tqdm.auto import tqdm  # imported here: algorithms without a reader do not need it

    bar: Iterable[Item] = tqdm(iterable, desc=label, leave=False)
    return bar
