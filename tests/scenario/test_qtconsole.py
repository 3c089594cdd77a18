"""test_qtconsole.py - Jupyter's Qt console, whose kernel is jailed: its own, or one it joins."""
import importlib.util
import json
import os
import subprocess

import pytest

from frontends import environment, install, sessions, wait_for_no_session

HERE = os.path.dirname(os.path.abspath(__file__))
MISSING = [package for module, package in (("qtconsole", "python3-qtconsole"),
                                           ("PyQt5", "python3-pyqt5"))
           if importlib.util.find_spec(module) is None]

pytestmark = [pytest.mark.limit(600), pytest.mark.skipif(
    bool(MISSING), reason="not installed: %s; as root: scripts/install-packages browser"
    % " ".join(MISSING))]


def person(house, folder, *arguments):
    env = {**environment(house), "XDG_RUNTIME_DIR": house.tmp, "LANG": "C.UTF-8",
           "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    command = ["/usr/bin/python3", os.path.join(HERE, "qt_console.py"), str(folder), *arguments]
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True,
                          timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.split("\n")[-2])


def test_its_own_kernel(house, build):
    house.start()
    install(house)
    pictures = os.path.join(build, "screenshots")
    os.makedirs(pictures, exist_ok=True)
    seen = person(house, pictures, "--kernel=cellblock")
    assert seen["own"] and seen["pictures"] >= 1
    assert "cellblock: this Python is jailed (session jupyter-" in seen["banner"][0]
    assert os.path.getsize(os.path.join(pictures, "qtconsole.png")) > 10000
    wait_for_no_session(house)


def test_one_that_it_joins(daemon, client, tmp_path):
    client.call("new", name="amber", wait=True)
    path = daemon.cellblock("attach", "amber", "--path").stdout.strip()
    seen = person(daemon, tmp_path, "--existing", path)
    assert not seen["own"]
    assert daemon.cellblock("run", "-s", "amber", "-c", "print(a_long_name)").stdout == "42\n"
    assert [one["name"] for one in sessions(daemon)] == ["amber"]
