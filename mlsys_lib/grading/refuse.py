"""Two of nbgrader's own steps, refused: nbgrader_config.py names these exporters for them.

Formgrader has a button for each, and its autograder would run students' code outside of any
sandbox. An exporter is made before nbgrader deletes or writes anything.
"""

from typing import Any

from nbconvert.exporters import NotebookExporter
from nbgrader.converters.base import NbGraderException


class Autograde(NotebookExporter):
    """Refuses `nbgrader autograde`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NbGraderException("grade this course with `mlsys-grade grade`, in its sandbox")


class Feedback(NotebookExporter):
    """Refuses `nbgrader generate_feedback`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NbGraderException("nbgrader's feedback prints hidden tests: `mlsys-grade feedback`")
