"""assignment.toml: what is read, and that every mistake in it names the file, the key and the remedy."""

import zipfile
from pathlib import Path

import msgspec
import pytest

from autograder.assignment import (
    AssignmentError,
    Budgets,
    UsageError,
    find_root,
    infer_assignment,
    list_assignments,
    load_assignment,
)

CHECKOUT = Path(__file__).resolve().parents[2]

HOMEWORK = """\
id = "hw"
title = "A homework"
course = "CS 1"
points = 3
main = "net.py"
preloads = ["numpy"]
extras = ["csci567_hw3"]
data = ["mnist"]

[files]
required = ["net.py"]
optional = ["curve.json"]
given = ["utils.py"]

[budgets]
call_seconds = 5

[[items]]
id = "1"
title = "First"
points = 1.5
handout = "Part 1"

[[items]]
id = "1.2"
title = "Second"
points = 1.5
handout = "Part 1.2"
"""


def write(root: Path, text: str = HOMEWORK, identifier: str = "hw") -> Path:
    folder = root / "tests" / identifier
    folder.mkdir(parents=True)
    (folder / "assignment.toml").write_text(text)
    return folder


def homework(identifier: str, **files: list[str]) -> str:
    """The homework above under another id, with other files; its main is its first required file."""
    text = HOMEWORK.replace('id = "hw"', f'id = "{identifier}"', 1)
    text = text.replace('"net.py"', f'"{files["required"][0]}"', 1)
    before, _, rest = text.partition("[files]\n")
    lines = "".join(f"{key} = {msgspec.json.encode(names).decode()}\n" for key, names in files.items())
    return before + "[files]\n" + lines + "\n" + rest.partition("\n\n")[2]


def error_of(tmp_path: Path, *replacements: tuple[str, str]) -> AssignmentError:
    text = HOMEWORK
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    folder = write(tmp_path, text)
    with pytest.raises(AssignmentError) as caught:
        load_assignment(folder)
    error = caught.value
    assert error.file == folder / "assignment.toml"
    for part in (str(error.file), error.key, error.remedy):
        assert part in str(error)
    return error


# ------------------------------------------------------------------------------------------------------- reading


def test_a_homework_is_read_with_its_defaults(tmp_path):
    assignment = load_assignment(write(tmp_path))
    assert (assignment.id, assignment.main, assignment.points) == ("hw", "net.py", 3)
    assert assignment.files.given == ("utils.py",)
    assert [item.points for item in assignment.items] == [1.5, 1.5]
    assert assignment.budgets == Budgets(call_seconds=5)
    assert assignment.budgets.run_seconds == 540


def test_the_folders_follow_from_where_the_file_lies(tmp_path):
    assignment = load_assignment(write(tmp_path))
    assert assignment.root == tmp_path
    assert assignment.public_folder == tmp_path / "tests/hw/public"
    assert assignment.hidden_folder == tmp_path / "tests/hw/hidden"
    assert assignment.reference_folder == assignment.given_folder == tmp_path / "reference/hw"
    assert assignment.stencil_folder == tmp_path / "stencils/hw"


