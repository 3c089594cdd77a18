"""test_files.py - files on their way: --input in, put and get, /output collected, a full disk."""
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile

import pytest

import leaks
from wireclient import stream_text

BLOCK = 256 * 1024
MIB = 1024 * 1024


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def collected(result):
    """{path inside: artifact} of a result; each file is checked: there, private, as told."""
    for artifact in result["artifacts"]:
        with open(artifact["file"], "rb") as file:
            data = file.read()
        assert len(data) == artifact["size"], artifact
        assert sha256(data) == artifact["sha256"], artifact
        assert stat.S_IMODE(os.stat(artifact["file"]).st_mode) == 0o600, artifact
        assert artifact["file"].endswith("/runs/%s%s" % (result["run"], artifact["path"]))
    return {artifact["path"]: artifact for artifact in result["artifacts"]}


@pytest.fixture
def private_folder():
    """A folder of mode 0700 below the home of whoever runs the tests (root: /root)."""
    folder = tempfile.mkdtemp(prefix="cb-private-", dir=os.path.expanduser("~"))
    os.chmod(folder, 0o700)
    yield folder
    shutil.rmtree(folder)


# -- input -------------------------------------------------------------------------------------

def test_input_file_and_folder_from_a_private_place(daemon, private_folder):
    data = os.path.join(private_folder, "data.csv")
    with open(data, "w", encoding="utf-8") as file:
        file.write("a,b\n1,2\n")
    os.chmod(data, 0o600)
    folder = os.path.join(private_folder, "many")
    os.makedirs(os.path.join(folder, "deep"), mode=0o700)
    with open(os.path.join(folder, "deep", "x.txt"), "w", encoding="utf-8") as file:
        file.write("deep")
    code = ("import os; print(open('/input/data.csv').read(), end='')\n"
            "print(open('/input/many/deep/x.txt').read(), sorted(os.listdir('/input')))\n"
            "for path in ('/input/data.csv', '/input/new', '/input/many/new'):\n"
            "    try:\n        open(path, 'w'); print('written', path)\n"
            "    except OSError as error: print(error.errno)\n")
    done = daemon.cellblock("run", "--input", data, "--input", folder, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a,b\n1,2\ndeep ['data.csv', 'many']\n30\n30\n30\n"
    with open(data, encoding="utf-8") as file:
        assert file.read() == "a,b\n1,2\n"


@pytest.mark.parametrize("path, words", [
    ("/nonexistent/data.csv", "/nonexistent/data.csv"),
    ("/proc/self", "/proc"),
    ("/sys/kernel", "/sys"),
    ("/dev/null", "/dev"),
])
def test_input_that_cannot_be(client, path, words):
    reply, _ = client.ask("new", inputs=[{"path": path, "name": "x"}], wait=True)
    assert reply.content["status"] == "error"
    assert words in reply.content["evalue"]
    assert client.call("list")["sessions"] == []


@pytest.mark.parametrize("given", [
    {"path": "relative/data.csv", "name": "x"},
    {"path": "/tmp", "name": "../x"},
    {"path": "/tmp", "name": "a/b"},
    {"path": "/tmp", "name": "a\nb"},
    {"path": "/tmp", "name": ""},
    {"path": 5},
    {"name": "x"},
    "text",
])
def test_input_that_makes_no_sense(client, given):
    reply, _ = client.ask("new", inputs=[given])
    assert (reply.content["status"], reply.content["ename"]) == ("error", "invalid")


def test_input_of_the_daemon_is_refused(daemon, client):
    for path in (daemon.runtime_dir, daemon.state_dir, daemon.folder):
        reply, _ = client.ask("new", inputs=[{"path": path, "name": "x"}], wait=True)
        assert reply.content["status"] == "error", path


def test_a_host_path_in_the_cell_is_told_how(cellblock):
    done = cellblock("run", "-c", "open('/home/me/data.csv')")
    assert done.returncode == 5
    assert "--input /home/me/data.csv" in done.stdout + done.stderr


# -- output ------------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_output_is_collected(client):
    code = ("import os; os.makedirs('/output/sub/deep')\n"
            "open('/output/a.txt', 'w').write('hello')\n"
            "open('/output/sub/deep/b.bin', 'wb').write(bytes(range(256)) * 4096)\n"
            "open('/output/empty', 'w'); os.chmod('/output/a.txt', 0o6755)\n")
    result, events = client.run(code)
    assert result["status"] == "ok" and "artifacts_error" not in result
    files = collected(result)
    assert sorted(files) == ["/output/a.txt", "/output/empty", "/output/sub/deep/b.bin"]
    assert files["/output/a.txt"]["sha256"] == sha256(b"hello")
    assert files["/output/sub/deep/b.bin"]["sha256"] == sha256(bytes(range(256)) * 4096)
    told = [event.content for event in events if event.type == "artifact"]
    assert told == result["artifacts"]


def test_only_what_is_new_or_changed(client):
    name = client.call("new", wait=True)["session"]

    def run(code):
        return sorted(collected(client.run(code, session=name)[0]))
    assert run("open('/output/a', 'w').write('1')") == ["/output/a"]
    assert run("pass") == []
    assert run("open('/output/b', 'w').write('1')") == ["/output/b"]
    assert run("open('/output/a', 'w').write('2')") == ["/output/a"]
    assert run("import os; os.rename('/output/b', '/output/c')") == ["/output/c"]
    assert run("open('/work/x', 'w').write('1'); open('/tmp/x', 'w').write('1')") == []


def test_output_of_a_cell_that_raises_and_of_one_that_dies(client):
    result, _ = client.run("open('/output/a', 'w').write('kept'); 1/0")
    assert result["status"] == "error"
    assert sorted(collected(result)) == ["/output/a"]
    result, _ = client.run("import os; open('/output/b', 'w').write('kept'); os._exit(1)")
    assert result["status"] == "died"
    assert sorted(collected(result)) == ["/output/b"]


HOSTILE = r"""
import os, socket
os.chdir('/output')
os.symlink('/etc/passwd', 'link')
os.symlink('/', 'linkdir')
os.mkfifo('fifo')
open('one', 'w').write('x'); os.link('one', 'two')
open(b'bad\xff', 'w').write('x')
open('new\nline', 'w').write('x')
open('esc\x1b[2J', 'w').write('x')
s = socket.socket(socket.AF_UNIX); s.bind('sock')
f = open('sparse', 'w'); f.truncate(200 * 1024 * 1024)
path = ''
for i in range(20):
    path += 'd/'
    os.mkdir(path)
open(path + 'deep', 'w').write('x')
open('good', 'w').write('good')
os.mkdir('closed'); open('closed/in', 'w').write('in'); os.chmod('closed', 0o700)
open('secret', 'w').write('mine'); os.chmod('secret', 0)
"""


def test_hostile_contents(client):
    result, _ = client.run(HOSTILE)
    assert result["status"] == "ok", result
    files = collected(result)
    assert "/output/good" in files and "/output/closed/in" in files
    assert not {"/output/link", "/output/fifo", "/output/sock", "/output/sparse", "/output/one",
                "/output/two"} & set(files)
    assert all(name.isprintable() for name in files)
    assert "not collected, the first: /output/" in result["artifacts_error"]
    assert "\x1b" not in result["artifacts_error"] and "\n" not in result["artifacts_error"]
    with open("/etc/passwd", "rb") as file:
        assert sha256(file.read()) not in [one["sha256"] for one in files.values()]


def test_more_than_is_collected(client):
    code = "for i in range(300): open(f'/output/{i:03}', 'w').write('x')"
    result, _ = client.run(code)
    assert len(collected(result)) == 256
    assert "44 not collected, the first: /output/256" in result["artifacts_error"]


def test_a_file_that_grows_while_it_is_read(client):
    name = client.call("new", wait=True)["session"]
    code = ("import subprocess\n"
            "open('/output/log', 'wb').write(bytes(50 * 1024 * 1024))\n"
            "keep = subprocess.Popen(['/usr/bin/python3', '-c', '''\n"
            "f = open('/output/log', 'ab', buffering=0)\nwhile True: f.write(b'x')\n'''])\n"
            "import os, time\n"
            "while os.path.getsize('/output/log') == 50 * 1024 * 1024: time.sleep(0.01)\n")
    result, _ = client.run(code, session=name)
    assert result["status"] == "ok"
    # Where the machine gave whoever writes no time while it was read, it is read once more.
    for _ in range(20):
        if not collected(result):
            break
        result, _ = client.run("1", session=name)
    assert collected(result) == {}
    assert "changed while it was read" in result["artifacts_error"]


@pytest.mark.root
def test_a_full_state_folder(house):
    os.mkdir(house.state_dir, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", house.state_dir],
                   check=True)
    try:
        house.start()
        client = house.client()
        name = client.call("new", wait=True)["session"]
        result, _ = client.run("print('kept'); open('/output/a', 'w').write('x')", session=name)
        assert sorted(collected(result)) == ["/output/a"]
        code = "print('kept'); open('/output/big', 'wb').write(bytes(9 << 20))"
        result, events = client.run(code, session=name)
        assert (result["status"], stream_text(events)) == ("ok", "kept\n")
        assert result["artifacts"] == []
        assert "No space left on device" in result["artifacts_error"]
        assert not os.path.exists(os.path.join(house.state_dir, "runs", result["run"]))
        result, _ = client.run("open('/output/c', 'w').write('x')", session=name)
        assert "/output/c" in collected(result), "with room again, files are collected again"
        house.stop()
    finally:
        subprocess.run(["umount", "-l", house.state_dir], check=True)


def test_an_ordinary_user_has_the_same(user_house):
    client = user_house.start().client()
    name = client.call("new", wait=True)["session"]
    data = os.urandom(BLOCK + 5)
    put(client, name, "work/up", data)
    result, _ = client.run("b = open('up', 'rb').read(); open('/output/b', 'wb').write(b)\n"
                           "import os; os.symlink('/etc/passwd', '/output/link')", session=name)
    files = collected(result)
    assert [one["sha256"] for one in files.values()] == [sha256(data)]
    assert os.stat(result["artifacts"][0]["file"]).st_uid == user_house.user.uid
    assert "/output/link is a symbolic link" in result["artifacts_error"]
    assert get(client, name, "output/b") == data


# -- put and get -------------------------------------------------------------------------------

def put(client, session, path, data):
    for offset in range(0, max(len(data), 1), BLOCK):
        block = data[offset:offset + BLOCK]
        reply, _ = client.ask("put", session=session, path=path, offset=offset,
                              eof=offset + BLOCK >= len(data), buffers=[block])
        assert reply.content["status"] == "ok", reply.content
    return reply.content["size"]


def get(client, session, path):
    data = b""
    while True:
        reply, _ = client.ask("get", session=session, path=path, offset=len(data), size=BLOCK)
        assert reply.content["status"] == "ok", reply.content
        data += bytes(reply.buffers[0])
        if reply.content["eof"]:
            assert reply.content["size"] == len(data)
            return data


@pytest.fixture
def session(client):
    return client.call("new", wait=True)["session"]


@pytest.mark.sanitized
def test_put_and_get_20_mb(client, session):
    data = os.urandom(MIB) * 20
    assert put(client, session, "work/big.bin", data) == len(data)
    result, events = client.run("import hashlib, os; b = open('big.bin', 'rb').read()\n"
                                "print(hashlib.sha256(b).hexdigest())\n"
                                "open('mine', 'wb').write(b[::-1])\n"
                                "os.stat('big.bin').st_uid == os.getuid(),"
                                " os.rename('big.bin', 'b2')", session=session)
    assert result["status"] == "ok"
    assert stream_text(events).strip() == sha256(data)
    shown = [event.content["data"]["text/plain"] for event in events
             if event.type == "execute_result"]
    assert shown == ["(True, None)"], "the file is the jail's own"
    assert get(client, session, "/work/mine") == data[::-1]
    assert get(client, session, "b2") == data


def test_put_again_empties_first(client, session):
    put(client, session, "work/x", b"a long text")
    put(client, session, "work/x", b"short")
    assert get(client, session, "work/x") == b"short"
    put(client, session, "tmp/none", b"")
    assert get(client, session, "tmp/none") == b""


@pytest.mark.parametrize("path, code", [
    ("/etc/passwd", "invalid"), ("work/../../etc/passwd", "invalid"), ("../x", "invalid"),
    ("work/a\nb", "invalid"), ("output", None), ("work/nothing", "not_found"),
    ("work/no/such", "not_found"), ("/", "invalid"), ("", None), ("shm/x", None),
    ("work/" + "a" * 300, "invalid"), ("work/" + "a/" * 2100 + "a", None), (5, "invalid"),
])
def test_get_of_bad_paths(client, session, path, code):
    reply, _ = client.ask("get", session=session, path=path)
    assert reply.content["status"] == "error", reply.content
    assert code in (None, reply.content["ename"]), reply.content


def test_links_lead_nowhere(client, session):
    client.run("import os; os.symlink('/etc', 'etc'); os.symlink('/etc/passwd', 'p')\n"
               "os.mkfifo('fifo'); os.symlink('/work', '/output/w')\n"
               "open('one', 'w').write('x'); os.link('one', 'two')", session=session)
    for path in ("work/etc/passwd", "work/p", "work/fifo", "output/w/one", "work/two"):
        for verb, more in (("get", {}), ("put", {"buffers": [b"x"]})):
            reply, _ = client.ask(verb, session=session, path=path, **more)
            assert reply.content["status"] == "error", (verb, path)
    assert client.run("1", session=session)[0]["status"] == "ok"


def test_put_over_the_disk_limit(daemon, client):
    name = client.call("new", wait=True)["session"]
    client.run("open('/work/fill', 'wb').write(bytes(255 << 20))", session=name)
    data, replies = b"x" * BLOCK, []
    for i in range(12):
        reply, _ = client.ask("put", session=name, path="work/more", offset=i * BLOCK,
                              buffers=[data])
        replies.append(reply.content)
        if reply.content["status"] == "error":
            break
    assert replies[-1]["ename"] == "limit", replies[-1]
    assert "/work/more" in replies[-1]["evalue"]
    assert get(client, name, "work/more") == b"", "no half file"


def test_put_of_wrong_steps(client, session):
    put(client, session, "work/x", b"12345")
    for more in ({"offset": 3, "buffers": [b"x"]}, {"offset": 6, "buffers": [b"x"]},
                 {"offset": -1, "buffers": [b"x"]}, {"offset": "0", "buffers": [b"x"]},
                 {"offset": 5, "buffers": []}, {"offset": 5, "buffers": [b"x", b"y"]},
                 {"offset": 5, "buffers": [bytes(BLOCK + 1)]},
                 {"offset": 2**62, "buffers": [b"x"]}):
        reply, _ = client.ask("put", session=session, path="work/x", **more)
        assert reply.content["status"] == "error", more
    assert get(client, session, "work/x") == b"12345"


def test_files_lists(client, session):
    client.run("import os; os.makedirs('a/b'); open('a/b/c', 'w').write('xyz')\n"
               "open('/output/o', 'w').write('1'); open('/tmp/t', 'w')", session=session)
    files = {one["path"]: one["size"] for one in client.call("files", session=session)["files"]}
    assert files.get("work/a/b/c") == 3 and files.get("output/o") == 1
    assert not any(path.startswith("tmp/") for path in files)
    below = client.call("files", session=session, path="work/a")["files"]
    assert [one["path"] for one in below] == ["work/a/b/", "work/a/b/c"]


def test_many_at_once(daemon, session):
    """Eight clients put and get at the same time; none sees another's bytes."""
    clients = [daemon.client() for _ in range(8)]
    for start in range(0, 40, 4):
        for number, one in enumerate(clients):
            for i in range(start, start + 4):
                one.send("put", {"session": session, "path": "work/f%d" % number, "offset": i * 4},
                         [b"%04d" % (number * 100 + i)])
        for one in clients:
            assert [one.receive().content["status"] for _ in range(4)] == ["ok"] * 4
    for number, one in enumerate(clients):
        expected = b"".join(b"%04d" % (number * 100 + i) for i in range(40))
        assert get(one, session, "work/f%d" % number) == expected


def test_too_many_at_once(client, session):
    """More steps than wait in a queue: some are refused as busy, every one is answered."""
    for i in range(200):
        client.send("get", {"session": session, "path": "work/none"})
    names = [client.receive().content["ename"] for _ in range(200)]
    assert set(names) <= {"not_found", "busy"} and "not_found" in names
    assert client.run("print(1)", session=session)[0]["status"] == "ok"


def filer_of(broker):
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        if "(cellblock-filer)" in text and text.rsplit(")", 1)[1].split()[1] == str(broker):
            return int(name)
    raise AssertionError("no file process")


def test_a_file_process_that_dies(daemon, client, session):
    """Its broker ends with it and another one comes; nothing hangs, nothing is left."""
    broker = daemon.connection()["pid"]
    waiting = client.send("run", {"code": "import time; time.sleep(90)", "session": session,
                                  "timeout_s": 100})
    os.kill(filer_of(broker), signal.SIGKILL)

    def another():
        try:
            return daemon.connection()["pid"] not in (broker, 0)
        except (OSError, ValueError):
            return False
    assert leaks.wait_for(another)
    fresh = daemon.client()
    result, _ = fresh.run("open('/output/a', 'w').write('x')")
    assert sorted(collected(result)) == ["/output/a"], waiting
    assert filer_of(daemon.connection()["pid"])


@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_get_that_is_ended_leaves_no_part(daemon, signum, code):
    daemon.cellblock("run", "-s", "amber", "-c", "open('/work/data', 'w').write('new')")
    target = os.path.join(daemon.folder, "data")
    with open(target, "w", encoding="utf-8") as file:
        file.write("as it was")
    before = set(os.listdir(daemon.folder))
    filer = filer_of(daemon.connection()["pid"])
    os.kill(filer, signal.SIGSTOP)  # nothing comes
    process = daemon.popen("get", "amber", "data", "-o", target)
    assert leaks.wait_for(lambda: set(os.listdir(daemon.folder)) - before)
    process.send_signal(signum)
    assert process.communicate(timeout=120) == ("", "")
    os.kill(filer, signal.SIGCONT)
    assert process.returncode == code
    assert set(os.listdir(daemon.folder)) == before
    with open(target, encoding="utf-8") as file:
        assert file.read() == "as it was"


def test_the_file_process_has_nothing(daemon, client):
    """Three descriptors and standard error; no broker's sockets, no keys of a later day."""
    client.call("new", wait=True)
    pid = filer_of(daemon.connection()["pid"])

    def there():
        return sorted(int(name) for name in os.listdir("/proc/%d/fd" % pid))
    assert leaks.wait_for(lambda: there() == [0, 1, 2, 3, 4, 5]), there()
    with open("/proc/%d/environ" % pid, "rb") as file:
        names = {one.split(b"=")[0] for one in file.read().split(b"\0") if one}
    assert not {name for name in names if b"KEY" in name}


def test_the_commands(daemon):
    name = daemon.cellblock("new").stdout.strip()
    path = os.path.join(daemon.folder, "up.bin")
    data = os.urandom(3 * MIB + 17)
    with open(path, "wb") as file:
        file.write(data)
    assert daemon.cellblock("put", name, path).returncode == 0
    assert "up.bin" in daemon.cellblock("files", name).stdout
    down = os.path.join(daemon.folder, "down.bin")
    done = daemon.cellblock("get", name, "up.bin", "-o", down)
    assert done.returncode == 0, done.stderr
    with open(down, "rb") as file:
        assert file.read() == data
    done = daemon.cellblock("get", name, "nothing.bin")
    assert done.returncode == 1 and "nothing.bin" in done.stderr
    done = daemon.cellblock("put", "nobody", path)
    assert done.returncode == 1 and "nobody" in done.stderr


# -- holes -------------------------------------------------------------------------------------

def test_holes_cost_nothing(new_house, tmp_path):
    """A file of 200 MiB with three bytes in it: collected, fetched and put with its size, its
    bytes and its hash, in next to no room."""
    house = new_house().start("--set", "profile.default.artifacts=2G",
                              "--set", "profile.default.wall=none")
    size, room = 200 * MIB, 1 * MIB
    house.cellblock("new", "s")
    done = house.json("run", "-s", "s", "-c",
                      "f = open('/output/holes', 'wb'); f.truncate(200 << 20)\n"
                      "f.seek(100 << 20); f.write(b'abc'); f.close()")
    assert done["status"] == "ok", done
    (artifact,) = done["artifacts"]
    assert artifact["size"] == size
    kept = os.stat(artifact["file"])
    assert (kept.st_size, kept.st_blocks * 512 < room) == (size, True), kept
    target = str(tmp_path / "holes")
    assert house.cellblock("get", "s", "/output/holes", "-o", target).returncode == 0
    got = os.stat(target)
    assert (got.st_size, got.st_blocks * 512 < room) == (size, True), got
    digest = hashlib.sha256()
    with open(target, "rb") as file:
        for block in iter(lambda: file.read(MIB), b""):
            digest.update(block)
    assert digest.hexdigest() == artifact["sha256"]
    os.truncate(target, 64 * MIB)
    assert house.cellblock("put", "s", target).returncode == 0
    done = house.json("run", "-s", "s", "-c", "import os; s = os.stat('/work/holes')\n"
                      "print(s.st_size, s.st_blocks * 512 < 1 << 20)")
    assert done["outputs"][0]["text"] == "%d True\n" % (64 * MIB), done
