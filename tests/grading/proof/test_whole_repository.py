"""Cases 23 and 24: who knows the whole public repository, and carries it along, gains nothing."""

import json
from functools import partial
from pathlib import Path

import nbformat
import pytest

from mlsys_lib.grading.authoring import released_notebook
from mlsys_lib.grading.context import Context
from mlsys_lib.grading.execute import grade_submission
from mlsys_lib.grading.sandbox import Sandbox
from tests.grading.notebooks import CONTEXT, SECRET, cell_of, good, own, write
from tests.grading.proof.conftest import LIMITS
from tests.grading.proof.looks import hidden_numbers, printed, question

ROOT = Path(__file__).resolve().parents[3]
RING = ROOT.joinpath("mlsys_lib", "collectives", "ring.py").read_text(encoding="utf-8")
IMPORTS = [
    "from mlsys_lib.collectives import ring_all_reduce",
    "from mlsys_lib.collectives.ring import ring_all_reduce",
    "import importlib\nimportlib.import_module('mlsys_lib.collectives').ring_all_reduce",
    "import runpy\nrunpy.run_module('mlsys_lib.collectives.ring')",
    "import sys, mlsys_lib\nsys.modules.pop('mlsys_lib.collectives', None)\n"
    "from mlsys_lib.collectives.ring import ring_all_reduce",
    "from mlsys_lib.grading.public.collectives import sums",
    "import mlsys_lib.catalog",
]
SEARCH = """
import json, os, sys
def found():
    for folder, folders, files in os.walk("/"):
        if folder.startswith(("/proc", "/sys", sys.base_prefix, "/usr", "/lib/")):
            folders.clear()
        for name in files:
            path = os.path.join(folder, name)
            if "mlsys" in path:
                yield path, os.path.getsize(path)
print(json.dumps(dict(found())))
def double(x):
    return 2 * x
"""


@pytest.fixture
def grade_ring(tmp_path, filtered_library, sandbox_user):
    """Grade the exercise ring_all_reduce of the book, all other cells as released."""
    using = nbformat.read(ROOT / "exercises" / "collectives" / "collectives.ipynb", as_version=4)
    factory = partial(Sandbox, filtered_library, limits=LIMITS, user=sandbox_user)

    def grade(text: str):
        book = released_notebook(using)
        cell_of(book, "ring_all_reduce")["source"] = text
        context = Context("collectives", "ada", SECRET)
        return grade_submission(write(tmp_path, book), using, context, factory)

    return grade


def ring_points(verdict):
    return sum(q.points for q in verdict.questions if q.exercise == "ring_all_reduce")


@pytest.mark.parametrize("text", IMPORTS)
def test_the_withheld_answer_cannot_be_imported(grade, text):
    book = good()
    book["cells"].append(own(text))
    found = grade(book)
    assert "cell 10 raised ImportError" in found.reason or (
        "cell 10 raised ModuleNotFoundError" in found.reason
    )


def test_an_answer_that_imports_it_is_told_why_it_is_not_there(grade_ring):
    found = grade_ring("from mlsys_lib.collectives import ring_all_reduce")
    assert ring_points(found) == 0 and found.status == "student_error"
    error = cell_of(found.notebook, "ring_all_reduce")["outputs"][0]
    assert "mlsys_lib.collectives" in error["evalue"] and "withheld" in error["evalue"]


def test_the_files_of_the_answer_are_not_in_the_sandbox(grade):
    found = grade(good(double=SEARCH))
    sizes = json.loads(printed(found, "double"))
    words = ("exercises", "gradebook", "verdict", "public", "submi", "secret", "solution")
    assert len(sizes) > 20 and not [p for p in sizes if any(word in p for word in words)]
    # What is left of the withheld package is the line that says so.
    left = {path: size for path, size in sizes.items() if "collectives" in path}
    assert left and all(size < 1_000 for size in left.values()), left
    assert not [path for path in left if "ring" in path]


