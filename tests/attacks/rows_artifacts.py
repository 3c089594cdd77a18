"""rows_artifacts.py - attacks by what is left in /output and what clients fetch from a jail."""
import hashlib
import os

from table import BLOCKED, HIDDEN, LIMITED, REFUSED, attack

CONTROL = "what is collected needs a collector"
MIB = 1 << 20


def artifacts(scene):
    """{path in the jail: artifact} of the run, every one looked at: a plain file of the daemon's
    owner, its size and its hash as told."""
    found = {}
    for artifact in scene.result["artifacts"]:
        path = artifact["file"]
        status = os.lstat(path)
        assert os.path.isfile(path) and not os.path.islink(path), path
        assert status.st_nlink == 1 and not status.st_mode & 0o7111, oct(status.st_mode)
        with open(path, "rb") as file:
            data = file.read()
        assert hashlib.sha256(data).hexdigest() == artifact["sha256"], path
        assert len(data) == artifact["size"], path
        found[artifact["path"]] = data
    return found


def run_is_bounded(scene):
    """Blocks on disk of everything this run left."""
    used = sum(os.lstat(os.path.join(at, name)).st_blocks * 512
               for at, folders, names in os.walk(scene.arena.run_folder(scene))
               for name in folders + names)
    assert used <= 160 * MIB, "%d MiB in the run's folder" % (used >> 20)


def only_good(scene):
    """The one plain file is there, and nothing else of the attack."""
    found = artifacts(scene)
    assert set(found) == {"/output/good.txt"}, sorted(found)
    for at, folders, names in os.walk(scene.arena.run_folder(scene)):
        links = [name for name in folders + names if os.path.islink(os.path.join(at, name))]
        assert not links, links


GOOD = '\nwrite("/output/good.txt", "good")\nLOST["put"] = "nothing"\n'
LEFT = {"alone": True, "failures": {"nothing"}, "control": CONTROL}

attack("output: links to what it cannot read", HIDDEN, """
for number, path in enumerate((HOST["secret"], "/etc/shadow", "/proc/self/environ", "/etc/passwd",
                               "/", "..", "/output", "self", "/proc/1/root" + HOST["secret"])):
    os.symlink(path, "/output/link-%d" % number)
os.symlink("/etc", "/output/folder-link")
""" + GOOD, outside=only_good, **LEFT)
attack("output: devices, pipes, sockets", BLOCKED, """
import socket
os.mkfifo("/output/pipe")
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    door = socket.socket(socket.AF_UNIX, kind)
    door.bind("/output/socket-%d" % kind)
attempt("device", os.mknod, "/output/disk", 0o60666, 0xfe00)
""" + GOOD, outside=only_good, **{**LEFT, "failures": {"nothing"} | REFUSED})
attack("output: hard links", BLOCKED, """
write("/output/hard-0", "one")
for number in range(1, 10):
    os.link("/output/hard-0", "/output/hard-%d" % number)
""" + GOOD, outside=only_good, **LEFT)


def without_bits(scene):
    found = artifacts(scene)
    assert "/output/setuid" in found, sorted(found)


attack("output: setuid programs", BLOCKED, """
for mode in (0o6777, 0o4755):
    write("/output/setuid", "#!/bin/sh\\n")
    os.chmod("/output/setuid", mode)
os.chmod("/output", 0o7777)
""" + GOOD, outside=without_bits, **LEFT)


def names_are_harmless(scene):
    """Names with control characters come neither to disk nor to a client, raw."""
    for path in artifacts(scene):
        assert path.isprintable() and ".." not in path.split("/"), repr(path)
    for at, folders, names in os.walk(scene.arena.run_folder(scene)):
        for name in folders + names:
            assert name.isprintable(), repr(name)
    done = scene.arena.house.cellblock("files", scene.session)
    assert "\x1b" not in done.stdout + done.stderr and "\x07" not in done.stdout


