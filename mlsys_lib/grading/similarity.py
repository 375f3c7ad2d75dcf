"""Which known code an answer holds: the library's withheld modules, and the author's solutions.

Code becomes a stream of tokens without comments and layout. Every run of `GRAM` tokens is a gram.
In it each name is replaced by the place of its first occurrence, so renaming variables changes no
gram, while attributes, keywords, numbers and operators stay. A known function is *held* to the
share of its grams that occur anywhere in the submission, so padding does not hide it. Texts in
quotes are read as code as well: an answer may be carried in a string and given to `exec`.

Schleimer, Wilkerson and Aiken ("Winnowing: local algorithms for document fingerprinting", SIGMOD
2003, doi:10.1145/872757.872770) keep a selection of the grams. Here all are kept, since notebooks
are short. On the exercises of *Collectives*, right answers written independently held at most 0.2
of an algorithm, and 0.44 of a solution that is one formula; copies held 0.9 and more.

Similarity is a reason to look, and never a mark. It does not see through compression or a cipher;
of these only the long unreadable text shows.
"""

import ast
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import mlsys_lib

GRAM = 12
THRESHOLD = 0.6
MIN_GRAMS = 30  # shorter functions are alike by chance
MAX_CHARACTERS = 100_000  # of a cell; what is longer is said
OPAQUE_CHARACTERS = 500

# A text that is never closed ends with its line, or with the file: so each character is read once.
_TOKEN = re.compile(
    r"(?P<comment>\#[^\n]*)"
    r"|(?P<text>[A-Za-z]{0,2}(?:'''[\s\S]*?(?:'''|\Z)|\"\"\"[\s\S]*?(?:\"\"\"|\Z)"
    r"|'(?:[^'\\\n]|\\[\s\S])*'?|\"(?:[^\"\\\n]|\\[\s\S])*\"?))"
    r"|(?P<attribute>\.\s*[^\W\d]\w*)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<other>\d[\w.]*|\S)"
)
_UNREADABLE = re.compile(r"[\w+/=\\-]+")
_ESCAPE = re.compile(r"\\([\s\S])")


Known = Mapping[str, frozenset[int]]


def similar(code: Sequence[str], known: Known) -> tuple[tuple[str, float], ...]:
    """Return what `code` holds and which share of it, the largest share first.

    Parameters
    ----------
    code : sequence of str
        The code cells of a submission.
    known : mapping of str to frozenset of int
        Grams by name of what they are; see `known_code`.
    """
    text = "\n".join(cell[:MAX_CHARACTERS] for cell in code)
    held = grams(text)
    shares = ((name, len(gs & held) / len(gs)) for name, gs in known.items())
    found = [(name, round(share, 2)) for name, share in shares if share >= THRESHOLD]
    opaque = max((len(run) for run in _UNREADABLE.findall(text)), default=0)
    if opaque >= OPAQUE_CHARACTERS:
        found.append((f"{opaque:,} characters of unreadable text", 1.0))
    longest = max(map(len, code), default=0)
    if longest > MAX_CHARACTERS:
        found.append((f"a cell of {longest:,} characters, not read to its end", 1.0))
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def known_code(
    withheld: Iterable[str], solutions: Mapping[str, str], released: Iterable[str]
) -> dict[str, frozenset[int]]:
    """Return the grams of each function that an answer should not hold.

    Parameters
    ----------
    withheld : iterable of str
        Modules or packages of the library.
    solutions : mapping of str to str
        The author's, by exercise.
    released : iterable of str
        Code that students were given; it counts for nothing.
    """
    given = grams("\n".join(released))
    units = {f"solution of {name}": grams(text) for name, text in solutions.items()}
    for module in withheld:
        units |= _grams_of_module(module)
    return {name: gs - given for name, gs in units.items() if len(gs - given) >= MIN_GRAMS}


@lru_cache(maxsize=64)
def _grams_of_module(module: str) -> dict[str, frozenset[int]]:
    root = Path(mlsys_lib.__file__).parent
    place = root.joinpath(*module.split(".")[1:])
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    found = {}
    for file in files:
        text = file.read_text(encoding="utf-8")
        parts = file.relative_to(root).with_suffix("").parts
        name = ".".join(("mlsys_lib", *(part for part in parts if part != "__init__")))
        for node in ast.parse(text).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found[f"{name}.{node.name}"] = grams(ast.get_source_segment(text, node) or "")
    return found


def grams(code: str) -> frozenset[int]:
    """Return the grams of `code` and of the texts in it."""
    found: set[int] = set()
    for stream in _streams(code, 0):
        for start in range(len(stream) - GRAM + 1):
            found.add(_gram(stream[start : start + GRAM]))
    return frozenset(found)


def _gram(tokens: Sequence[str]) -> int:
    places: dict[str, str] = {}
    return hash(
        tuple(places.setdefault(t, f"{len(places)}?") if t[0] == "?" else t for t in tokens)
    )


def _streams(code: str, depth: int) -> Iterator[list[str]]:
    """Yield the tokens of `code`, names marked by "?", and then those of each text in it."""
    stream: list[str] = []
    texts: list[str] = []
    for match in _TOKEN.finditer(code):
        kind, token = match.lastgroup, match.group()
        if kind == "text":
            texts.append(token.strip("bBfFrRuU").strip("'\""))
            stream.append('""')
        elif kind == "name" and not keyword.iskeyword(token):
            stream.append(f"?{token}")
        elif kind != "comment" and token not in ("\\", ";"):  # layout as well
            stream.append("".join(token.split()))
    yield stream
    for text in texts if depth < 3 else ():
        yield from _streams(_ESCAPE.sub(_unescaped, text), depth + 1)


def _unescaped(match: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(match.group(1), match.group(1))
