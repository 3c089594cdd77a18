"""users.py - runs programs as an ordinary user, with the build tree where it is.

The tree may lie below a folder that only root enters (/root). The user then gets a mount namespace
in which that folder holds nothing but the source and the build tree, at the paths they have.
"""
import os
import pwd
import subprocess
import tempfile
import time


def _closed_ancestor(path):
    """The topmost folder on the way to path that others may not enter, or None."""
    at = "/"
    for name in os.path.abspath(path).split("/")[1:]:
        at = os.path.join(at, name)
        if os.path.isdir(at) and not os.stat(at).st_mode & 0o001:
            return at
    return None


class User:
    """Somebody without rights; prefix is what to write before a command's arguments."""

    def __init__(self, name, prefix):
        entry = pwd.getpwnam(name)
        self.name, self.prefix = name, prefix
        self.uid, self.gid, self.home = entry.pw_uid, entry.pw_gid, entry.pw_dir

    def environment(self):
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "LANG": "C.UTF-8",
                "PATH": "/usr/bin:/bin"}

    def folder(self, prefix):
        """A new folder of the user's own below /tmp; the caller removes it."""
        path = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
        os.chown(path, self.uid, self.gid)
        return path

    def run(self, *command, timeout=240, **more):
        """subprocess.run as the user; the output as text."""
        more.setdefault("env", self.environment())
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.prefix + list(command), capture_output=True, text=True,
                              timeout=timeout, check=False, cwd="/", **more)


def myself():
    """Who runs the tests, when that is no root."""
    return User(pwd.getpwuid(os.getuid()).pw_name, [])


_SCRIPT = """#!/bin/sh
# Written by users.py: runs a command as %(name)s in a mount namespace with the tree in place.
set -e
%(mounts)s
exec setpriv --reuid=%(uid)d --regid=%(gid)d --clear-groups --inh-caps=-all -- "$@"
"""


def _mounts(trees):
    """Shell lines that show each tree below a closed folder, and nothing else of that folder."""
    closed = sorted({_closed_ancestor(tree) for tree in trees} - {None})
    lines = []
    for folder in closed:
        inside = [os.path.abspath(tree) for tree in trees
                  if os.path.abspath(tree).startswith(folder + "/")]
        hold = "/tmp/.cb-hold-$$"
        lines += ["mkdir -m 700 " + hold, "mount -t tmpfs -o mode=755 hold " + hold]
        for number, tree in enumerate(inside):
            lines += ["mkdir -p %s/%d" % (hold, number),
                      "mount --bind '%s' %s/%d" % (tree, hold, number)]
        lines += ["mount -t tmpfs -o mode=755 tree '%s'" % folder]
        for number, tree in enumerate(inside):
            lines += ["mkdir -p '%s'" % tree,
                      "mount --bind %s/%d '%s'" % (hold, number, tree),
                      "umount %s/%d" % (hold, number)]
        lines += ["umount " + hold, "rmdir " + hold]
    return "\n".join(lines)


def _change(*command, seconds=120):
    """useradd or userdel; both refuse while another one is at work, or a process still ends."""
    until = time.monotonic() + seconds
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        assert time.monotonic() < until, (command, done.stderr)
        time.sleep(0.5)


def add(folder, trees):
    """Makes a user (as root) who sees the trees; its script lies in folder."""
    name = "cbtest%d" % os.getpid()
    _change("useradd", "--create-home", "--shell", "/bin/sh", name)
    entry = pwd.getpwnam(name)
    script = os.path.join(folder, "as-user")
    with open(script, "w", encoding="utf-8") as file:
        file.write(_SCRIPT % {"name": name, "uid": entry.pw_uid, "gid": entry.pw_gid,
                              "mounts": _mounts(trees)})
    os.chmod(script, 0o755)
    return User(name, ["unshare", "--mount", "--propagation", "private", "/bin/sh", script])


def remove(user):
    _change("userdel", "--remove", user.name)