CARRIED = {
    "pasted": "from itertools import pairwise\n{code}",
    "in a text": "exec({text!r})",
    "in a module made by hand": """
import sys, types
carried = sys.modules["carried"] = types.ModuleType("carried")
exec({text!r}, vars(carried))
from carried import ring_all_reduce
""",
}
HELPERS = """
import numpy as np
def split(flat, n):
    return np.array_split(flat, n)
def combine_for(op, dtype):
    return np.add
def finish(op, x, n):
    return x
"""


@pytest.mark.parametrize("how", CARRIED)
def test_what_an_answer_carries_is_judged_as_its_own_and_flagged(grade_ring, how):
    code = RING.replace("from mlsys_lib.collectives.chunks import split\n", HELPERS)
    code = code.replace("from mlsys_lib.collectives.reduction import combine_for, finish\n", "")
    found = grade_ring(CARRIED[how].format(code=code, text=code))
    assert ring_points(found) == 7
    shares = dict(found.similarity)
    assert shares["mlsys_lib.collectives.ring._reduce_scatter"] >= 0.8


def test_the_authors_solution_is_flagged_too(grade_ring):
    using = nbformat.read(ROOT / "exercises" / "collectives" / "collectives.ipynb", as_version=4)
    found = grade_ring(cell_of(using, "ring_all_reduce").source)
    assert ring_points(found) == 7
    assert ("solution of ring_all_reduce", 1.0) in found.similarity


# -- case 24 --------------------------------------------------------------------------------------
GUESSES = [
    b"",
    b"\0" * 32,
    b"secret",
    b"sums",
    bytes(range(1, 33)),
    SECRET[:-1],
    SECRET.hex().encode(),
]


def test_without_the_secret_no_hidden_input_can_be_predicted():
    """The formula is public; label, student and assignment are known."""
    mine = set(hidden_numbers())
    for secret in GUESSES:
        assert not mine & set(hidden_numbers(Context("sums", "ada", secret)))


def test_another_student_or_assignment_has_other_hidden_inputs():
    mine = set(hidden_numbers())
    for context in (Context("sums", "bob", SECRET), Context("other", "ada", SECRET)):
        assert not mine & set(hidden_numbers(context))


def test_names_that_are_cut_in_another_place_give_other_inputs():
    one = Context("a", "bc", SECRET).rng("d").integers(10**18)
    other = Context("ab", "c", SECRET).rng("d").integers(10**18)
    assert one != other


def test_a_student_who_predicts_with_the_public_formula_predicts_wrongly(grade):
    predict = """
import hmac, hashlib
import numpy as np
def draw(secret, student, assignment="sums", label="double"):
    name = "\\0".join((assignment, student, label)).encode()
    rng = np.random.default_rng(list(hmac.digest(secret, name, hashlib.sha256)))
    return rng.integers(1_000_000, 9_000_000, size=3).tolist()
known = {3: 6}
for secret in (b"", b"secret", bytes(32)):
    for student in ("ada", "student", ""):
        known.update((n, 2 * n) for n in draw(secret, student))
def double(x):
    return known.get(x, 0)
"""
    found = grade(good(double=predict))
    assert question(found, "double_public").points == 1
    assert question(found, "double_hidden").points == 0


def test_the_formula_of_that_student_is_the_right_one():
    """Else the test before would prove nothing."""
    import hmac
    from hashlib import sha256

    import numpy as np

    name = b"sums\0ada\0double"
    rng = np.random.default_rng(list(hmac.digest(SECRET, name, sha256)))
    drawn = rng.integers(1_000_000, 9_000_000, size=3).tolist()
    assert [str(n) for n in drawn] == hidden_numbers(CONTEXT)[::3]


def test_inside_nothing_draws_with_the_secret(grade):
    book = good()
    book["cells"].append(own("from mlsys_lib.grading import secret_rng\nsecret_rng('double')"))
    found = grade(book)
    assert found.status == "student_error" and "cell 10 raised" in found.reason
