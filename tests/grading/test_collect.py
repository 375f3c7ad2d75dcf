"""An export comes in whole: each student's file in its place, and every other one in the report."""

import os
import stat
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlsys_lib.grading.collect import collect
from mlsys_lib.grading.course import Course
from mlsys_lib.grading.preflight import MAX_FILE_BYTES, Invalid, read_submission

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path / "course")


def write(root: Path, files: dict[str, bytes], when: datetime = NOON) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (when.timestamp(), when.timestamp()))
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def placed(course: Course) -> dict[str, bytes]:
    """What lies in submitted/ for students, timestamps aside."""
    root = course.root / "submitted"
    found = (path for path in root.rglob("*") if path.is_file() and path.name != "timestamp.txt")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def stamp(course: Course, student: str) -> str | None:
    path = course.submitted("ring", student).with_name("timestamp.txt")
    return path.read_text() if path.exists() else None


def reasons(report: object) -> dict[str, str]:
    return dict(report.skipped)  # type: ignore[attr-defined]


CANVAS = {
    "lovelaceada_1815_900_ring.ipynb": b"old",
    "lovelaceada_1815_901_ring-1.ipynb": b"new",
    "turingalan_LATE_1912_902_my work.ipynb": b"late",
    "turingalan_LATE_1912_903_photo.png": b"photo",
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_canvas_the_last_upload_counts_and_the_others_are_said(
    course: Course, tmp_path: Path, kind: str
) -> None:
    source = write(tmp_path / "in", CANVAS) if kind == "folder" else zipped(tmp_path / "z", CANVAS)
    report = collect(course, "ring", source)
    assert placed(course) == {
        "lovelaceada/ring/ring.ipynb": b"new",
        "turingalan/ring/ring.ipynb": b"late",
    }
    assert report.collected == ("lovelaceada", "turingalan")
    assert report.late == ("turingalan",)
    assert "901" in reasons(report)["lovelaceada_1815_900_ring.ipynb"]
    assert reasons(report)["turingalan_LATE_1912_903_photo.png"] == "not a notebook (.ipynb)"


def test_canvas_gives_no_time_since_its_zip_tells_when_it_was_exported(
    course: Course, tmp_path: Path
) -> None:
    collect(course, "ring", write(tmp_path / "in", CANVAS))
    assert stamp(course, "turingalan") is None


def test_moodle_folders_and_flat_names_come_in_under_the_full_name(
    course: Course, tmp_path: Path
) -> None:
    files = {
        "Ada Lovelace_1815_assignsubmission_file_/ring.ipynb": b"1",
        "Alan Turing_1912_assignsubmission_file/sub/other.ipynb": b"2",
        "Emmy Noether_1882_assignsubmission_file_ring.ipynb": b"3",
        "Emmy Noether_1882_assignsubmission_onlinetext_/onlinetext.html": b"text",
    }
    report = collect(course, "ring", zipped(tmp_path / "m.zip", files))
    assert set(placed(course)) == {
        f"{name}/ring/ring.ipynb" for name in ("Ada Lovelace", "Alan Turing", "Emmy Noether")
    }
    assert len(report.skipped) == 1
    assert stamp(course, "Ada Lovelace") is None  # its zip tells when it was exported


GRADESCOPE = """\
submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: '1815'
    :email: ada@example.org
  :created_at: 2026-02-01 10:00:00.5 -06:00
submission_2:
  :submitters:
  - :name: Alan Turing
    :sid: ''
    :email: alan@example.org
  - :name: Emmy Noether
    :sid: '1882'
    :email: emmy@example.org
  :created_at: 2026-02-02 10:00:00 Z
"""


def test_gradescope_says_who_and_when_and_a_group_has_its_file_each(
    course: Course, tmp_path: Path
) -> None:
    files = {
        "assignment_9_export/submission_metadata.yml": GRADESCOPE.encode(),
        "assignment_9_export/submission_1/ring.ipynb": b"1",
        "assignment_9_export/submission_2/ring.ipynb": b"2",
        "assignment_9_export/submission_3/ring.ipynb": b"3",
    }
    report = collect(course, "ring", zipped(tmp_path / "g.zip", files))
    assert placed(course) == {
        "1815/ring/ring.ipynb": b"1",
        "1882/ring/ring.ipynb": b"2",
        "alan@example.org/ring/ring.ipynb": b"2",
    }
    assert stamp(course, "1815") == "2026-02-01 16:00:00.500000 UTC"
    assert list(reasons(report)) == ["assignment_9_export/submission_3/ring.ipynb"]


@pytest.mark.parametrize(
    "names",
    [
        ("ada.ipynb", "alan.ipynb"),
        ("ada/ring.ipynb", "alan/ring.ipynb"),
        ("submitted/ada/ring/ring.ipynb", "submitted/alan/ring/ring.ipynb"),
        ("all of them/ada.ipynb", "all of them/alan.ipynb"),
        ("all/ada/solution.ipynb", "all/alan/ring (1).ipynb"),
    ],
)
def test_plain_names_are_understood(course: Course, tmp_path: Path, names: tuple[str, str]) -> None:
    collect(course, "ring", write(tmp_path / "in", dict.fromkeys(names, b"x")))
    assert set(placed(course)) == {"ada/ring/ring.ipynb", "alan/ring/ring.ipynb"}


def test_nbgrader_reads_the_time_of_a_plain_file(course: Course, tmp_path: Path) -> None:
    from nbgrader.coursedir import CourseDirectory

    collect(course, "ring", write(tmp_path / "in", {"ada.ipynb": b"x"}))
    folder = course.submitted("ring", "ada").parent
    read = CourseDirectory(root=str(course.root)).get_existing_timestamp(str(folder))
    assert read == NOON.replace(tzinfo=None)


def test_the_instructors_pattern_replaces_the_known_names(course: Course, tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"w3/s1234-final.ipynb": b"x", "w3/notes.ipynb": b"y"})
    report = collect(course, "ring", source, pattern=r"(?P<student>s\d+)-")
    assert set(placed(course)) == {"s1234/ring/ring.ipynb"}
    assert reasons(report) == {"w3/notes.ipynb": "nobody's name is in its path"}


