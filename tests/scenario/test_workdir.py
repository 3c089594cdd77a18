"""test_workdir.py - the folder in which somebody works, in the jail: read-only and to be written.

As root and as an ordinary user: whose folder it is decides what an idmapped mount has to do.
"""
import os
import shutil
import socket
import stat
import subprocess

import pytest

import leaks
from frontends import Kernel, environment, install
from test_survival import another_broker, kill_broker

SEEN_SECONDS = 60
WORKDIR = "/workdir"


class Given:
    """A house that runs, and a private folder of the same user."""

    def __init__(self, house):
        self.house, self.user = house, house.user
        self.path = os.path.join(house.folder, "project")
        os.makedirs(os.path.join(self.path, "deep"))
        self.write("data.csv", "a,b\n")
        self.write("helpers.py", "VALUE = 7\n")
        self.write("script.py", "print('script in', __import__('os').getcwd())\n")
        self.write("deep/private", "secret", 0o600)
        self.own("", "deep")
        os.chmod(self.path, 0o700)

    def own(self, *names):
        if self.user:
            for name in names:
                os.chown(os.path.join(self.path, name), self.user.uid, self.user.gid,
                         follow_symlinks=False)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        self.own(name)

    def read(self, name):
        with open(os.path.join(self.path, name), encoding="utf-8") as file:
            return file.read()

    def owner(self, name):
        found = os.lstat(os.path.join(self.path, name))
        return found.st_uid, found.st_gid

    def tree(self):
        """Everything that tells whether something was changed."""
        found = {}
        for folder, _, files in os.walk(self.path):
            for path in [folder] + [os.path.join(folder, name) for name in files]:
                status = os.lstat(path)
                found[path] = (status.st_mode, status.st_uid, status.st_nlink, status.st_size,
                               status.st_mtime_ns, status.st_ctime_ns)
        return found

    def new(self, mode, *more, cwd=None, env=None):
        return self.house.cellblock("new", "s", "--workdir", mode, *more, cwd=cwd or self.path,
                                    env=env)

    def start(self, mode, *more):
        done = self.new(mode, *more)
        assert done.returncode == 0, done.stderr
        return self

    def run(self, code):
        return self.house.json("run", "-s", "s", "-t", "120", "-c", code)

    def cell(self, code):
        run = self.run(code)
        assert run["status"] == "ok", run["error"]
        return "".join(output.get("text", "") for output in run["outputs"])

    def shown(self):
        return self.house.json("show", "s")["workdir"]


@pytest.fixture(params=["mine", "ordinary_user"])
def given(request, new_house):
    user = request.getfixturevalue("ordinary_user") if request.param == "ordinary_user" else None
    return Given(new_house(user).start())


# What code tries, and how it ended: a line each.
TRY = """
import os, errno
def told(name, do, *args, **more):
    try:
        do(*args, **more)
        print(name, "done")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
"""
REFUSED = {"EROFS", "EACCES", "EPERM"}


def ends(text):
    return dict(line.split() for line in text.splitlines())


def test_relative_names_are_those_of_the_folder(given):
    given.start("ro")
    code = "import os, helpers\nprint(os.getcwd(), helpers.VALUE, open('data.csv').read().strip())"
    assert given.cell(code) == WORKDIR + " 7 a,b\n"
    assert given.cell("%run script.py") == "script in " + WORKDIR + "\n"
    assert given.cell("print(open('deep/private').read())") == "secret\n"
    assert given.shown() == {"path": given.path, "mode": "ro", "folder": WORKDIR}


def test_read_only_nothing_changes(given):
    given.start("ro")
    before = given.tree()
    code = TRY + """
fd = os.open("data.csv", os.O_RDONLY)
told("write", open, "data.csv", "w")
told("append", open, "data.csv", "a")
told("new", open, "new", "w")
told("again", os.open, "/proc/self/fd/%d" % fd, os.O_WRONLY)
told("chmod", os.chmod, "data.csv", 0)
told("fchmod", os.fchmod, fd, 0)
told("rename", os.rename, "data.csv", "other")
told("replace", os.replace, "/workdir/helpers.py", "/workdir/data.csv")
told("link", os.link, "data.csv", "hard")
told("symlink", os.symlink, "data.csv", "soft")
told("remove", os.remove, "data.csv")
told("mkdir", os.mkdir, "folder")
told("rmdir", os.rmdir, "deep")
told("utime", os.utime, "data.csv", (0, 0))
told("truncate", os.truncate, "data.csv", 0)
"""
    found = ends(given.cell(code))
    assert len(found) == 15 and set(found.values()) <= REFUSED, found
    assert given.tree() == before
    run = given.run("open('result.csv', 'w')")
    hint = run["error"]["traceback"][-1]
    assert "/work or /output" in hint and "--workdir rw" in hint, hint
    assert given.cell("open('/work/x', 'w'); open('/output/x', 'w'); print('both')") == "both\n"