def test_a_relative_folder_is_made_absolute(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.chdir(tmp_path / "tests")
    assert load_assignment(Path("hw")).root == tmp_path


@pytest.mark.parametrize(
    ("number", "item"),
    [("1", "1"), ("1.3", "1"), ("1.2", "1.2"), ("1.2.9", "1.2"), ("12", None), ("2", None), ("", None)],
)
def test_a_check_belongs_to_the_longest_item_its_number_continues(tmp_path, number, item):
    found = load_assignment(write(tmp_path)).item_of(number)
    assert (found.id if found else None) == item


def test_optional_items_come_on_top_of_the_points(tmp_path):
    extra = HOMEWORK + '[[items]]\nid = "2"\ntitle = "Extra"\npoints = 7\nhandout = "2"\noptional = true\n'
    assert load_assignment(write(tmp_path, extra)).points == 3


@pytest.mark.parametrize(
    ("identifier", "points", "items"),
    [
        ("csci567_hw3", 24, {"3.1.1": 6, "3.1.2": 4, "3.1.3": 2, "3.1.4": 4, "3.1.5": 4, "3.1.6": 4}),
        ("csci1430_hw5", 10, {"Q6.1": 1, "Q6.2": 2, "Q6.3": 2, "Q6.4": 1, "Q6.5": 2, "Q6.6": 2}),
    ],
)
def test_the_homeworks_have_the_handouts_points(identifier, points, items):
    assignment = load_assignment(CHECKOUT / "tests" / identifier)
    assert assignment.points == points
    assert {item.id: item.points for item in assignment.items} == items


@pytest.mark.parametrize("identifier", ["csci567_hw3", "csci1430_hw5"])
def test_the_given_files_of_the_homeworks_exist(identifier):
    assignment = load_assignment(CHECKOUT / "tests" / identifier)
    assert [name for name in assignment.files.given if not (assignment.given_folder / name).is_file()] == []


# ------------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ("title =", "titel =", "titel", "'title'"),
        ("[budgets]", "[budget]", "budget", "'budgets'"),
        ("call_seconds", "call_second", "budgets.call_second", "'call_seconds'"),
        ("optional =", "Optional =", "files.Optional", "'optional'"),
        ("handout =", "handuot =", "items[0].handuot", "'handout'"),
    ],
)
def test_a_typo_names_the_nearest_key(tmp_path, old, new, key, nearest):
    error = error_of(tmp_path, (old, new))
    assert error.key == key
    assert nearest in error.remedy


def test_a_key_that_resembles_none_gets_the_list_of_keys(tmp_path):
    error = error_of(tmp_path, ("title =", "zzz = 1\ntitle ="))
    assert error.key == "zzz"
    assert "preloads" in error.remedy
    assert "folder" not in error.remedy


@pytest.mark.parametrize("key", ["folder", "root"])
def test_the_file_cannot_move_its_own_folders(tmp_path, key):
    assert error_of(tmp_path, ("title =", f'{key} = "/"\ntitle =')).key == key


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('title = "A homework"\n', "", "title", "missing"),
        ('title = "First"\n', "", "items[0].title", "missing"),
        ("points = 3\n", 'points = "3"\n', "points", "a number"),
        ("points = 1.5", "points = true", "items[0].points", "a number"),
        ('required = ["net.py"]', 'required = "net.py"', "files.required", "a list"),
        ("call_seconds = 5", "memory_mb = 0.5", "budgets.memory_mb", "a whole number"),
        ("[[items]]", "[items]", "", "TOML"),
        ("points = 3\n", "points = \n", "", "line 4"),
    ],
)
def test_a_wrong_type_or_form_says_what_is_expected(tmp_path, old, new, key, words):
    error = error_of(tmp_path, (old, new))
    assert error.key == key
    assert words in str(error)


