from mlsys_lib.grading.journal import Journal


def events(journal: Journal) -> list[str]:
    return [event["event"] for event in journal.events()]


def test_events_come_back_in_order_with_their_details_and_time(tmp_path):
    journal = Journal(tmp_path / "new" / "journal")
    journal.append("start", students=2)
    journal.append("graded", student="ada", points=3.0)
    first, second = journal.events()
    assert (first["event"], first["students"]) == ("start", 2)
    assert (second["student"], second["points"]) == ("ada", 3.0)
    assert first["time"] <= second["time"]
    assert first["time"].endswith("+00:00")


def test_a_journal_that_was_never_written_is_empty(tmp_path):
    assert events(Journal(tmp_path / "journal")) == []


def test_a_torn_line_costs_itself_alone(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.append("start")
    journal.append("graded", student="ada")
    content = journal.path.read_bytes()
    for cut in range(len(content)):
        journal.path.write_bytes(content[:cut])
        journal.append("end")
        whole = content[: cut + 1].count(b"\n") if cut else 0
        assert events(journal) == [*["start", "graded"][:whole], "end"]


def test_lines_that_are_no_events_are_passed_over(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.path.write_bytes(b'\xff\n[1]\n{"no": 1}\nnull\n')
    journal.append("end")
    assert events(journal) == ["end"]
