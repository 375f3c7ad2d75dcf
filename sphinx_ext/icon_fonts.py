"""Leave out half a megabyte of script: the theme brings its icons as fonts and as JavaScript.

The fonts are enough. The theme's templates name the script outright, so the tag is taken out of
the written pages.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

SCRIPT = re.compile(r'<script src="[^"]*/fontawesome/[^"]*/js/all\.min\.js[^"]*">\s*</script>')


def drop_icon_script(app: Sphinx, error: Exception | None) -> None:
    """Take the tag out of every page, and the script out of the site."""
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        if SCRIPT.search(html):
            page.write_text(SCRIPT.sub("", html), encoding="utf-8")
    for script in site.glob("_static/vendor/fontawesome/*/js/all.min.js*"):
        script.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    """Run when all pages are written."""
    app.connect("build-finished", drop_icon_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
