"""Tell the kernels that execute the book that no live kernel will stand behind its sliders."""

import os

from sphinx.application import Sphinx

from mlsys_lib.core.static_build import VARIABLE


def setup(app: Sphinx) -> dict[str, bool]:
    """Set the variable before any notebook runs; kernels inherit it."""
    os.environ[VARIABLE] = "1"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