def test_written_as_the_folder_s_owner(given):
    given.start("rw")
    code = TRY + """
open("made", "w").write("by a cell")
os.mkdir("folder"); os.rename("made", "folder/made"); os.link("folder/made", "hard")
open("data.csv", "a").write("1,2\\n"); os.remove("helpers.py"); os.chmod("script.py", 0o755)
open("deep/private", "w").write("changed")
told("setuid", os.chmod, "hard", 0o4755)
told("setgid", os.chmod, "hard", 0o2755)
told("born", os.open, "born", os.O_CREAT | os.O_WRONLY, 0o4755)
told("unnamed", os.open, ".", os.O_TMPFILE | os.O_WRONLY, 0o4755)
told("node", os.mknod, "node", 0o4644 | 0o100000)
told("device", os.mknod, "device", 0o20666, os.makedev(1, 3))
told("up", os.rename, "hard", "../hard")
told("away", os.rename, "hard", "/work/hard")
told("program", __import__("subprocess").check_call, ["/workdir/script.py"])
"""
    found = ends(given.cell(code))
    assert len(found) == 9 and set(found.values()) <= REFUSED | {"EXDEV"}, found
    assert given.read("folder/made") == given.read("hard") == "by a cell"
    assert given.read("data.csv") == "a,b\n1,2\n" and given.read("deep/private") == "changed"
    assert sorted(os.listdir(given.path)) == ["data.csv", "deep", "folder", "hard", "script.py"]
    assert given.owner("folder/made") == given.owner("folder") == given.owner("")
    assert not any(mode & (stat.S_ISUID | stat.S_ISGID) for mode, *_ in given.tree().values())
    assert given.shown()["mode"] == "rw"


def test_it_stays_with_a_restart_and_another_broker(given):
    given.start("rw")
    assert given.house.cellblock("restart", "s").returncode == 0
    assert given.cell("import os; open('one', 'w'); print(os.getcwd())") == WORKDIR + "\n"
    another_broker(given.house, kill_broker(given.house))
    assert given.cell("open('two', 'w'); print(os.getcwd())") == WORKDIR + "\n"
    assert given.shown() == {"path": given.path, "mode": "rw", "folder": WORKDIR}
    assert given.house.cellblock("restart", "s").returncode == 0
    assert given.cell("open('three', 'w'); print(1)") == "1\n"
    assert {"one", "two", "three"} <= set(os.listdir(given.path))


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_links_lead_nowhere(given, mode):
    for name, target in (("passwd", "/etc/shadow"), ("up", ".."), ("loop", "loop"),
                         ("house", given.house.folder), ("inside", "data.csv")):
        os.symlink(target, os.path.join(given.path, name))
    given.start(mode)
    code = TRY + """
told("passwd", open, "passwd")
told("house", os.listdir, "house")
told("loop", open, "loop")
print("inside", open("inside").read().strip())
print("up", ",".join(sorted(os.listdir("up"))))
"""
    found = ends(given.cell(code))
    assert found["passwd"] == found["house"] == "ENOENT" and found["loop"] == "ELOOP"
    assert found["inside"] == "a,b" and "workdir" in found["up"] and "usr" in found["up"]


