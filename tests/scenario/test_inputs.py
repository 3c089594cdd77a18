"""test_inputs.py - folders that are given to a session: what others do in them while it runs.

A socket or named pipe that is there at the start is refused (test_jail_refusals.py); one that is
made later must lead nowhere. Files that change are seen as they are, a little later.
"""
import os
import socket
import subprocess

import pytest

import leaks

SEEN_SECONDS = 120


@pytest.fixture(params=["mine", "ordinary_user"])
def given(request, new_house):
    """A house of root or of an ordinary user with a session `s` that has a private folder."""
    user = request.getfixturevalue("ordinary_user") if request.param == "ordinary_user" else None
    house = new_house(user).start()
    house.given = os.path.join(house.folder, "given")
    os.makedirs(os.path.join(house.given, "deep"), mode=0o700)
    write(house, "deep/private", "secret", mode=0o600)
    write(house, "data", "one")
    own(house, "", "deep")
    os.chmod(house.given, 0o700)
    assert house.cellblock("new", "s", "--input", house.given).returncode == 0
    return house


def own(house, *names):
    for name in names:
        if house.user:
            os.chown(os.path.join(house.given, name), house.user.uid, house.user.gid)


def write(house, name, text, mode=0o644):
    path = os.path.join(house.given, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    own(house, name)


def cell(house, code):
    run = house.json("run", "-s", "s", "-t", "60", "-c", code)
    assert run["status"] == "ok", run["error"]
    return "".join(output.get("text", "") for output in run["outputs"])


def taken(reader):
    try:
        return os.read(reader, 1)
    except BlockingIOError:
        return b""


def test_a_socket_that_is_made_later_leads_nowhere(given):
    path = os.path.join(given.given, "late")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        os.chmod(path, 0o777)
        own(given, "late")
        with socket.socket(socket.AF_UNIX) as friend:
            friend.connect(path)
        code = """
import os, socket
print(sorted(os.listdir("/input/given")))
for path in ("/input/given/late", "late"):
    try:
        with socket.socket(socket.AF_UNIX) as client:
            os.chdir("/input/given")
            client.connect(path)
        print("connected")
    except OSError as error:
        print(type(error).__name__)
"""
        assert cell(given, code) == \
            "['data', 'deep', 'late']\nConnectionRefusedError\nConnectionRefusedError\n"


def test_a_pipe_that_is_made_later_leads_nowhere(given):
    path = os.path.join(given.given, "pipe")
    os.mkfifo(path)
    os.chmod(path, 0o666)
    own(given, "pipe")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        code = """
import os
try:
    os.write(os.open("/input/given/pipe", os.O_WRONLY | os.O_NONBLOCK), b"x")
    print("written")
except OSError as error:
    print(type(error).__name__)
"""
        assert cell(given, code) in ("OSError\n", "PermissionError\n")
        assert taken(reader) == b""
    finally:
        os.close(reader)


def test_private_files_are_read_and_not_written(given):
    code = """
print(open("/input/given/deep/private").read(), open("/input/given/data").read())
for path in ("/input/given/data", "/input/given/deep/new"):
    try:
        open(path, "w")
        print("written")
    except OSError as error:
        print(error.errno in (13, 30))
"""
    assert cell(given, code) == "secret one\nTrue\nTrue\n"


def test_changes_on_the_host_are_seen(given):
    """A name that was not there when somebody looked, and a file that was replaced by another."""
    look = "import os\nprint(os.path.exists('/input/given/new'), open('/input/given/data').read())"
    assert cell(given, look) == "False one\n"
    write(given, "new", "x")
    write(given, "fresh", "two")
    os.rename(os.path.join(given.given, "fresh"), os.path.join(given.given, "data"))
    assert leaks.wait_for(lambda: cell(given, look) == "True two\n", SEEN_SECONDS, 0.3)


@pytest.mark.root
def test_a_folder_with_a_mount_in_it_is_whole(house):
    """What is mounted in a folder belongs to it."""
    house.start()
    folder = os.path.join(house.folder, "given")
    inner = os.path.join(folder, "inner")
    os.makedirs(inner)
    done = subprocess.run(["mount", "-t", "tmpfs", "inner", inner], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        pytest.skip("nothing can be mounted here: " + done.stderr.strip())
    try:
        with open(os.path.join(inner, "file"), "w", encoding="utf-8") as file:
            file.write("inside")
        run = house.json("run", "--input", folder, "-c",
                         "print(open('/input/given/inner/file').read())")
        assert run["status"] == "ok", run["error"]
        assert run["outputs"][0]["text"] == "inside\n"
    finally:
        subprocess.run(["umount", "-l", inner], check=True)
