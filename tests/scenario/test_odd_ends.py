"""test_odd_ends.py - the command line as careless parents leave it (descriptors closed), and
what is left of it when it is ended in the middle."""
import json
import os
import signal
import subprocess

import pytest

import leaks
from wireclient import PATIENCE


def closed(house, which, *arguments):
    """The command line with these of its standard descriptors closed: "0 2"."""
    redirections = " ".join(word + ">&-" for word in which.split())
    return subprocess.run(
        ["sh", "-c", 'exec "$@" ' + redirections, "sh", house.program("cellblock"), *arguments],
        capture_output=True, text=True, env=house.env, cwd="/", check=False, timeout=2 * PATIENCE)


@pytest.mark.parametrize("code", ["print('x' * 1000, end='')", "6 * 7"])
def test_an_answer_that_has_nowhere_to_go(daemon, code):
    """Without care a socket of ours or the daemon's gets it, which takes its number."""
    done = closed(daemon, "1", "run", "-s", "amber", "-c", code)
    assert done.returncode == 1
    assert done.stderr == "cellblock: the output cannot be written: Bad file descriptor\n"
    assert closed(daemon, "0 1", "ls").returncode == 1
    assert daemon.cellblock("run", "-s", "amber", "-c", "print(1)").stdout == "1\n"


