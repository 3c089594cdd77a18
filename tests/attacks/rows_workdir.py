"""rows_workdir.py - attacks out of the folder in which somebody works, to be read or written."""
import os
import stat

from table import ABSENT, BLOCKED, HIDDEN, REFUSED, attack

MADE = "a working folder is made for a session"


def unchanged(scene):
    assert scene.arena.project_state() == scene.project, "the working folder was changed"


def remember(scene):
    scene.project = scene.arena.project_state()


def harmless(scene):
    """What lies in the folder afterwards gives nobody rights, and belongs to its owner."""
    arena = scene.arena
    for folder, folders, files in os.walk(arena.project):
        for name in folders + files:
            found = os.lstat(os.path.join(folder, name))
            assert not found.st_mode & (stat.S_ISUID | stat.S_ISGID), name + " has a setuid bit"
            assert stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or \
                name in arena.PROJECT_LINKS, name + " is no file"
            assert found.st_uid == arena.uid, name + " belongs to somebody else"
    arena.clean_project()


attack("changes the working folder it may read", BLOCKED, """
fd = os.open("data.csv", os.O_RDONLY)
for name, do in (("write", lambda: write("data.csv")), ("append", lambda: open("data.csv", "a")),
                 ("new", lambda: write("new")), ("mkdir", lambda: os.mkdir("folder")),
                 ("truncate", lambda: os.truncate("data.csv", 0)),
                 ("chmod", lambda: os.chmod("data.csv", 0o777)),
                 ("fchmod", lambda: os.fchmod(fd, 0o777)),
                 ("chown", lambda: os.chown("data.csv", 1000, 1000)),
                 ("utime", lambda: os.utime("data.csv", (0, 0))),
                 ("remove", lambda: os.remove("data.csv")),
                 ("rename", lambda: os.rename("data.csv", "other")),
                 ("move in", lambda: os.rename("/work/own", "own")),
                 ("move out", lambda: os.rename("data.csv", "/work/data.csv")),
                 ("link", lambda: os.link("data.csv", "hard")),
                 ("link out", lambda: os.link("data.csv", "/work/hard")),
                 ("link in", lambda: os.link("/work/own", "own"))):
    write("/work/own")
    attempt(name, do)
for flags in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
    attempt("again %d" % flags, os.open, "/proc/self/fd/%d" % fd, flags)
    attempt("by cwd %d" % flags, os.open, "/proc/self/cwd/data.csv", flags)
""", alone=True, workdir="ro", prepare=remember, outside=unchanged, failures=REFUSED | {"EXDEV"},
       control=MADE)
attack("mounts its working folder anew to write it", BLOCKED, """
path = ctypes.c_char_p(b"/workdir")
call("remount", 165, None, path, None, 32 | 4096, None)
call("bind", 165, path, ctypes.c_char_p(b"/work"), None, 4096, None)
call("umount", 166, path, 2)
call("open_tree", 428, -100, path, 1)
call("mount_setattr", 442, -100, path, 0, ctypes.create_string_buffer(32), 32)
call("overlay", 165, ctypes.c_char_p(b"x"), path, ctypes.c_char_p(b"overlay"), 32, None)
""", alone=True, workdir="ro", prepare=remember, outside=unchanged, control=MADE)
for MODE in ("ro", "rw"):
    attack("leaves its working folder by links and .. (%s)" % MODE, HIDDEN, """
for name in ("to-shadow", "to-secret", "to-root/etc/shadow", "up/../../etc/shadow",
             "../../../../../etc/shadow", "deep/../../../../etc/shadow"):
    look(name, read, name)
    attempt(name, os.stat, name)
beside = HOST["folder"] + "/input/data.csv"
for path in (HOST["folder"], beside, "../input/data.csv", "/workdir/../" + beside):
    attempt(path, os.stat, path)
if "project" in os.listdir("..") or "input" not in os.listdir("/"):
    WON.append("what is beside the folder")
""", alone=True, workdir=MODE, control=MADE)
attack("makes a setuid program in the folder it may write", BLOCKED, """
import shutil, subprocess
shutil.copy("/usr/bin/id", "program")
fd = os.open("program", os.O_RDONLY)
flags = os.O_CREAT | os.O_WRONLY
for bits in (0o4755, 0o2755, 0o6777):
    attempt("chmod %o" % bits, os.chmod, "program", bits)
    attempt("fchmod %o" % bits, os.fchmod, fd, bits)
    attempt("open %o" % bits, os.open, "born-%o" % bits, flags, bits)
    attempt("unnamed %o" % bits, os.open, ".", os.O_TMPFILE | os.O_WRONLY, bits)
    attempt("mknod %o" % bits, os.mknod, "node-%o" % bits, 0o100000 | bits)
    call("creat %o" % bits, 85, ctypes.c_char_p(b"creat-%o" % bits), bits)
    call("chmod call %o" % bits, 90, ctypes.c_char_p(b"program"), bits | 1 << 40)
    how = ctypes.create_string_buffer(b"".join(n.to_bytes(8, "little") for n in (flags, bits, 0)))
    call("openat2 %o" % bits, 437, -100, ctypes.c_char_p(b"how-%o" % bits), how, 24)
    call("fchmodat2 %o" % bits, 452, -100, ctypes.c_char_p(b"program"), bits, 0)
attempt("capability", os.setxattr, "program", "security.capability", bytes(20))
os.chmod("program", 0o755)
attempt("run", subprocess.check_call, ["/workdir/program"])
loader = [path for path in ("/lib64/ld-linux-x86-64.so.2",) if os.path.exists(path)]
for path in loader:
    got = subprocess.run([path, "/workdir/program"], capture_output=True)
    if got.returncode == 0:
        WON.append("run by the loader")
""", alone=True, workdir="rw", outside=harmless, failures=REFUSED | {"EINVAL"}, control=MADE)
attack("makes devices in the folder it may write", BLOCKED, """
import stat
for name, kind, number in (("disk", stat.S_IFBLK, os.makedev(254, 0)),
                           ("memory", stat.S_IFCHR, os.makedev(1, 1)),
                           ("white", stat.S_IFCHR, 0)):
    attempt(name, os.mknod, "attack-" + name, kind | 0o666, number)
""", alone=True, workdir="rw", outside=harmless, control=MADE)
attack("moves files over the edge of the folder it may write", BLOCKED, """
write("/work/own")
write("own")
for name, do in (("rename out", os.rename), ("link out", os.link), ("replace", os.replace)):
    attempt(name, do, "own", "/work/moved")
    attempt(name + " back", do, "/work/own", "moved")
    attempt(name + " up", do, "own", "../own")
    attempt(name + " usr", do, "/usr/bin/id", "id")
REFUSALS.add("EXDEV")
call("exchange", 316, -100, ctypes.c_char_p(b"own"), -100, ctypes.c_char_p(b"/work/own"), 2)
attempt("itself", os.rename, "/workdir", "/work/workdir")
attempt("remove", os.rmdir, "/workdir")
attempt("through the root of the host", os.stat, "/proc/1/root/etc/shadow")
""", alone=True, workdir="rw", outside=harmless,
       failures=REFUSED | ABSENT | {"EXDEV", "EBUSY", "EINVAL"}, control=MADE)
attack("leaves traps for its owner's programs in the folder", BLOCKED, """
import socket
attempt("link", os.symlink, "../../.bashrc", "notes.txt")
attempt("pipe", os.mkfifo, "pipe")
with socket.socket(socket.AF_UNIX) as server:
    attempt("socket", server.bind, "door")
""", alone=True, workdir="rw", outside=harmless, needs=("landlock",), control=MADE)
