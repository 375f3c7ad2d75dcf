"""Case 16: objects that lie are not plain data, and what is plain is compared by its values."""

import pytest

from tests.grading.notebooks import DOUBLE_PUBLIC, TOTAL, answer, answered, good, source, test_cell
from tests.grading.proof.looks import NO_DOUBLE, points, question

LIE = """
class {name}({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __reduce__(self): return (print, ("unpickled",))
    def __array_function__(self, *a): return True
    def __array_ufunc__(self, *a, **k): return True
    def __array__(self, *a, **k): raise SystemExit
    @property
    def __class__(self): return int
def double(x):
    return {value}
"""


def lie(base="", value="Liar()"):
    return LIE.format(name="Liar", base=base, value=value)


NOT_PLAIN = {
    "equal to everything": lie(),
    "a number that is equal to everything": lie("int", "Liar(7)"),
    "a float that is equal to everything": lie("float", "Liar(7)"),
    "a text that is equal to everything": lie("str", "Liar(7)"),
    "a list that is equal to everything": lie("list", "Liar([7])"),
    "a dict that is equal to everything": lie("dict", "Liar(a=7)"),
    "a tuple that is equal to everything": lie("tuple", "Liar((7,))"),
    "a liar in a list": lie(value="[1, [2, Liar()]]"),
    "a liar as a key": lie(value="{Liar(): 1}"),
    "an array of objects": """
import numpy as np
def double(x):
    return np.array([2 * x, None], dtype=object)
""",
    "an array of its own class": """
import numpy as np
class Liar(np.ndarray):
    def __array_function__(self, *a): return True
    def __array_ufunc__(self, *a, **k): return True
    def __eq__(self, other): return np.array(True)
def double(x):
    return np.zeros(1).view(Liar)
""",
    "a masked array": "import numpy as np\ndef double(x):\n    return np.ma.masked_all(3)\n",
    "a record": "import numpy as np\ndef double(x):\n    return np.zeros(1, [('a', int)])\n",
    "a date": "import numpy as np\ndef double(x):\n    return np.array(['2020'], 'M8[D]')\n",
    "a list in itself": "def double(x):\n    x = []\n    x.append(x)\n    return x\n",
    "a dict in itself": "def double(x):\n    x = {}\n    x['x'] = x\n    return x\n",
    "a list a million deep": """
def double(x):
    for _ in range(10**6):
        x = [x]
    return x
""",
    "a number of a million digits": "def double(x):\n    return 1 << 4_000_000\n",
    "a generator": "def double(x):\n    return (i for i in [2 * x])\n",
    "a function": "def double(x):\n    return lambda: 2 * x\n",
    "a class": "def double(x):\n    return int\n",
    "a module": "import os\ndef double(x):\n    return os\n",
    "an exception": "def double(x):\n    return ValueError(2 * x)\n",
    "a set": "def double(x):\n    return {2 * x}\n",
    "a named tuple": """
from collections import namedtuple
def double(x):
    return namedtuple("T", "a")(2 * x)
""",
    "an enumeration": """
import enum
class E(enum.IntEnum):
    SIX = 6
def double(x):
    return E.SIX
""",
    "half a character": "def double(x):\n    return '\\ud800'\n",
    "a list of ten million": "def double(x):\n    return [0] * 10**7\n",
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_is_not_plain_data_is_the_students_error(grade, name):
    found = grade(good(double=NOT_PLAIN[name]))
    assert points(found) == NO_DOUBLE and found.notes == ()
    public, hidden = question(found, "double_public"), question(found, "double_hidden")
    assert public.status == hidden.status == "student_error", (public, hidden)
    assert "plain data" in public.message, public.message


PLAIN_BUT_WRONG = {
    "not a number": "def double(x):\n    return float('nan')\n",
    "infinite": "def double(x):\n    return float('inf')\n",
    "true": "def double(x):\n    return True\n",
    "a text": "def double(x):\n    return str(2 * x)\n",
    "a float": "def double(x):\n    return 2.0 * x\n",
    "a list": "def double(x):\n    return [2 * x]\n",
    "an empty list": "def double(x):\n    return []\n",
    "an empty array": "import numpy as np\ndef double(x):\n    return np.zeros(0)\n",
    "an array of true": "import numpy as np\ndef double(x):\n    return np.ones(9, bool)\n",
    "an array of nan": "import numpy as np\ndef double(x):\n    return np.full(3, np.nan)\n",
    "a huge array": "import numpy as np\ndef double(x):\n    return np.zeros(10**6)\n",
    "none": "def double(x):\n    return None\n",
    "a large number": "def double(x):\n    return 10**30\n",
}


@pytest.mark.parametrize("name", PLAIN_BUT_WRONG)
def test_plain_data_that_are_wrong_are_wrong(grade, name):
    found = grade(good(double=PLAIN_BUT_WRONG[name]))
    assert points(found) == NO_DOUBLE and found.status == "needs_manual_grade"
    assert question(found, "double_public").message.startswith("given: x = 3\nexpected: ")
    assert found.notes == ()


def test_nan_is_no_wild_card(grade):
    for value in ("float('nan')", "complex('nan')", "np.nan * np.ones(5)", "[np.nan]"):
        book = good(total=f"import numpy as np\ndef total(x):\n    return {value}\n")
        assert points(grade(book))["total_hidden"] == 0


def test_the_graders_own_array_is_not_the_students_to_change(grade):
    text = "x = np.ones(3)\nassert total(x) == 3.0\nassert x.tolist() == [1.0, 1.0, 1.0], x"
    using = source(
        answer("total", TOTAL), test_cell("total", "public", f"import numpy as np\n{text}")
    )
    spoil = "def total(x):\n    x[:] = 7\n    return 3.0\n"
    found = grade(answered({"total": spoil}, using), using=using)
    assert found.points == 0  # the change is copied back, so that a test can see it
    resize = "def total(x):\n    x.shape = (3, 1)\n    return 3.0\n"
    found = grade(answered({"total": resize}, using), using=using)
    assert found.status == "student_error" and found.points == 0


def test_a_value_that_lies_is_refused_like_what_a_function_returns(grade):
    using = source(
        answer("double", "### BEGIN SOLUTION\ndouble = 6\n### END SOLUTION"),
        test_cell("double", "public", DOUBLE_PUBLIC.replace("double(3)", "double")),
    )
    assert grade(answered({"double": "double = 6"}, using), using=using).points == 2
    book = answered({"double": lie("int") + "double = Liar(6)"}, using)
    found = grade(book, using=using)
    assert found.points == 0 and found.status == "student_error"
