"""test_layers.py - off, auto and on of every layer that has a mode: as the machine is, and where
the layer is taken away from under the daemon. And who may switch one off, and when.

`without` starts the daemon in a world without the layer: a seccomp filter of the test's own answers
as an old kernel would, an empty file system stands for control groups.
"""
import json
import os
import subprocess

import pytest

KEYS = ("cgroup", "landlock", "seccomp", "uid")
MODES = ("off", "auto", "on")

# Nothing of the machine's: what Linux says in the jail.
STATUS = ("for line in open('/proc/self/status'):\n"
          "    if line.startswith('Seccomp:'):\n        print(line.split()[1])")

# The number of a system call and its first argument, None: any; both answer ENOSYS from now on.
CALLS = {"landlock": (444, None), "seccomp": (317, 1)}

WITHOUT_CALL = '''#!/usr/bin/python3 -IB
import ctypes, os, struct, sys
number, argument = %r
code = [(0x20, 0, 0, 0), (0x15, 0, 1 if argument is None else 3, number)]
if argument is not None:
    code += [(0x20, 0, 0, 16), (0x15, 0, 1, argument)]
code += [(6, 0, 0, 0x50000 | 38), (6, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in code))
program = struct.pack("=HxxxxxxQ", len(code), ctypes.addressof(text))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(22, 2, ctypes.create_string_buffer(program), 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(%r, ["cellblockd", *sys.argv[1:]])
'''

WITHOUT_GROUPS = """#!/bin/sh
[ "$IN" = yes ] || IN=yes exec unshare -m "$0" "$@"
mount -t tmpfs -o ro none /sys/fs/cgroup && exec %s "$@"
"""


def profiles():
    """A profile a key and mode, but the one that is refused."""
    return [word for key in KEYS for mode in MODES if (key, mode) != ("uid", "off")
            for word in ("--set", "profile.%s_%s.%s=%s" % (key, mode, key, mode))]


def without(key, house, tmp_path):
    """The daemon's program in a world without the layer."""
    real = house.program("cellblockd")
    script = tmp_path / ("without-" + key)
    script.write_text(WITHOUT_GROUPS % real if key == "cgroup"
                      else WITHOUT_CALL % (CALLS[key], real))
    script.chmod(0o755)
    return str(script)


def in_force(house, profile, key):
    """Whether the layer was there for a cell; None: no session could be made, with the sentence."""
    done = house.cellblock("run", "-P", profile, "-o", "json", "-c", STATUS)
    if done.returncode == 1:
        return None, done.stderr
    run = json.loads(done.stdout)
    assert run["status"] == "ok", run
    # A filter of the test's is one too.
    assert run["outputs"][0]["text"].split() == ["2"] or not run["layers"]["seccomp"], run
    return run["layers"][key] not in (False, "none"), ""


@pytest.mark.everyone
def test_every_mode_of_every_layer(house):
    house.start(*profiles())
    for key in KEYS:
        there, _ = in_force(house, key + "_auto", key)
        assert there is not None, key
        result, why = in_force(house, key + "_on", key)
        assert result == (True if there else None), (key, why)
        assert there or "the profile demands the layer %s, which this machine" % key in why
        if key != "uid":
            assert in_force(house, key + "_off", key) == (False, ""), key
    run = house.json("run", "-P", "seccomp_off", "-c", STATUS)
    assert run["outputs"][0]["text"] == "0\n", run


@pytest.mark.root
@pytest.mark.parametrize("key", KEYS[:3])
def test_a_layer_that_is_not_there(house, tmp_path, key):
    house.start(*profiles(), program=without(key, house, tmp_path))
    assert in_force(house, key + "_off", key) == (False, "")
    assert in_force(house, key + "_auto", key) == (False, "")
    result, why = in_force(house, key + "_on", key)
    assert result is None and {
        "cgroup": "the profile demands the layer cgroup, which this machine cannot give",
        "landlock": "this kernel has no Landlock and the profile wants landlock = on",
        "seccomp": "the kernel refuses the seccomp filter"}[key] in why, why
    # One that names another layer has nothing to do with it.
    assert in_force(house, "uid_on", "uid")[0] is True


def test_uid_is_never_off(house):
    done = subprocess.run([house.program("cellblockd"), "--set", "profile.p.uid=off"],
                          env=house.env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1 and "'off' is refused (a daemon of root's" in done.stderr, done


# ---- who may switch one off ------------------------------------------------------------------

def test_off_is_said_before_the_daemon_starts(house, tmp_path):
    path = str(tmp_path / "c.conf")

    def write(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)

    write("[profile held]\nlandlock = off\n")
    house.start("--config", path)
    client = house.client()
    assert in_force(house, "held", "landlock") == (False, "")
    write("[profile held]\nlandlock = off\nwall = 77 s\n")
    client.call("reload")
    write("[profile held]\nseccomp = off\nwall = 78 s\n")
    reply, _ = client.ask("reload")
    assert reply.content["ename"] == "denied"
    assert "a profile says seccomp = off now" in reply.content["evalue"]
    assert "cellblock daemon stop" in reply.content["evalue"]
    name = client.call("new", profile="held", wait=True)["session"]
    assert client.call("show", session=name)["limits"]["wall_s"] == 77
    # A broker that starts anew has read the file, and asks: the warden remembers.
    os.kill(client.call("status")["pid"], 9)
    done = house.cellblock("run", "-P", "held", "-c", "1")
    assert done.returncode == 1 and "seccomp = off is refused: no profile said so" in done.stderr
    assert house.stop() == 0
    house.start("--config", path)
    assert in_force(house, "held", "seccomp") == (False, "")