FORGED = [
    ("canvas", {
        "evil_9_900_victim_1_901_ring.ipynb": b"E", "victim_1_800_ring.ipynb": b"V",
    }),
    ("moodle, flat", {
        "Evil_9_assignsubmission_file_victim_1_assignsubmission_file_ring.ipynb": b"E",
        "victim_1_assignsubmission_file_ring.ipynb": b"V",
    }),
    ("moodle, folders", {
        "Evil_9_assignsubmission_file/victim_1_assignsubmission_file/ring.ipynb": b"E",
        "Evil_9_assignsubmission_file/submission_metadata.yml":
            b"submission_1:\n  :submitters:\n  - :name: victim\n    :sid: victim\n",
        "Evil_9_assignsubmission_file/submission_1/ring.ipynb": b"E",
        "victim_1_assignsubmission_file/ring.ipynb": b"V",
    }),
    ("moodle, alone", {
        "Evil_9_assignsubmission_file/submission_metadata.yml":
            b"submission_1:\n  :submitters:\n  - :name: victim\n    :sid: victim\n",
        "Evil_9_assignsubmission_file/submission_1/ring.ipynb": b"E",
    }),
    ("gradescope", {
        "submission_metadata.yml":
            b"submission_2:\n  :submitters:\n  - :name: E\n    :sid: evil\n"
            b"submission_1:\n  :submitters:\n  - :name: V\n    :sid: victim\n",
        "submission_1/ring.ipynb": b"V",
        "submission_2/submission_1/ring.ipynb": b"E",
        "submission_2/victim_1_assignsubmission_file/ring.ipynb": b"E",
        "submission_2/submission_metadata.yml":
            b"submission_2:\n  :submitters:\n  - :name: V\n    :sid: victim\n",
    }),
    ("plain", {"evil/victim/ring/ring.ipynb": b"E", "victim/ring.ipynb": b"V"}),
    ("plain, another platform inside", {
        "evil/victim_1_2_ring.ipynb": b"E", "evil/submission_1/ring.ipynb": b"E",
        "victim/ring.ipynb": b"V",
    }),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "files"), FORGED, ids=[kind for kind, _ in FORGED])
def test_nobody_hands_in_for_somebody_else(
    course: Course, tmp_path: Path, kind: str, files: dict[str, bytes]
) -> None:
    collect(course, "ring", zipped(tmp_path / "z.zip", files))
    by_student = {path.split("/")[0].lower(): content for path, content in placed(course).items()}
    assert by_student.get("evil") == b"E"
    assert by_student.get("victim", b"V") == b"V"
    assert set(by_student) <= {"evil", "victim"}


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_a_pattern_without_a_student_is_refused(
    course: Course, tmp_path: Path, pattern: str
) -> None:
    with pytest.raises(ValueError, match="pattern must"):
        collect(course, "ring", write(tmp_path / "in", {"ada.ipynb": b""}), pattern=pattern)