def test_a_single_items_table_is_explained(tmp_path):
    text = HOMEWORK.partition("[[items]]")[0] + '[items]\nid = "1"\n'
    with pytest.raises(AssignmentError, match="two brackets"):
        load_assignment(write(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("points = 3", "points = 4", "points", "sum to 3 points, not 4"),
        ("points = 3", "points = nan", "points", "above 0"),
        ("points = 1.5", "points = 0", "items[0].points", "above 0"),
        ("points = 1.5", "points = inf", "items[0].points", "above 0"),
        ('id = "1.2"', 'id = "1"', "items", "'1' stands 2 times"),
        ('id = "1.2"', 'id = "1 2"', "items[1].id", "'3.1.2'"),
        ('title = "Second"', 'title = " "', "items[1].title", "1.2"),
        ('id = "hw"', 'id = "other"', "id", "folder 'hw'"),
        ('id = "hw"', 'id = "HW 1"', "id", "letters"),
        ('course = "CS 1"', 'course = ""', "course", "empty"),
        ('main = "net.py"', 'main = "other.py"', "main", "files.required"),
        ('main = "net.py"', 'main = "my-net.py"', "main", "module"),
        ('required = ["net.py"]', "required = []", "files.required", "names no file"),
        ('"utils.py"', '"course/utils.py"', "files.given", "no folder"),
        ('"utils.py"', '"../utils.py"', "files.given", "no folder"),
        ('"utils.py"', '"Net.py"', "files", "2 times"),
        ("call_seconds = 5", "call_seconds = 0", "budgets.call_seconds", "above 0"),
        ("call_seconds = 5", "memory_mb = -1", "budgets.memory_mb", "above 0"),
        ("call_seconds = 5", "check_seconds = 600", "budgets.check_seconds", "run_seconds"),
        ("call_seconds = 5", "call_seconds = 31", "budgets.call_seconds", "check_seconds"),
        ('"numpy"', '"import os"', "preloads", "sklearn.svm"),
        ('"numpy"', '"numpy", "numpy"', "preloads", "2 times"),
        ('id = "hw"', 'id = "hw"\nnotebooks = ["utils.py"]', "notebooks", "files.required"),
        ('"mnist"', '"../mnist"', "data", "fashion_mnist"),
        ('"csci567_hw3"', '"csci567hw3"', "extras", "'csci567_hw3'"),
        ('"csci567_hw3"', '"zzz"', "extras", "torch"),
    ],
)
def test_what_cannot_be_meant_is_an_error(tmp_path, old, new, key, words):
    error = error_of(tmp_path, (old, new))
    assert error.key == key
    assert words in str(error)


def test_no_items_is_an_error(tmp_path):
    text = HOMEWORK.partition("[[items]]")[0].replace("points = 3\n", "points = 3\nitems = []\n")
    with pytest.raises(AssignmentError, match="There is no item"):
        load_assignment(write(tmp_path, text))


def test_an_assignment_that_does_not_exist_names_the_command_that_lists_them(tmp_path):
    with pytest.raises(AssignmentError, match="autograder list"):
        load_assignment(tmp_path / "tests" / "nothing")


