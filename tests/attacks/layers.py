"""layers.py - the layers of a jail, and how the tests take a single one of them away.

Some have a mode in the profile, and limits a value. The rest cannot be asked for: there the daemon
runs from a folder of programs in which cellblock-jail is a script that edits bubblewrap's arguments
before it becomes the real one, or cellblock-init is one that was built without the layer.
"""
import collections
import os
import shutil

JAIL = ("secrets", "files", "calls", "rights", "network", "memory", "processes")

# settings: of the profile. drop, swap, add: words of bubblewrap's arguments. uid: instead of the
# jail's own. init: the program instead of cellblock-init. behind: the layer that would hide the
# effect, off in both runs. themes: rows that it may concern. refused: words with which the warden
# starts no jail at all without the layer.
Layer = collections.namedtuple(
    "Layer", "name settings drop swap add uid init behind themes refused")


def layer(name, themes=JAIL, **more):
    return Layer(**{"name": name, "settings": {}, "drop": (), "swap": (), "add": (), "uid": None,
                    "init": None, "behind": None, "themes": themes, "refused": None, **more})


LAYERS = [
    layer("seccomp", settings={"seccomp": "off"}),
    layer("landlock", settings={"landlock": "off"}),
    layer("cgroup", settings={"cgroup": "off"}, themes=("memory", "processes")),
    layer("uid of its own", uid=65534, themes=("rights", "processes")),
    layer("network namespace", drop=["--unshare-net"], themes=("network", "secrets")),
    layer("pid namespace", drop=["--unshare-pid"], swap=[("--proc", "--bind /proc")],
          refused="none of this jail's"),
    layer("ipc namespace", drop=["--unshare-ipc"], themes=("secrets",)),
    layer("uts namespace", drop=["--unshare-uts", "--hostname cell"], themes=("secrets",)),
    layer("cgroup namespace", drop=["--unshare-cgroup-try"], themes=("secrets",)),
    layer("no further user namespaces", drop=["--disable-userns"], behind="seccomp",
          themes=("calls", "rights")),
    layer("no capabilities", add=["--cap-add ALL"], behind="seccomp", themes=("calls", "rights")),
    layer("masks in /proc", drop=["--ro-bind /dev/null *"], themes=("secrets",)),
    layer("read-only /proc", drop=["--remount-ro /proc"], behind="landlock", themes=("files",)),
    layer("read-only /dev", drop=["--remount-ro /dev"], behind="landlock", themes=("files",)),
    layer("rlimits", init="tests/attacks/init-without-limits", themes=("memory", "rights")),
    layer("limit: memory", settings={"memory": "2 GiB"}, themes=("memory",)),
    layer("limit: disk", settings={"disk": "1 GiB"}, themes=("memory",)),
    layer("limit: files", settings={"files": "100000"}, themes=("memory",)),
    layer("limit: processes", settings={"processes": "1024"}, themes=("processes",)),
    layer("limit: open_files", settings={"open_files": "8192"}, themes=("memory",)),
    layer("limit: output", settings={"output": "512 MiB"}, themes=("floods",)),
    layer("active_output", settings={"active_output": "full"}, themes=("shown",)),
    layer("limit: wall", settings={"wall": "none"}, themes=("time",)),
]

PROGRAMS = ("cellblockd", "cellblock-broker", "cellblock-jail", "cellblock-init")

SCRIPT = '''#!/usr/bin/python3 -IB
# cellblock-jail - the real one, after a layer was taken out of bubblewrap's arguments.
import os
import sys

ARGUMENTS = 11
words = os.pread(ARGUMENTS, 1 << 16, 0).decode().split("\\0")[:-1]


def at(pattern):
    for begin in range(len(words) - len(pattern) + 1):
        if all(one in ("*", word) for one, word in zip(pattern, words[begin:])):
            return begin
    return None


for text in %(drop)r:
    while at(text.split()) is not None:
        begin = at(text.split())
        del words[begin:begin + len(text.split())]
for old, new in %(swap)r:
    begin = at(old.split())
    words[begin:begin + len(old.split())] = new.split()
for text in %(add)r:
    words += text.split()
arguments = list(sys.argv)
if %(uid)r:
    arguments[arguments.index("--uid") + 1] = str(%(uid)r)
fd = os.memfd_create("arguments", 0)
os.write(fd, "".join(word + "\\0" for word in words).encode())
os.lseek(fd, 0, 0)
os.dup2(fd, ARGUMENTS)
os.close(fd)
os.execve(%(real)r, arguments, {})
'''


def settings(*layers):
    """Arguments of the daemon."""
    return [word for one in layers for key, value in one.settings.items()
            for word in ("--set", "profile.default.%s=%s" % (key, value))]


def needs_programs(one):
    return bool(one.drop or one.swap or one.add or one.uid or one.init)


def make_programs(one, build, folder):
    """A folder of programs without the layer; the path of its cellblockd."""
    for name in PROGRAMS:
        shutil.copy(os.path.join(build, name), os.path.join(folder, name))
    if one.init:
        shutil.copy(os.path.join(build, one.init), os.path.join(folder, "cellblock-init"))
        return os.path.join(folder, "cellblockd")
    real = os.path.join(folder, "real-jail")
    os.rename(os.path.join(folder, "cellblock-jail"), real)
    script = os.path.join(folder, "cellblock-jail")
    with open(script, "w", encoding="utf-8") as file:
        file.write(SCRIPT % {"drop": list(one.drop), "swap": list(one.swap), "add": list(one.add),
                             "uid": one.uid, "real": real})
    os.chmod(script, 0o755)
    return os.path.join(folder, "cellblockd")
