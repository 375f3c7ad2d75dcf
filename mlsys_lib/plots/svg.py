"""A matplotlib figure becomes the SVG that the book ships: small, themed, one mark a line.

matplotlib's own SVG is right and large. Here it loses what a page does not need (the XML header,
the global style rule, ids that nothing refers to, the third decimal), its colors become CSS
variables so that the dark theme can change them, and it is cut so that each line is one mark: two
frames of a slider share most of their lines, and a page stores a shared line once.
"""

import io
import re
from functools import lru_cache

import matplotlib
from matplotlib.figure import Figure

from mlsys_lib.plots.style import INK, THEMES

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_ID = re.compile(r' id="([^"]*)"')
_TAG = re.compile(r"<[^>]*>")
_LONG_DECIMAL = re.compile(r"(-?\d+\.\d\d)\d+")
_ZEROS = re.compile(r"(?<=\d)\.0+(?=\D)|(?<=\.\d)0(?=\D)")
_COLOR = re.compile(r"#[0-9a-f]{6}\b")
_REFERENCE = re.compile(r"(?:url\(|href=\")#([\w.-]+)")
_BOOK_FONT = re.compile(r"font-family: 'DejaVu Sans'[^;\"]*;? ?")
_END_OF_MARK = re.compile(r"((?:/>|</text>|</defs>)(?:</\w+>)*)(?!$)")
_VARIABLES = {light: f"var(--mlsys-{name},{light})" for name, light, _ in THEMES}
_VARIABLES |= {INK: "currentColor", "#000000": "currentColor"}


def to_svg(figure: Figure, salt: str) -> str:
    """Draw a figure as themed SVG for use inside an HTML page.

    Parameters
    ----------
    figure : Figure
        Drawn as it stands; its size in inches fixes the aspect ratio, the page the width.
    salt : str
        Makes the ids in this SVG differ from those of other figures on the page.

    Returns
    -------
    str
        `<svg …>` to `</svg>`, one mark a line. Same figure and salt, same text.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    body = _body(buffer.getvalue())
    width, height = (f"{72 * inches:g}" for inches in figure.get_size_inches())
    root = (
        f'<svg viewBox="0 0 {width} {height}" style="--w:{width}" aria-hidden="true" '
        'fill="currentColor" stroke-linejoin="round" stroke-linecap="butt">'
    )
    return f"{root}\n{body}\n</svg>"


def _body(text: str) -> str:
    """Return what stands inside the root element, cleaned and cut into marks."""
    text = text[text.index("</defs>") + len("</defs>") : text.rindex("</svg>")]
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    referenced = set(_REFERENCE.findall(text))
    text = _TAG.sub(lambda tag: _clean_tag(_drop_id(tag[0], referenced)), text)
    text = re.sub(r">\s*\n\s*<", "><", text).strip()
    return _END_OF_MARK.sub(r"\1\n", text)


def _drop_id(tag: str, referenced: set[str]) -> str:
    return _ID.sub(lambda found: found[0] if found[1] in referenced else "", tag)


@lru_cache(maxsize=10_000)  # most tags of a frame were in the frame before
def _clean_tag(tag: str) -> str:
    """Shorten one tag; the text between tags is never touched."""
    if tag.startswith("</"):
        return tag
    tag = " ".join(tag.split()).replace(' "', '"').replace("xlink:href", "href")
    if "base64," in tag:  # an embedded picture: its data is not ours to edit
        return tag
    if not tag.startswith("<tspan"):  # a formula's letters are placed one by one, for this font
        tag = _BOOK_FONT.sub("", tag)
    tag = _ZEROS.sub("", _LONG_DECIMAL.sub(r"\1", tag))
    tag = re.sub(r" transform=\"rotate\(-0 [^)]*\)\"", "", tag)
    tag = re.sub(r' style="([^"]*)"', _short_style, tag)
    return _COLOR.sub(lambda color: _VARIABLES.get(color[0], color[0]), tag)


def _short_style(match: re.Match[str]) -> str:
    declarations = match[1].replace(": ", ":").replace("; ", ";").strip("; ")
    return f' style="{declarations}"' if declarations else ""