def test_a_file_that_is_not_utf8_is_an_error(tmp_path):
    folder = write(tmp_path)
    (folder / "assignment.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(AssignmentError, match="TOML"):
        load_assignment(folder)


def test_an_assignment_is_frozen(tmp_path):
    assignment = load_assignment(write(tmp_path))
    with pytest.raises(AttributeError):
        assignment.points = 100


# ------------------------------------------------------------------------------------------------------- finding


def test_the_root_is_the_nearest_parent(tmp_path, monkeypatch):
    monkeypatch.delenv("AUTOGRADER_ROOT", raising=False)
    inner = tmp_path / "inner"
    write(tmp_path)
    write(inner)
    deep = inner / "a" / "b"
    deep.mkdir(parents=True)
    assert find_root(deep) == inner
    assert find_root(tmp_path / "tests") == tmp_path


def test_a_working_folder_that_poses_as_a_course_does_not_bring_its_own_checks(tmp_path, monkeypatch):
    monkeypatch.delenv("AUTOGRADER_ROOT", raising=False)
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert find_root() == CHECKOUT


def test_an_installed_package_finds_the_course_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("AUTOGRADER_ROOT", raising=False)
    monkeypatch.setattr("autograder.assignment._CHECKOUT", tmp_path / "site-packages")
    write(tmp_path / "course")
    deep = tmp_path / "course" / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert find_root() == tmp_path / "course"


def test_the_variable_wins_over_the_working_folder(tmp_path, monkeypatch):
    write(tmp_path / "named")
    write(tmp_path / "here")
    monkeypatch.setenv("AUTOGRADER_ROOT", str(tmp_path / "named"))
    assert find_root(tmp_path / "here") == tmp_path / "named"


def test_a_variable_that_names_no_root_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_ROOT", str(tmp_path))
    with pytest.raises(UsageError, match="AUTOGRADER_ROOT"):
        find_root()


def test_the_checkout_of_the_package_is_the_last_resort(tmp_path, monkeypatch):
    monkeypatch.delenv("AUTOGRADER_ROOT", raising=False)
    assert find_root(tmp_path) == CHECKOUT


def test_assignments_are_listed_by_id(tmp_path):
    for identifier in ("b", "a", "c"):
        write(tmp_path, homework(identifier, required=["net.py"]), identifier)
    (tmp_path / "tests" / "harness").mkdir()
    assert [assignment.id for assignment in list_assignments(tmp_path)] == ["a", "b", "c"]


def test_a_broken_assignment_is_not_left_out_of_the_list(tmp_path):
    write(tmp_path)
    write(tmp_path, "titel = 1", "broken")
    with pytest.raises(AssignmentError, match="broken"):
        list_assignments(tmp_path)


# ------------------------------------------------------------------------------------------------------ inferring


@pytest.fixture
def course(tmp_path: Path) -> Path:
    root = tmp_path / "course"
    write(root, homework("mlp", required=["net.py"], given=["utils.py"]), "mlp")
    write(root, homework("cnn", required=["cnn.py", "train.py"]), "cnn")
    write(root, homework("twin", required=["net.py"], optional=["curve.json"]), "twin")
    return root


def submission(tmp_path: Path, *names: str, folder: str = "submission") -> Path:
    path = tmp_path / folder
    path.mkdir()
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("x = 1\n")
    return path


@pytest.mark.parametrize(
    ("names", "identifier"),
    [
        (["cnn.py", "train.py"], "cnn"),
        (["hw/Train.py"], "cnn"),
        (["cnn (1).py"], "cnn"),
        (["net.py", "utils.py"], "mlp"),
        (["net.py", "curve.json"], "twin"),
        (["net.py", "utils.py", "train.py"], "mlp"),
    ],
)
def test_the_file_names_tell_the_assignment(tmp_path, course, names, identifier):
    assert infer_assignment(course, submission(tmp_path, *names)).id == identifier


def test_a_single_file_tells_the_assignment(tmp_path, course):
    assert infer_assignment(course, submission(tmp_path, "cnn.py") / "cnn.py").id == "cnn"


def test_a_zip_tells_the_assignment(tmp_path, course):
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("hw/cnn.py", "x = 1")
    assert infer_assignment(course, tmp_path / "mine.zip").id == "cnn"


def test_an_id_in_the_folders_name_settles_a_tie(tmp_path, course):
    assert infer_assignment(course, submission(tmp_path, "net.py", folder="twin_buggy")).id == "twin"


def test_a_tie_lists_the_candidates(tmp_path, course):
    with pytest.raises(UsageError) as caught:
        infer_assignment(course, submission(tmp_path, "net.py"))
    assert "mlp (net.py); twin (net.py)" in str(caught.value)
    assert "cnn" not in str(caught.value)


def test_unknown_files_list_every_assignment(tmp_path, course):
    with pytest.raises(UsageError, match="holds no file") as caught:
        infer_assignment(course, submission(tmp_path, "essay.txt"))
    assert all(name in str(caught.value) for name in ("mlp", "cnn", "twin", "--assignment"))


def test_given_files_alone_tell_nothing(tmp_path, course):
    with pytest.raises(UsageError, match="holds no file"):
        infer_assignment(course, submission(tmp_path, "utils.py"))


def test_a_path_that_does_not_exist_is_a_usage_error(tmp_path, course):
    with pytest.raises(UsageError, match="no file or folder"):
        infer_assignment(course, tmp_path / "nothing")


def test_a_course_without_assignments_says_so(tmp_path):
    with pytest.raises(UsageError, match="no assignments"):
        infer_assignment(tmp_path, submission(tmp_path, "net.py"))


@pytest.mark.parametrize("identifier", ["csci567_hw3", "csci1430_hw5"])
def test_the_references_are_told_apart(identifier):
    assert infer_assignment(CHECKOUT, CHECKOUT / "reference" / identifier).id == identifier


def test_an_id_in_the_path_tells_the_assignment_of_a_misnamed_file(tmp_path, course):
    assert infer_assignment(course, submission(tmp_path, "homework.py", folder="cnn_of_ann")).id == "cnn"