def test_doors_in_it_lead_nowhere_or_it_is_refused(given):
    os.mkfifo(os.path.join(given.path, "pipe"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.join(given.path, "door"))
        server.listen()
        for name in ("pipe", "door"):
            os.chmod(os.path.join(given.path, name), 0o777)
            given.own(name)
        done = given.new("rw")
        assert done.returncode == 1 and "socket or named pipe" in done.stderr, done.stderr
        given.start("ro")
        code = TRY + """
import socket
told("door", socket.socket(socket.AF_UNIX).connect, "door")
told("pipe", os.open, "pipe", os.O_WRONLY | os.O_NONBLOCK)
"""
        reader = os.open(os.path.join(given.path, "pipe"), os.O_RDONLY | os.O_NONBLOCK)
        try:
            found = ends(given.cell(code))
        finally:
            os.close(reader)
    assert found["door"] == "ECONNREFUSED" and found["pipe"] in REFUSED | {"ENXIO"}, found


def test_changes_on_the_host_are_seen(given):
    given.start("ro")
    look = "import os\nprint(os.path.exists('new'), open('data.csv').read())"
    assert given.cell(look) == "False a,b\n\n"
    given.write("new", "x")
    given.write("fresh", "c,d")
    os.rename(os.path.join(given.path, "fresh"), os.path.join(given.path, "data.csv"))
    assert leaks.wait_for(lambda: given.cell(look) == "True c,d\n", SEEN_SECONDS, 0.3)


def test_a_home_is_no_working_folder(given):
    above = os.path.dirname(given.path)
    for mode in ("ro", "rw"):
        for folder in (given.path, above, "/"):
            done = given.new(mode, cwd=folder, env={"HOME": given.path})
            assert done.returncode == 1 and "home directory" in done.stderr, done.stderr
            assert "further down" in done.stderr and "none" in done.stderr
    done = given.new("none", cwd=given.path, env={"HOME": given.path})
    assert done.returncode == 0 and given.shown() is None
    assert given.cell("import os; print(os.getcwd())") == "/work\n"


def request(given, path, mode="ro", **more):
    """new_request as a program sends it; the reply's content."""
    reply, _ = given.house.client().ask("new", name="s", wait=True,
                                        workdir={"path": path, "mode": mode}, **more)
    return reply.content


def test_what_is_no_folder_says_so(given):
    link = given.path + "-link"
    os.symlink(given.path, link)
    closed = os.path.join(given.path, "closed")
    os.mkdir(closed, 0)
    gone = os.path.join(given.path, "gone")
    cases = {gone: "gone", os.path.join(given.path, "data.csv"): "no folder", link: "link",
             "/proc": "/proc", given.house.runtime_dir: "no jail sees", given.path + "/": "",
             given.path + "/../project": "", "/": "not /"}
    if given.user:
        cases[closed] = "read"
    for path, word in cases.items():
        reply = request(given, path)
        assert reply["status"] == "error" and word in reply["evalue"], (path, reply)
        assert "working folder" in reply["evalue"], (path, reply)
    assert given.house.json("ls")["sessions"] == []


def test_nothing_is_written_without_the_word_of_who_may(given):
    reply = request(given, given.path, "rw")
    assert reply["status"] == "error" and "has said that a jail may" in reply["evalue"], reply
    status = os.stat(given.path)
    name = "workdir-%x-%x" % (status.st_dev, status.st_ino)
    word = os.path.join(given.house.runtime_dir, "grants", name)
    for text in ("", name + "\n", "x" * len(name)):
        with open(word, "w", encoding="utf-8") as file:
            file.write(text)
        given.own("../r/grants/" + name)
        assert request(given, given.path, "rw")["status"] == "error"
    with open(word, "w", encoding="utf-8") as file:
        file.write(name)
    if os.getuid() == 0:
        os.chown(word, 4711, 4711)
        assert request(given, given.path, "rw")["status"] == "error"
        os.chown(word, given.user.uid if given.user else 0, -1)
    assert request(given, given.path, "rw")["status"] == "ok"


@pytest.mark.root
def test_a_cell_cannot_give_the_word_for_another_folder(new_house):
    """What it writes in a folder of root's is root's, and a broker that was taken over may move it
    to where the words lie."""
    given = Given(new_house().start()).start("rw")
    runtime = given.house.runtime_dir
    broker = os.stat(runtime).st_uid
    assert broker != 0
    other = os.path.join(given.house.folder, "other")
    os.mkdir(other, 0o755)
    status = os.stat(other)
    name = "workdir-%x-%x" % (status.st_dev, status.st_ino)
    given.cell("""
import os
os.umask(0)
os.chmod('.', 0o755)
os.makedirs('open/grants', 0o777)
for path in ('open/%(name)s', 'open/grants/%(name)s'):
    open(path, 'w').write('%(name)s')
""" % {"name": name})
    assert given.owner("open/" + name)[0] == 0
    os.chmod(given.house.folder, 0o755)
    # Its folder goes away and the cell's comes in its place, and the word alone.
    code = ("import os, sys; from_, to, name = sys.argv[1:]; os.chdir(from_);"
            "os.rename(name, os.path.join(to, name));"
            "os.path.isdir(to + '/grants') and os.rename(to + '/grants', to + '/gone');"
            "os.rename('grants', os.path.join(to, 'grants'))")
    moved = subprocess.run(["/usr/bin/python3", "-Ic", code, os.path.join(given.path, "open"),
                            runtime, name], user=broker, group=broker, extra_groups=[],
                           capture_output=True, text=True, check=False)
    assert moved.returncode == 0, moved.stderr
    assert os.stat(os.path.join(runtime, "grants", name)).st_uid == 0
    given.house.cellblock("stop", "s")
    reply = request(given, other, "rw")
    assert reply["status"] == "error" and "has said that a jail may" in reply["evalue"], reply


def test_a_profile_may_allow_less(new_house):
    house = new_house()
    given = Given(house.start("--set", "profile.reads.workdir=ro", "--set",
                              "profile.bare.workdir=none", "--set",
                              "profile.open.seccomp=off"))
    for profile, mode in (("reads", "rw"), ("bare", "ro"), ("bare", "rw"), ("safe_eval", "ro")):
        done = given.new(mode, "-P", profile)
        assert done.returncode == 3 and "profile %s has workdir" % profile in done.stderr
    done = given.new("rw", "-P", "open")
    assert done.returncode == 1 and "needs seccomp" in done.stderr, done.stderr
    assert given.new("ro", "-P", "reads").returncode == 0
    done = given.new("rw", "-l", "workdir=rw")
    assert done.returncode == 1 and "no limit of one session" in done.stderr, done.stderr


def test_somebody_else_s_folder_is_not_written(ordinary_user, new_house):
    if os.getuid() != 0:
        pytest.skip("needs root to make somebody else's folder")
    given = Given(new_house(ordinary_user).start())
    os.chown(given.path, 4711, 4711)
    os.chmod(given.path, 0o777)
    done = given.new("rw")
    assert done.returncode == 1 and "belongs to user 4711" in done.stderr, done.stderr
    given.start("ro")
    assert given.cell("print(open('data.csv').read())") == "a,b\n\n"


@pytest.mark.root
def test_mounts_below_are_not_followed(new_house):
    given = Given(new_house().start())
    inner = os.path.join(given.path, "inner")
    os.mkdir(inner)
    done = subprocess.run(["mount", "-t", "tmpfs", "inner", inner], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        pytest.skip("nothing can be mounted here: " + done.stderr.strip())
    try:
        with open(os.path.join(inner, "file"), "w", encoding="utf-8") as file:
            file.write("inside")
        given.start("rw")
        assert given.cell("import os; print(os.listdir('inner'))") == "[]\n"
    finally:
        subprocess.run(["umount", "-l", inner], check=True)


@pytest.mark.root
@pytest.mark.parametrize("kind", ["tmpfs", "overlay", "ramfs"])
def test_other_file_systems(new_house, kind):
    """ramfs knows no idmapped mounts: what cannot be written as its owner is refused."""
    given = Given(new_house().start())
    options = "lowerdir=%s/low,upperdir=%s/up,workdir=%s/work" % ((given.path,) * 3)
    top = os.path.join(given.house.folder, "top")
    if kind == "overlay":
        subprocess.run(["mount", "-t", "tmpfs", "top", given.path], check=False)
        for name in ("low", "up", "work"):
            os.mkdir(os.path.join(given.path, name))
    os.mkdir(top)
    more = ["-o", options] if kind == "overlay" else []
    done = subprocess.run(["mount", "-t", kind, *more, "top", top], capture_output=True, text=True,
                          check=False)
    try:
        if done.returncode != 0:
            pytest.skip("nothing can be mounted here: " + done.stderr.strip())
        folder = os.path.join(top, "folder")
        os.mkdir(folder, 0o700)
        with open(os.path.join(folder, "file"), "w", encoding="utf-8") as file:
            file.write("there")
        assert given.new("ro", cwd=folder).returncode == 0
        assert given.cell("print(open('file').read())") == "there\n"
        assert given.house.cellblock("stop", "s").returncode == 0
        done = given.new("rw", cwd=folder)
        if done.returncode != 0:
            assert "idmapped" in done.stderr and "workdir ro" in done.stderr, done.stderr
        else:
            given.cell("open('new', 'w').write('x')")
            assert os.stat(os.path.join(folder, "new")).st_uid == 0
        assert kind != "tmpfs" or done.returncode in (0, 1)
        assert kind != "ramfs" or done.returncode == 1
    finally:
        given.house.cellblock("stop", "--all")
        subprocess.run(["umount", "-l", top], check=False)
        if kind == "overlay":
            subprocess.run(["umount", "-l", given.path], check=False)


def test_a_folder_that_vanishes_while_it_is_given(given):
    given.start("ro")
    shutil.rmtree(given.path)
    done = given.house.cellblock("restart", "s")
    assert done.returncode == 1 and "working folder" in done.stderr, done.stderr


# -- a frontend's kernel ---------------------------------------------------------------------------

class Frontend(Kernel):
    """Its kernel's process starts in a folder."""

    def __init__(self, given, *options):
        super().__init__(given.house)
        install(given.house, *options)
        self.cwd = given.path

    def start(self):
        self.manager.start_kernel(env=environment(self.house), stderr=self.errors_file,
                                  cwd=self.cwd)
        return self


def test_a_frontend_s_kernel_starts_where_the_frontend_does(new_house):
    given = Given(new_house().start())
    look = "import os, helpers; print(os.getcwd(), helpers.VALUE)"
    with Frontend(given) as kernel:
        assert kernel.printed(look) == WORKDIR + " 7\n"
        assert kernel.run("open('new', 'w')")[0]["ename"] in ("OSError", "PermissionError")
        assert kernel.errors() == ""
    with Frontend(given, "--workdir", "rw") as kernel:
        assert kernel.printed("open('new', 'w').write('x'); " + look) == WORKDIR + " 7\n"
        kernel.manager.restart_kernel(env=environment(given.house))
        kernel.client.wait_for_ready(timeout=120)
        assert kernel.printed("open('again', 'w').write('x'); " + look) == WORKDIR + " 7\n"
    assert given.read("new") == given.read("again") == "x"
    with Frontend(given, "--workdir", "none") as kernel:
        assert kernel.printed("import os; print(os.getcwd())") == "/work\n"
        assert kernel.errors() == ""


def test_a_frontend_in_a_home_has_a_kernel_all_the_same(new_house):
    given = Given(new_house().start())
    for given.path, why in (("/", "home directory"), (given.house.runtime_dir, "no jail sees")):
        with Frontend(given) as kernel:
            assert kernel.printed("import os; print(os.getcwd())") == "/work\n"
            assert why in kernel.errors() and "without the folder" in kernel.errors()


def test_a_frontend_whose_profile_gives_no_folder_has_a_kernel_all_the_same(new_house):
    given = Given(new_house().start("--set", "profile.bare.workdir=none"))
    with Frontend(given, "--profile", "bare", "--name", "cellblock") as kernel:
        assert kernel.printed("import os; print(os.getcwd())") == "/work\n"
        assert "profile bare has workdir = none" in kernel.errors()


@pytest.mark.root
def test_a_frontend_in_a_folder_that_no_jail_takes_has_a_kernel_all_the_same(new_house):
    """Only where the jail is made it is seen what kind of file system that is."""
    given = Given(new_house().start())
    subprocess.run(["mount", "--bind", "/proc/tty", given.path], check=True)
    try:
        with Frontend(given) as kernel:
            assert kernel.printed("import os; print(os.getcwd())") == "/work\n"
            assert "file system of the kernel" in kernel.errors()
            assert kernel.errors().count("without the folder") == 1
    finally:
        subprocess.run(["umount", "-l", given.path], check=True)
