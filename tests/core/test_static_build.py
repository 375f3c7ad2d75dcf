from mlsys_lib.core.static_build import VARIABLE, is_static_build


def test_a_live_session_is_no_static_build(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert not is_static_build()


def test_the_build_of_the_book_says_so_in_the_environment(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    assert is_static_build()


def test_only_the_value_one_counts(monkeypatch):
    monkeypatch.setenv(VARIABLE, "0")
    assert not is_static_build()