def test_what_is_neither_folder_nor_zip_is_refused(course: Course, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for source in (tmp_path / "text", tmp_path / "nothing"):
        with pytest.raises(ValueError, match="source must be a folder or a zip"):
            collect(course, "ring", source)


ROSTER = """\
Student,ID,SIS User ID,SIS Login ID,Section,ring (77)
    Points Possible,,,,,10
"Lovelace, Ada",1815,u1,ada,A,
"Turing, Alan",1912,u2,alan,A,
"Noether, Emmy",1882,u3,emmy,A,
"""


def test_a_canvas_gradebook_as_roster_gives_the_ids_and_who_is_missing(
    course: Course, tmp_path: Path
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text(ROSTER, encoding="utf-8-sig")
    files = CANVAS | {"stranger_5_904_ring.ipynb": b"?"}
    report = collect(course, "ring", write(tmp_path / "in", files), roster=roster)
    assert set(placed(course)) == {"ada/ring/ring.ipynb", "alan/ring/ring.ipynb"}
    assert report.missing == ("emmy",)
    assert reasons(report)["stranger_5_904_ring.ipynb"] == "its student is not in the roster"


def test_the_roster_may_say_when_a_student_handed_in(course: Course, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("student_id,lms_id,submitted_at\nalan,1912,2026-03-01T13:00:00+01:00\n")
    collect(course, "ring", write(tmp_path / "in", CANVAS), roster=roster)
    assert stamp(course, "alan") == "2026-03-01 12:00:00.000000 UTC"


@pytest.mark.parametrize("time", ["yesterday", "2026-03-01T12:00:00"])
def test_a_time_without_a_zone_is_refused_before_any_work(
    course: Course, tmp_path: Path, time: str
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text(f"student_id,submitted_at\nalan,{time}\n")
    with pytest.raises(ValueError, match="submitted_at must be ISO 8601 with a time zone"):
        collect(course, "ring", write(tmp_path / "in", CANVAS), roster=roster)
    assert placed(course) == {}


def test_a_roster_that_comes_later_names_everybody_anew_and_says_who_has_an_old_name(
    course: Course, tmp_path: Path
) -> None:
    source = write(tmp_path / "in", CANVAS)
    collect(course, "ring", source)
    roster = tmp_path / "roster.csv"
    roster.write_text(ROSTER)
    report = collect(course, "ring", source, roster=roster)
    assert report.collected == ("ada", "alan")
    assert report.strangers == ("lovelaceada", "turingalan")
    assert "not in the roster: lovelaceada, turingalan" in str(report)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id_of_something,grade\n1,2\n", "must have a column student_id"),
        ("student_id\nada\nada\n", "each student once: 'ada', line 3"),
        ("student_id\n../ada\n", "student must be letters"),
        ("", "must have a column"),
    ],
)
def test_a_roster_that_names_nobody_or_somebody_twice_is_refused(
    course: Course, tmp_path: Path, text: str, problem: str
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text(text)
    with pytest.raises(ValueError, match=problem):
        collect(course, "ring", write(tmp_path / "in", CANVAS), roster=roster)


def test_moodles_worksheet_and_gradescopes_roster_are_rosters(
    course: Course, tmp_path: Path
) -> None:
    worksheet = tmp_path / "moodle.csv"
    worksheet.write_text(
        'Identifier,"Full name","ID number","Email address",Grade\n'
        '"Participant 1815","Ada Lovelace",s1,ada@example.org,\n',
        encoding="utf-8-sig",
    )
    files = {"Ada Lovelace_1815_assignsubmission_file/ring.ipynb": b"1"}
    collect(course, "ring", write(tmp_path / "m", files), roster=worksheet)
    people = tmp_path / "gradescope.csv"
    people.write_text("First Name,Last Name,SID,Email\nAlan,Turing,s2,alan@example.org\n")
    collect(course, "ring", write(tmp_path / "g", {"s2.ipynb": b"2"}), roster=people)
    assert placed(course) == {"s1/ring/ring.ipynb": b"1", "s2/ring/ring.ipynb": b"2"}


def test_two_students_with_one_name_are_told_apart_or_left_aside(
    course: Course, tmp_path: Path
) -> None:
    files = {"smithann_1_10_ring.ipynb": b"1", "smithann_2_11_ring.ipynb": b"2"}
    source = write(tmp_path / "in", files)
    report = collect(course, "ring", source)
    assert placed(course) == {}
    assert set(reasons(report)) == set(files)
    assert "two students would be called smithann" in str(report)
    roster = tmp_path / "roster.csv"
    roster.write_text("student_id,lms_id,name\nann1,1,Ann Smith\nann2,2,Ann Smith\n")
    collect(course, "ring", source, roster=roster)
    assert placed(course) == {"ann1/ring/ring.ipynb": b"1", "ann2/ring/ring.ipynb": b"2"}


@pytest.mark.parametrize("second", ["a?da.ipynb", "a*da.ipynb", "A_DA.ipynb"])
def test_names_that_collide_after_cleaning_take_nobodys_place(
    course: Course, tmp_path: Path, second: str
) -> None:
    report = collect(course, "ring", write(tmp_path / "in", {"a_da.ipynb": b"1", second: b"2"}))
    assert placed(course) == {}
    assert len(report.skipped) == 2


@pytest.mark.parametrize("second", ["a?da.ipynb", "a*da.ipynb", "a.da.ipynb"])
def test_nor_do_they_when_they_come_later(course: Course, tmp_path: Path, second: str) -> None:
    collect(course, "ring", write(tmp_path / "1", {"a_da.ipynb": b"1"}))
    collect(course, "ring", write(tmp_path / "2", {second: b"2", "alan.ipynb": b"3"}))
    assert placed(course)["a_da/ring/ring.ipynb"] == b"1"


def test_a_second_student_never_takes_the_place_of_one_collected_before(
    course: Course, tmp_path: Path
) -> None:
    collect(course, "ring", write(tmp_path / "1", {"smithann_1_10_ring.ipynb": b"1"}))
    report = collect(course, "ring", write(tmp_path / "2", {"smithann_2_11_ring.ipynb": b"2"}))
    assert placed(course) == {"smithann/ring/ring.ipynb": b"1"}
    assert reasons(report) == {"smithann_2_11_ring.ipynb": "has number 2, but smithann has 1"}


def test_collecting_twice_changes_nothing(course: Course, tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"ada.ipynb": b"1"})
    collect(course, "ring", source)
    files = sorted(course.root.rglob("*"))
    times = [path.stat().st_mtime_ns for path in files if "submitted" in path.parts]
    report = collect(course, "ring", source)
    assert (report.collected, report.replaced, report.unchanged) == ((), (), ("ada",))
    assert sorted(course.root.rglob("*")) == files
    assert [path.stat().st_mtime_ns for path in files if "submitted" in path.parts] == times


def test_a_newer_file_replaces_and_an_older_one_does_not(course: Course, tmp_path: Path) -> None:
    collect(course, "ring", write(tmp_path / "1", {"ada.ipynb": b"1"}))
    later, earlier = NOON.replace(hour=13), NOON.replace(hour=11)
    report = collect(course, "ring", write(tmp_path / "2", {"ada.ipynb": b"2"}, later))
    assert report.replaced == ("ada",)
    assert stamp(course, "ada") == "2026-03-01 13:00:00.000000 UTC"
    report = collect(course, "ring", write(tmp_path / "3", {"ada.ipynb": b"3"}, earlier))
    assert "older than what ada handed in at 2026-03-01 13:00" in str(report)
    assert placed(course) == {"ada/ring/ring.ipynb": b"2"}


def test_a_file_without_a_time_leaves_no_old_time_behind(course: Course, tmp_path: Path) -> None:
    collect(course, "ring", write(tmp_path / "1", {"lovelaceada.ipynb": b"1"}))
    report = collect(course, "ring", write(tmp_path / "2", {"lovelaceada_1_2_ring.ipynb": b"2"}))
    assert report.replaced == ("lovelaceada",)
    assert stamp(course, "lovelaceada") is None


def test_no_path_of_a_zip_leads_out_of_the_course(course: Course, tmp_path: Path) -> None:
    names = ["../../evil/ring.ipynb", "/abs/ring.ipynb", "a/../../ring.ipynb", "C:/x/ring.ipynb"]
    names += ["..\\evil\\ring.ipynb", "../ring.ipynb"]
    before = set(tmp_path.parent.rglob("*"))
    report = collect(course, "ring", zipped(tmp_path / "z.zip", dict.fromkeys(names, b"x")))
    new = {path for path in set(tmp_path.parent.rglob("*")) - before if path.is_file()}
    assert new == {tmp_path / "z.zip", course.grading("ring") / "roster.json"}
    assert set(reasons(report).values()) == {"its path leads out of the export"}
    assert len(report.skipped) == len(names)


def test_no_student_is_called_like_a_path(course: Course, tmp_path: Path) -> None:
    names = ["...ipynb", "_.ipynb", "x" * 140 + ".ipynb", "‮.ipynb"]
    report = collect(course, "ring", zipped(tmp_path / "z.zip", dict.fromkeys(names, b"x")))
    assert placed(course) == {}
    assert len(report.skipped) == len(names)


def test_links_pipes_and_devices_are_listed_not_read(course: Course, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the course's secret")
    source = write(tmp_path / "in", {"ada.ipynb": b"x"})
    (source / "link.ipynb").symlink_to(secret)
    (source / "folder.ipynb").symlink_to(tmp_path)
    os.mkfifo(source / "pipe.ipynb")
    report = collect(course, "ring", source)
    assert placed(course) == {"ada/ring/ring.ipynb": b"x"}
    assert reasons(report) == {
        "folder.ipynb": "is a link",
        "link.ipynb": "is a link",
        "pipe.ipynb": "is not an ordinary file",
    }


def test_a_link_in_a_zip_is_not_followed(course: Course, tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("ada.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert reasons(collect(course, "ring", path)) == {"ada.ipynb": "is a link"}


def test_a_bomb_is_cut_and_the_grader_will_call_it_too_large(
    course: Course, tmp_path: Path
) -> None:
    files = {"ada.ipynb": b"\0" * (MAX_FILE_BYTES + 5_000_000), "alan.ipynb": b"fine"}
    report = collect(course, "ring", zipped(tmp_path / "bomb.zip", files))
    assert report.collected == ("ada", "alan")
    assert course.submitted("ring", "ada").stat().st_size == MAX_FILE_BYTES + 1
    with pytest.raises(Invalid, match="too large"):
        read_submission(course.submitted("ring", "ada"))


def test_a_zip_that_lies_about_a_size_damages_that_file_alone(
    course: Course, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "z.zip", {"ada.ipynb": b"A" * 1000, "alan.ipynb": b"fine"})
    data = path.read_bytes()
    lie = data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x01\x02"))  # ada's line of the directory
    path.write_bytes(data[: lie + 24] + struct.pack("<I", 10) + data[lie + 28 :])
    report = collect(course, "ring", path)
    assert placed(course) == {"alan/ring/ring.ipynb": b"fine"}
    assert "is damaged" in reasons(report)["ada.ipynb"]


def test_an_encrypted_file_is_listed(course: Course, tmp_path: Path) -> None:
    path = zipped(tmp_path / "z.zip", {"ada.ipynb": b"x"})
    data = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1
    path.write_bytes(data)
    assert reasons(collect(course, "ring", path)) == {"ada.ipynb": "is encrypted"}


def test_more_files_than_any_export_has_are_refused_before_work(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlsys_lib.grading.archive.MAX_FILES", 3)
    source = write(tmp_path / "in", {f"s{i}.ipynb": b"x" for i in range(4)})
    with pytest.raises(ValueError, match="at most 3 files"):
        collect(course, "ring", source)
    assert placed(course) == {}


def test_what_systems_leave_behind_is_no_submission(course: Course, tmp_path: Path) -> None:
    files = {
        "ada/ring.ipynb": b"x",
        "ada/.ipynb_checkpoints/ring-checkpoint.ipynb": b"y",
        "__MACOSX/ada/ring.ipynb": b"z",
        "alan/ring.ipynb": b"w",
    }
    report = collect(course, "ring", write(tmp_path / "in", files))
    assert placed(course) == {"ada/ring/ring.ipynb": b"x", "alan/ring/ring.ipynb": b"w"}
    assert len(report.skipped) == 2


def test_a_file_of_no_bytes_comes_in_for_the_grader_to_refuse(
    course: Course, tmp_path: Path
) -> None:
    collect(course, "ring", write(tmp_path / "in", {"ada.ipynb": b""}))
    assert placed(course) == {"ada/ring/ring.ipynb": b""}


def test_the_report_holds_no_character_that_a_terminal_obeys(
    course: Course, tmp_path: Path
) -> None:
    names = ["a\x1b[2Jb.txt", "a‮b.txt", os.fsdecode(b"\xff.txt"), "a\nb.txt"]
    text = str(collect(course, "ring", write(tmp_path / "in", dict.fromkeys(names, b""))))
    assert all(line.isprintable() for line in text.splitlines())
    assert len(text.splitlines()) == 1 + len(names)


def test_gradescope_without_its_metadata_names_nobody(course: Course, tmp_path: Path) -> None:
    files = {"submission_1/a.ipynb": b"", "submission_2/a.ipynb": b""}
    report = collect(course, "ring", write(tmp_path / "in", files))
    assert set(reasons(report).values()) == {"nobody's name is in its path"}


def test_metadata_that_is_no_yaml_is_refused(course: Course, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in", {"submission_metadata.yml": b"a: [", "submission_1/a.ipynb": b""}
    )
    with pytest.raises(ValueError, match="must be YAML"):
        collect(course, "ring", source)
