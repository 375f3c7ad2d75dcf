"""Offer Binder, Colab and JupyterHub on notebooks only.

The theme also offers them on a Markdown page with code cells, where they would open raw text.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

LAST = 1000  # after the theme has added its buttons


def drop_launch_buttons(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Take the launch buttons away from a page whose source is no `.ipynb`."""
    if context.get("page_source_suffix") != ".ipynb":
        buttons = context.get("header_buttons", [])
        buttons[:] = [button for button in buttons if button.get("label") != "launch-buttons"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Run after the theme."""
    app.connect("html-page-context", drop_launch_buttons, priority=LAST)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
