"""test_first_run.py - what scripts/quickstart shows: real data, a table, a plot, an error that is
clean, and a session that lives on. As root and as an ordinary user."""
import hashlib
import os

import pytest

from conftest import SOURCE

EXAMPLES = os.path.join(SOURCE, "examples")
DATA = os.path.join(EXAMPLES, "co2.csv")
FIRST = os.path.join(EXAMPLES, "first-cell.py")
SECOND = os.path.join(EXAMPLES, "second-cell.py")
RISE = "still here: CO2 rose by 55.0 ppm from 1959 to 2001\n"
SENTENCE = "nobody measured in 1900: the record begins in 1958"


@pytest.fixture(params=["mine", "ordinary_user"])
def first_house(request, new_house):
    """A house without a daemon: the first command starts it."""
    user = request.getfixturevalue("ordinary_user") if request.param == "ordinary_user" else None
    return new_house(user)


def data_for(house, name="co2.csv"):
    """A copy of the data that nobody but the house's user can read, in a folder of mode 0700."""
    folder = os.path.join(house.folder, "private")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, name)
    with open(DATA, "rb") as source, open(path, "wb") as copy:
        copy.write(source.read())
    os.chmod(path, 0o600)
    if house.user:
        os.chown(folder, house.user.uid, house.user.gid)
        os.chown(path, house.user.uid, house.user.gid)
    return path


@pytest.mark.sanitized
def test_a_table_an_error_and_the_next_command(first_house):
    data = data_for(first_house)
    first = first_house.cellblock("run", "-s", "first", "--input", data, FIRST)
    assert first.returncode == 5, first.stderr
    assert "2225 weekly measurements, March 1958 to December 2001" in first.stdout
    assert "2000     369.35         1.52" in first.stdout
    assert SENTENCE in first.stdout + first.stderr
    second = first_house.cellblock("run", "-s", "first", SECOND)
    assert (second.returncode, second.stdout) == (0, RISE), second.stderr


def test_the_same_as_an_object(first_house):
    run = first_house.json("run", "-s", "first", "--input", data_for(first_house), FIRST)
    assert run["status"] == "error"
    assert run["session"] == "first"
    assert run["execution_count"] == 1
    assert (run["error"]["ename"], run["error"]["evalue"]) == ("ValueError", SENTENCE)
    kinds = [output["output_type"] for output in run["outputs"]]
    assert kinds == ["stream", "display_data", "error"]
    assert "image/png" in run["outputs"][1]["data"]


def test_the_plot_is_collected(first_house):
    run = first_house.json("run", "-s", "first", "--input", data_for(first_house), FIRST)
    (plot,) = run["artifacts"]
    assert plot["path"] == "/output/co2.png"
    assert plot["file"].startswith(first_house.state_dir + "/runs/" + run["run"])
    with open(plot["file"], "rb") as file:
        picture = file.read()
    assert picture.startswith(b"\x89PNG\r\n")
    assert plot["size"] == len(picture)
    assert plot["sha256"] == hashlib.sha256(picture).hexdigest()
    if first_house.user:
        assert os.stat(plot["file"]).st_uid == first_house.user.uid


def test_a_cell_without_a_session_leaves_none(first_house):
    done = first_house.cellblock("run", "-c", "print(6 * 7)")
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert "first" not in first_house.cellblock("ls").stdout


def test_the_examples_are_the_ones_the_readme_names():
    with open(os.path.join(EXAMPLES, "README.md"), encoding="utf-8") as file:
        text = file.read()
    for name in os.listdir(EXAMPLES):
        if name.endswith((".py", ".csv", ".c")):
            assert "`%s`" % name in text, name
    assert os.path.getsize(DATA) < 100_000
    assert "public domain" in text