attack("output: names with escapes, newlines, tricks", BLOCKED, """
for name in ("\\x1b]0;owned\\x07", "a\\nb", "\\r", "\\x9b2J", "\\u202egnp", "-rf", "~root", " ",
             "a\\tb", "\\x7f", "con|sh", "$(id)", "`id`", "..\\\\up", "n" * 255, "\\udcff", "..."):
    try:
        write("/output/" + name)
    except (OSError, UnicodeError):
        pass
os.mkdir("/output/\\x1bfolder")
write("/output/\\x1bfolder/x")
""" + GOOD, outside=names_are_harmless, **LEFT)
attack("output: sparse files of ten gigabytes", LIMITED, """
for number in range(40):
    try:
        with open("/output/sparse-%d" % number, "wb") as file:
            file.truncate(255 << 20)
    except OSError:
        pass
attempt("ten", os.truncate, "/output/sparse-0", 10 << 30)
""", outside=run_is_bounded, **{**LEFT, "failures": {"EFBIG"}, "seconds": 100})
attack("output: a bomb in an archive", LIMITED, """
import io, zipfile, zlib
inner = io.BytesIO()
with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
    for number in range(4):
        archive.writestr("../../zeros-%d" % number, bytes(32 << 20))
with zipfile.ZipFile("/output/bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for number in range(100):
        archive.writestr("../../../inner-%d.zip" % number, inner.getvalue())
LOST["bomb"] = "nothing"
""", outside=lambda scene: (run_is_bounded(scene), scene.assert_equal(
    list(artifacts(scene)), ["/output/bomb.zip"])), **{**LEFT, "seconds": 100})
attack("output: thousands of files, deep trees", LIMITED, """
for number in range(3000):
    open("/output/%d" % number, "w").close()
at = "/output"
for number in range(500):
    at += "/d"
    try:
        os.mkdir(at)
    except OSError:
        break
LOST["files"] = "nothing"
""", outside=run_is_bounded, **{**LEFT, "seconds": 100})


def not_fetched(scene):
    """get and put through links that the cell laid: refused, nothing read, nothing written."""
    client = scene.arena.client
    before = scene.arena.fingerprint()
    for path in ("work/link", "output/link", "work/folder/shadow", "work/up/secret",
                 "../../etc/shadow", "/etc/shadow", "work/../../etc/shadow", "work/pipe",
                 "work/socket", "/proc/self/environ", "tmp/link"):
        reply, _ = client.ask("get", session=scene.session, path=path)
        assert reply.content["status"] == "error", path
        reply, _ = client.ask("put", session=scene.session, path=path, buffers=[b"attack"])
        assert reply.content["status"] == "error" or path == "work/link-free", path
    reply, _ = client.ask("files", session=scene.session)
    assert scene.arena.token not in str(reply.content)
    assert scene.arena.fingerprint() == before


attack("fetch: links, pipes and paths out of the jail", HIDDEN, """
import socket
for at in ("/work", "/output", "/tmp"):
    os.symlink(HOST["secret"], at + "/link")
os.symlink("/etc", "/work/folder")
os.symlink(os.path.dirname(HOST["secret"]), "/work/up")
os.mkfifo("/work/pipe")
socket.socket(socket.AF_UNIX).bind("/work/socket")
LOST["laid"] = "nothing"
""", outside=not_fetched, **LEFT)


def calm_is_apart(scene):
    reply, _ = scene.arena.client.ask("get", session=scene.session, path="work/treasure")
    assert reply.content["status"] == "error"


attack("output: swaps a file for a link while it is collected", HIDDEN, """
import threading, time
write("/output/swap", "good")
def swap():
    until = time.monotonic() + 3
    while time.monotonic() < until:
        try:
            os.symlink(HOST["secret"], "/output/next")
            os.rename("/output/next", "/output/swap")
            write("/output/next2", "good")
            os.rename("/output/next2", "/output/swap")
        except OSError:
            pass
threading.Thread(target=swap, daemon=True).start()
LOST["swap"] = "nothing"
""", outside=lambda scene: (calm_is_apart(scene), artifacts(scene)), **LEFT)
