"""Sliders that work on paper too: declared once, shown in the built page and under a kernel."""

from mlsys_lib.explorers.control import Control
from mlsys_lib.explorers.explorer import Explorer
from mlsys_lib.explorers.picture import Picture

__all__ = ["Control", "Explorer", "Picture"]
