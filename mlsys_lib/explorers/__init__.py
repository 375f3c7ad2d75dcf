"""Sliders that work on paper too: declared once, shown in the built page and under a kernel."""

from mlsys_lib.explorers.control import Control
from mlsys_lib.explorers.explorer import Explorer
from mlsys_lib.explorers.picture import Picture
from mlsys_lib.explorers.source import Source
from mlsys_lib.explorers.table import Table

__all__ = ["Control", "Explorer", "Picture", "Source", "Table"]
