import json
import re
from pathlib import Path

import pytest

import mlsys_lib
from mlsys_lib.grading.execute import grade_submission
from mlsys_lib.grading.similarity import GRAM, MAX_CHARACTERS, grams, known_code, similar
from tests.grading.fake_sandbox import FakeSandbox
from tests.grading.notebooks import CONTEXT, answer, answered, own, source, test_cell, write

RING = Path(mlsys_lib.__file__).with_name("collectives").joinpath("ring.py").read_text("utf-8")
STUB = "def ring_all_reduce(comm: Communicator, x: np.ndarray) -> np.ndarray:\n    pass\n"
KNOWN = known_code(["mlsys_lib.collectives"], {}, [STUB])
NAME = "mlsys_lib.collectives.ring._reduce_scatter"

INDEPENDENT = """
def ring_all_reduce(comm, x):
    p, me = comm.world_size, comm.rank
    pieces = [piece.copy() for piece in np.array_split(x.ravel(), p)]
    for s in range(p - 1):
        give, take = (me - s) % p, (me - s - 1) % p
        incoming = np.empty_like(pieces[take])
        comm.send_recv(pieces[give], incoming, dst=(me + 1) % p, src=(me - 1) % p)
        pieces[take] = pieces[take] + incoming
    for s in range(p - 1):
        give, take = (me + 1 - s) % p, (me - s) % p
        comm.send_recv(pieces[give], pieces[take], dst=(me + 1) % p, src=(me - 1) % p)
    return np.concatenate(pieces).reshape(x.shape)
"""


def shares(*code):
    return dict(similar(code, KNOWN))


def renamed(code):
    mine = r"(?<![.\w])(chunks|rank|world_size|right|left|inbox|step|send|mine|arrived|combine)\b"
    return re.sub(mine, lambda match: f"my_{match.group()}", code)


def without_comments_and_layout(code):
    code = re.sub(r'"""[\s\S]*?"""', '"""x"""', re.sub(r"#.*", "# other words", code))
    return code.replace("    ", "\t").replace(", ", ",\\\n ")


@pytest.mark.parametrize(
    "change",
    [
        lambda code: code,
        renamed,
        without_comments_and_layout,
        lambda code: f"exec({code!r})",
        lambda code: f"source = r'''{code.replace(chr(39), chr(34))}'''\nexec(source)",
        lambda code: f"exec({f'exec({code!r})'!r})",
        lambda code: "\n".join(f"x{i} = {i} + {i * i}" for i in range(500)) + code,
    ],
    ids=["pasted", "renamed", "restyled", "in a text", "in a raw text", "in two texts", "padded"],
)
def test_the_librarys_own_code_is_recognized(change):
    assert shares(change(RING))[NAME] >= 0.8


def test_an_independent_right_answer_is_not():
    assert shares(STUB, INDEPENDENT) == {}


def test_one_function_of_a_module_is_enough():
    text = RING[RING.index("def _reduce_scatter") : RING.index("def _all_gather")]
    assert set(shares(text)) == {NAME}


def test_what_students_were_given_counts_for_nothing():
    given = known_code(["mlsys_lib.collectives"], {"ring": RING}, [RING])
    assert "solution of ring" not in given and NAME not in given


def test_the_authors_solution_is_known_by_its_exercise():
    known = known_code([], {"ring": INDEPENDENT}, [STUB])
    assert similar([INDEPENDENT], known) == (("solution of ring", 1.0),)


def test_short_code_is_alike_by_chance_and_not_known():
    assert known_code([], {"double": "def double(x):\n    return 2 * x\n"}, []) == {}


def test_names_do_not_count_but_what_is_done_with_them_does():
    one = "total = 0\nfor x in values:\n    total += x * comm.rank - 3\n"
    assert grams(one) == grams(one.replace("total", "s").replace("values", "v"))
    for other in (one.replace("3", "4"), one.replace(".rank", ".size"), one.replace("total", "x")):
        assert not grams(other) <= grams(one)
    assert len(grams(one)) > 0 and grams("x = 1") == frozenset()


def test_unreadable_text_is_reported():
    blob = "QUJD" * 300
    assert similar([f"exec(unpack('{blob}'))"], {}) == (
        ("1,200 characters of unreadable text", 1.0),
    )
    assert similar(["words of a sentence, " * 100], {}) == ()


@pytest.mark.parametrize(
    "text", ["'", '"', "\\", "'\\", '"""', "r'", "a.", "(", ". ", "\\\n", "#", "'''\\", "é", "0x"]
)
def test_hostile_text_is_read_once_and_cut(text):
    many = text * (MAX_CHARACTERS // len(text))
    assert len(grams(many)) <= len(many)  # and it ends: each character is read once
    cut = (f"a cell of {10 * len(many):,} characters, not read to its end", 1.0)
    read = similar([(many * 10)[:MAX_CHARACTERS]], KNOWN)
    assert set(similar([many * 10], KNOWN)) == {*read, cut}


def test_what_stands_in_another_cell_hides_no_copy():
    filler = "# a comment\n" * MAX_CHARACTERS
    assert set(similar([RING], KNOWN)) <= set(similar([filler, RING], KNOWN))
    assert NAME in dict(similar([filler, RING], KNOWN))


def test_a_gram_is_shorter_than_any_function():
    assert all(len(gs) > GRAM for gs in KNOWN.values())


def test_a_verdict_says_what_an_answer_resembles_and_marks_it_all_the_same(tmp_path):
    task = answer("ring", f"{STUB}### BEGIN SOLUTION\n{INDEPENDENT}\n### END SOLUTION")
    using = source(task, test_cell("ring", "hidden", "assert ring == 1"))
    using.metadata.mlsys.withholds = ["mlsys_lib.collectives"]
    book = answered({"ring": f"carried = {RING!r}\nring = 1"}, using)
    found = grade_submission(write(tmp_path, book), using, CONTEXT, FakeSandbox)
    assert dict(found.similarity)[NAME] >= 0.8 and found.points == 2 and found.status == "graded"
    honest = answered({"ring": "ring = 1"}, using)
    honest["cells"].append(own("print(ring)"))
    path = write(tmp_path, json.dumps(honest))
    assert grade_submission(path, using, CONTEXT, FakeSandbox).similarity == ()