def test_remarks_that_have_nowhere_to_go(daemon):
    code = "import sys\nprint('out')\nprint('x' * 1000, file=sys.stderr)\n1 / 0"
    done = closed(daemon, "2", "run", "-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (5, "out\n", "")
    assert closed(daemon, "0 2", "show", "nobody").returncode == 1


def test_no_standard_input(daemon):
    done = closed(daemon, "0", "run", "-c", "print(1)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    done = closed(daemon, "0", "run", "-")
    assert (done.returncode, done.stdout) == (1, "") and "Bad file descriptor" in done.stderr


def test_a_daemon_that_is_started_without_any(house):
    assert closed(house, "0 1 2", "new", "amber").returncode == 1  # its name is lost
    assert house.cellblock("ls").stdout.splitlines()[1].startswith("amber ")
    broken = closed(house, "0 1", "--set", "broker.sesions=5", "daemon", "start")
    assert broken.returncode == 0 and "runs already" in broken.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_is_meant_for_the_daemon(daemon, signum):
    """At the broker alone it would end all sessions, and the daemon would go on without them."""
    daemon.cellblock("run", "-s", "amber", "-c", "x = 5")
    broker = daemon.connection()["pid"]
    os.kill(broker, signum)
    assert leaks.wait_for(lambda: "signal=%d sender=%d" % (signum, os.getpid()) in daemon.log())
    assert daemon.cellblock("run", "-s", "amber", "-c", "print(x)").stdout == "5\n"
    assert daemon.connection()["pid"] == broker


def under_a_deaf_parent(house, *arguments):
    """The command line as it is started by who ignores its children's ends."""
    return subprocess.run([house.program("cellblock"), *arguments], capture_output=True, text=True,
                          env=house.env, cwd="/", check=False, timeout=2 * PATIENCE,
                          preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))


def test_a_parent_that_ignores_its_children(house):
    """The daemon hears of the ends of its own all the same."""
    assert under_a_deaf_parent(house, "run", "-s", "amber", "-c", "x = 5").returncode == 0
    broker = house.connection()["pid"]
    os.kill(broker, signal.SIGKILL)
    assert leaks.wait_for(lambda: 'broker ended" signal=9' in house.log())
    assert house.cellblock("run", "-s", "amber", "-c", "print(x)").stdout == "5\n"
    died = house.json("run", "-s", "amber", "-c", "import os; os._exit(3)")
    assert "exit status 3" in died["error"]["evalue"], died
    assert house.cellblock("daemon", "stop").returncode == 0
    heard, deaf = house.cellblock("doctor"), under_a_deaf_parent(house, "doctor")
    assert deaf.stdout.splitlines()[-1] == heard.stdout.splitlines()[-1], deaf.stdout


def test_a_recording_far_down(daemon):
    """Beside the configuration that names it, however long that one's path is."""
    folder = os.path.join(daemon.folder, *["a-folder-of-%d" % i for i in range(20)])
    os.makedirs(folder)
    with open(os.path.join(folder, "turns.json"), "w", encoding="utf-8") as file:
        file.write('{"cellblock_exchange": 1, "turns": [{"text": "all done"}]}')
    config = os.path.join(folder, "c.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write("[model again]\nbackend = replay\nfile = turns.json\n")
    done = daemon.cellblock("-C", config, "-p", "hello")
    assert (done.returncode, done.stdout) == (0, "all done\n"), done.stderr


def test_a_configuration_with_an_odd_name(house):
    """JSON cannot carry it, a person can be told all the same."""
    config = os.path.join(house.folder, "odd\udcff.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write("[broker]\nsessions = 7\n")
    shown = house.json("config", "show", "-C", config)
    assert shown["broker"]["sessions"] == {"value": "7", "origin": house.folder + "/odd?.conf:2"}
    assert house.cellblock("-C", config, "daemon", "start").returncode == 0
    assert house.json("daemon", "status")["limits"]["sessions"] == 7
    odd = house.cellblock("config", "show", "--set", "broker.log_level=\udcff")
    assert odd.returncode == 1 and "not UTF-8" in odd.stderr


def test_a_task_that_cannot_begin_is_an_object_too(house):
    done = house.cellblock("-p", "hello", "-o", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"]) == (1, "error")
    assert told["error"]["code"] == "not_found" and "--model" in told["error"]["message"]
    assert (told["session"], told["model"], told["runs"], told["artifacts"]) == ("", "", [], [])
    line = json.loads(house.cellblock("-p", "hello", "-o", "stream-json").stdout)
    assert (line["type"], line["error"]) == ("end", told["error"])


@pytest.mark.parametrize("arguments, word", [
    (["run", "-t", "8 d", "-c", "1"], "more than a week"),
    (["new", "--workdir", "maybe"], "ro|rw|none"),
])
def test_values_that_make_no_sense_are_usage(house, arguments, word):
    done = house.cellblock(*arguments)
    assert (done.returncode, done.stdout) == (2, "") and word in done.stderr, done.stderr


def test_paths_that_are_no_text(daemon):
    daemon.cellblock("new", "amber")
    for verb in ("get", "files"):
        done = daemon.cellblock(verb, "amber", "odd\udcff")
        assert done.returncode == 1 and "not UTF-8" in done.stderr, done.stderr


def test_a_state_folder_that_cannot_be_one(house):
    """Nobody is sent to a log that is not there."""
    os.symlink("/nonexistent", house.state_dir)
    done = house.cellblock("run", "-c", "1")
    assert done.returncode == 1 and house.state_dir + " is a symbolic link" in done.stderr
    os.remove(house.state_dir)
    with open(house.state_dir, "w", encoding="utf-8"):
        pass
    told = house.cellblock("run", "-c", "1").stderr
    assert "cannot open the folder " + house.state_dir in told
    assert "log" not in done.stderr + told


@pytest.mark.root
@pytest.mark.parametrize("owner, mode, words", [
    (12345, 0o700, "belongs to user 12345"), (None, 0o500, "closed to its owner"),
    (None, 0o000, "closed to its owner"), (None, 0o701, "open to others")])
def test_a_runtime_folder_that_is_no_private_one(user_house, owner, mode, words):
    """Somebody else's is named as such to an ordinary user too, who cannot even open it."""
    path = user_house.runtime_dir
    os.mkdir(path)
    os.chown(path, user_house.user.uid if owner is None else owner, -1)
    os.chmod(path, mode)
    for command in (["run", "-c", "1"], ["ls"], ["daemon", "stop"]):
        done = user_house.cellblock(*command)
        assert done.returncode == 1 and path + " " in done.stderr and words in done.stderr, done
    os.rmdir(path)


def test_a_state_folder_that_nobody_can_make(house):
    done = house.cellblock("run", "-c", "1", env={"CELLBLOCK_STATE_DIR": "/proc/nowhere/s"})
    assert done.returncode == 1
    assert "cannot make /proc/nowhere" in done.stderr and "CELLBLOCK_STATE_DIR" in done.stderr
