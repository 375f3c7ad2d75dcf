r"""A student's words, made harmless before anybody shows them.

`plain_text` is for what a program printed or raised: no terminal's control sequence survives it.
`inert_markdown` is for text cells, which the instructor's pages render: nbconvert passes raw HTML
and ``javascript:`` links on, and MathJax follows ``\href``. It slips an invisible space into
whatever could start one of these, so the words stay readable, formulas too, and nothing acts.
Escaping for HTML is still up to whoever writes HTML.

>>> plain_text("\x1b[31mred\x1b[0m alert\x07", limit=100)
'red alert'
>>> inert_markdown("<b>").encode("ascii", "backslashreplace")
b'<\\u200bb>'
"""

import re

INVISIBLE = "\N{ZERO WIDTH SPACE}"

# Sequences of ECMA-48: CSI, then strings (titles, links), then the rest of two characters.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]{0,8}[0-~]"
)
# Controls, all but newline and tab; halves of surrogate pairs; and the marks that turn text
# around, with which code can be shown in another order than it runs ("Trojan source").
_DROPPED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)

_ACTS = re.compile(
    r"(?:"
    r"<(?=[A-Za-z/!?])"  # an HTML tag, a comment, or <scheme:link>
    r"|&(?=[A-Za-z#])"  # an HTML entity, which could spell any of the others
    r"|\](?=[(:\[])"  # the middle of [text](link), ![text](picture), [text]: link
    r"|\\(?=href|url|require|class|cssId|style|unicode|data|attr|html|mmlToken)"  # MathJax
    r"|mer(?=maid)"  # a diagram drawn by a script
    r")",
    re.IGNORECASE,
)


def plain_text(text: str, limit: int) -> str:
    """Return `text` without control characters, cut after `limit` characters, which it says."""
    # What is dropped may hide what is kept, so the cut comes last; a bound on the work first.
    whole = _ANSI.sub("", text[: 4 * limit].replace("\r\n", "\n").replace("\r", "\n"))
    clean = _DROPPED.sub("", whole)
    if len(clean) > limit or len(text) > 4 * limit:
        return clean[:limit] + f"\n… cut at {limit:,} characters"
    return clean


def inert_markdown(text: str) -> str:
    """Return Markdown that looks like `text` and holds no HTML, link, picture or script."""
    return _ACTS.sub(lambda found: found.group() + INVISIBLE, _DROPPED.sub("", text))
