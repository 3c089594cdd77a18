"""test_protocol.py - cellblock-protocol(7) as it is: its example, every verb, broken clients.

Those who break the rules must not disturb those who keep them."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import zmq

from house import WALL_SECONDS
from wireclient import HOLD, Client, NoAnswer, endpoint, let_go, stream_text

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGE = os.path.join(TOP, "doc", "cellblock-protocol.7")
MIB = 1024 * 1024


def page_example():
    """The client on the page, with roff's escapes undone."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    example = re.search(r"in the source:\n\.Bd -literal\n(.*?)\.Ed", text, re.S).group(1)
    return example.replace("\\e", "\\").replace("\\\\", "\\")


def refused(reply, code, *words):
    """Asserts that a reply is an error of this code whose sentence has these words."""
    content = getattr(reply, "content", reply)
    assert content["status"] == "error", content
    assert content["ename"] == code, content
    assert content["traceback"] == []
    for word in words:
        assert word in content["evalue"], content
    return content


def wait_until(true, seconds=120.0):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


@pytest.fixture
def second(daemon):
    """Somebody else's connection, to see that it is not disturbed."""
    with Client(daemon.connection()) as other:
        yield other
        assert other.call("hello")["protocol"] == 1


def test_the_example_of_the_page(daemon):
    env = dict(daemon.env, CELLBLOCK_RUNTIME_DIR=daemon.runtime_dir)
    run = subprocess.run(["/usr/bin/python3", "-c", page_example()], env=env, timeout=240,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "42\nerror ZeroDivisionError None\nrun_reply None error\n"


def test_the_whole_client(daemon, client):
    """examples/client.py: events as they come, an interrupt, files; it leaves nothing behind."""
    run = [sys.executable, os.path.join(TOP, "examples", "client.py")]
    env = dict(daemon.env, CELLBLOCK_RUNTIME_DIR=daemon.runtime_dir)
    done = subprocess.run(run, env=env, timeout=240, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "0\n1\n2\n3\n4\n" in done.stdout and "=> 42\n" in done.stdout
    assert "ZeroDivisionError: division by zero" in done.stdout
    assert "after all this, answer is 42" in done.stdout
    assert done.stdout.endswith("393216 bytes went there and came back turned around\n")
    assert client.call("list")["sessions"] == []


def test_the_whole_client_without_a_daemon(house):
    env = dict(house.env, CELLBLOCK_RUNTIME_DIR=house.runtime_dir)
    done = subprocess.run([sys.executable, os.path.join(TOP, "examples", "client.py")], env=env,
                          timeout=240, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("client.py: no daemon runs in "), done.stderr


def test_daemon_verbs(daemon, client):
    connection = daemon.connection()
    hello = client.call("hello")
    assert hello == {"status": "ok", "protocol": 1, "version": connection["version"],
                     "implementation": "cellblock"}
    status = client.call("status")
    for name in ("version", "pid", "warden_pid", "state_dir"):
        assert status[name] == connection[name]
    assert status["sessions"] == 0 and status["clients"] >= 1 and status["uptime_s"] >= 0
    assert os.path.exists(status["log"]) or status["log"]
    assert status["limits"]["sessions"] > 0
    assert client.call("reload") == {"status": "ok"}


def test_session_verbs(client):
    made = client.call("new", name="one", wait=True)
    assert made == {"status": "ok", "session": "one", "profile": "default", "wall_s": WALL_SECONDS,
                    "workdir": None}
    refused(client.ask("new", name="one")[0], "exists", "one")
    info = client.call("show", session="one")
    assert info["state"] == "idle" and info["name"] == "one" and info["pid"] > 0
    for name in ("profile created idle_s executions queued clients restarts ephemeral uid layers "
                 "limits inputs connection_file").split():
        assert name in info, name
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", info["created"])
    listed = client.call("list")["sessions"]
    assert [session["name"] for session in listed] == ["one"]
    with open(info["connection_file"], encoding="utf-8") as file:
        assert json.load(file)["signature_scheme"] == "hmac-sha256"
    assert client.call("interrupt", session="one")["interrupted"] is False
    client.call("run", code="x = 1", session="one")
    client.call("restart", session="one")
    assert client.run("x", session="one")[0]["error"]["ename"] == "NameError"
    assert client.call("show", session="one")["restarts"] >= 1
    client.call("stop", session="one")
    refused(client.ask("show", session="one")[0], "not_found", "one")
    client.call("new", name="two")
    assert client.call("stop", all=True)["stopped"] == 1
    assert client.call("list")["sessions"] == []


def test_a_run_and_its_events(client):
    result, events = client.run("print('a'); display(1); 2")
    types = [event.type for event in events]
    assert types == ["start", "status", "execute_input", "stream", "display_data",
                     "execute_result", "status"]
    assert set(events[0].content) == {"session", "run", "profile"}
    assert events[0].content["run"] == result["run"]
    assert set(result) == {"session", "profile", "layers", "run", "status", "execution_count",
                           "findings", "usage", "artifacts"}
    assert result["status"] == "ok" and result["execution_count"] == 1
    wait_until(lambda: client.call("list")["sessions"] == [])


def test_runs_wait_for_each_other(client):
    client.call("new", name="q", wait=True)
    first = client.send("run", {"session": "q", "code": HOLD + "print(1)"})
    second_one = client.send("run", {"session": "q", "code": "print(2)"})
    with Client(client.connection) as other:
        let_go(other, "q")
    events, replies = [], {}
    while len(replies) < 2:
        message = client.receive()
        if message.type == "run_reply":
            replies[message.parent] = message.content
        else:
            events.append(message)
    queued = [event for event in events if event.type == "queued"]
    assert [event.parent for event in queued] == [second_one]
    assert queued[0].content["ahead"] == 1 and queued[0].content["session"] == "q"
    prints = [event.parent for event in events if event.type == "stream"]
    assert prints == [first, second_one]
    assert {reply["status"] for reply in replies.values()} == {"ok"}


def test_an_interrupt_finds_the_fresh_session(client):
    run = client.send("run", {"code": "while True: pass"})
    start = client.receive()
    assert start.type == "start" and start.parent == run
    while client.receive().type != "execute_input":
        pass
    stop = client.send("interrupt", {"session": start.content["session"]})
    seen = {}
    while run not in seen:
        message = client.receive()
        if message.type.endswith("_reply"):
            seen[message.parent] = message.content
    assert seen[stop]["interrupted"] is True
    assert seen[run]["status"] == "interrupted"


def test_files_in_steps(client):
    client.call("new", name="f", wait=True)
    data = os.urandom(600000)
    step = 262144
    for at in range(0, len(data), step):
        block = data[at:at + step]
        reply, _ = client.ask("put", buffers=[block], session="f", path="work/data.bin", offset=at,
                              eof=at + step >= len(data))
        assert reply.content == {"status": "ok", "size": at + len(block)}
    got, eof = b"", False
    while not eof:
        reply, _ = client.ask("get", session="f", path="/work/data.bin", offset=len(got))
        assert reply.content["size"] == len(data)
        got, eof = got + reply.buffers[0], reply.content["eof"]
    assert got == data
    files = client.call("files", session="f")
    assert {"path": "work/data.bin", "size": len(data)} in files["files"]
    refused(client.ask("get", session="f", path="nothing")[0], "not_found")
    refused(client.ask("get", session="f", path="/etc/passwd")[0], "invalid")
    refused(client.ask("get", session="f", path="work/../../etc/passwd")[0], "invalid")
    refused(client.ask("put", session="f", path="x")[0], "invalid", "buffer")
    large, _ = client.ask("put", buffers=[b"x" * (step + 1)], session="f", path="x")
    refused(large, "limit", str(step))


def test_files_wait_for_the_start(client):
    client.send("new", {"name": "f"})
    reply, _ = client.ask("put", buffers=[b"kept"], session="f", path="x")
    assert reply.content == {"status": "ok", "size": 4}
    client.send("restart", {"session": "f"})
    refused(client.ask("get", session="f", path="x")[0], "not_found")


def test_files_of_a_dead_session(client):
    client.call("new", name="f", wait=True)
    for _ in range(4):
        client.run("import os; os._exit(7)", session="f")
    for verb, buffers in (("put", [b"x"]), ("get", []), ("files", [])):
        content = {"path": "x"} if verb != "files" else {}
        reply, _ = client.ask(verb, buffers=buffers, session="f", **content)
        refused(reply, "gone", "dead", "cellblock restart f")
    client.call("restart", session="f")
    reply, _ = client.ask("put", buffers=[b"x"], session="f", path="x")
    assert reply.content["status"] == "ok"


@pytest.mark.parametrize("verb, content, code, word", [
    ("run", {}, "invalid", "code"),
    ("run", {"code": 5}, "invalid", "code"),
    ("run", {"code": "1", "sesion": "x"}, "invalid", "sesion"),
    ("run", {"code": "1", "session": "../x"}, "invalid", "session"),
    ("run", {"code": "1", "session": "x" * 5000}, "limit", "session"),
    ("run", {"code": "1", "timeout_s": -1}, "invalid", "timeout_s"),
    ("run", {"code": "1", "timeout_s": "1"}, "invalid", "timeout_s"),
    ("run", {"code": "1", "profile": "nobody"}, "not_found", "nobody"),
    ("run", {"code": "1", "inputs": [{"path": "relative"}]}, "invalid", "relative"),
    ("run", {"code": "1", "inputs": [{"path": "/a"}] * 17}, "limit", "inputs"),
    ("run", {"code": "a\0b"}, "invalid", "code"),
    ("run", {"code": "x" * (8 * MIB + 1)}, "limit", "code"),
    ("stop", {}, "invalid", "all"),
    ("show", {"session": None}, "invalid", "session"),
    ("nonsense", {}, "unsupported", "nonsense_request"),
])
def test_refusals(client, verb, content, code, word):
    request = client.send(verb, content)
    reply = client.receive()
    assert reply.parent == request
    refused(reply, code, word)
    assert ("refused" in reply.content) == (verb == "run")
    assert client.call("hello")["protocol"] == 1


def test_a_wrong_signature(daemon, client, second):
    with Client(daemon.connection(), key="not the key") as stranger:
        stranger.send("run", {"code": "print(1)", "session": "stolen"})
        frames = stranger.socket.recv_multipart()
        assert json.loads(frames[-1])["ename"] == "denied"
    assert client.call("list")["sessions"] == []
    assert second.call("hello")["protocol"] == 1


def test_a_replay(client, second):
    frames = client.frames(client.header("new_request"), {"name": "once"})
    client.send_frames(frames)
    assert client.receive().content["status"] == "ok"
    client.send_frames(frames)
    refused(client.receive(), "denied", "replay")
    second.send_frames(frames)
    refused(second.receive(), "denied", "replay")
    client.call("stop", session="once")
    client.send_frames(frames)
    refused(client.receive(), "denied", "replay")
    assert client.call("list")["sessions"] == []


def test_a_changed_content_under_an_old_signature(client):
    frames = client.frames(client.header("new_request"), {"name": "one"})
    frames[-1] = b'{"name": "two"}'
    client.send_frames(frames)
    refused(client.receive(), "denied")
    assert client.call("list")["sessions"] == []


def broken_messages(client):
    """Messages that no reader can accept, most of them signed well."""
    def signed(*parts):
        return [b"<IDS|MSG>", client.sign(parts)] + list(parts)
    header = json.dumps(client.header("hello_request")).encode()
    yield [b""]
    yield [b"<IDS|MSG>"]
    yield [b"<IDS|MSG>", b"", header, b"{}", b"{}", b"{}"]
    yield [b"x"] * 12
    yield signed(header, b"{}", b"{}")
    yield signed(b"{", b"{}", b"{}", b"{}")
    yield signed(b"[]", b"{}", b"{}", b"{}")
    yield signed(b"{}", b"{}", b"{}", b"{}")
    yield signed(header, b"null", b"{}", b"{}")
    yield signed(header, b"{}", b"{}", b"{'a': 1}")
    yield signed(header, b"{}", b"{}", b'{"a": \xff}')
    yield signed(header, b"{}", b"{}", b'{"a":' + b"[" * 100 + b"]" * 100 + b"}")
    yield signed(header.replace(b'"username"', b'"msg_id": "b", "username"'), b"{}", b"{}", b"{}")


def test_broken_messages(client, second):
    for frames in broken_messages(client):
        client.send_frames(frames)
        reply = client.receive()
        assert reply.type in ("error_reply", "hello_reply")
        assert reply.content["status"] == "error" and reply.content["evalue"]
    assert client.call("hello")["protocol"] == 1
    assert second.call("hello")["protocol"] == 1


def test_who_never_stops_is_shut_out(daemon, second):
    with Client(daemon.connection()) as bad:
        bad.socket.setsockopt(zmq.RECONNECT_IVL, -1)
        for _ in range(40):
            bad.send_frames([b"garbage"])
        with pytest.raises(NoAnswer):
            for _ in range(40):
                assert bad.receive(2.0).content["status"] == "error"
    assert second.call("hello")["protocol"] == 1


@pytest.mark.parametrize("frames", [
    [b"x" * (33 * MIB)],
    [b"<IDS|MSG>"] + [b"x"] * 200,
    [b"<IDS|MSG>"] + [b"x" * MIB] * 50,
], ids=["frame", "frames", "message"])
def test_sizes_over_the_bounds_close_the_connection(daemon, second, frames):
    with Client(daemon.connection()) as bad:
        bad.send_frames(frames)
        wait_until(lambda: "a client broke the protocol" in daemon.log())
        assert second.call("hello")["protocol"] == 1


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100, os.urandom(3000),
                                  b"\xff" + b"\0" * 8 + b"\x7f" + b"\3\1NULL" + b"\xff" * 60])
def test_bytes_that_are_no_zmtp(daemon, second, data):
    path = endpoint(daemon.connection(), "shell")[len("ipc://"):]
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(120)
        raw.connect(path)
        raw.sendall(data)
        assert second.call("hello")["protocol"] == 1
        if data:
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    assert second.call("hello")["protocol"] == 1


def test_heartbeat(daemon):
    context = zmq.Context()
    beat = context.socket(zmq.REQ)
    beat.linger = 0
    beat.connect(endpoint(daemon.connection(), "hb"))
    for word in (b"", b"ping", os.urandom(500)):
        beat.send(word)
        assert beat.poll(120000)
        assert beat.recv() == word
    beat.close()
    context.term()


def test_a_client_vanishes_in_its_cell(daemon, client):
    with Client(daemon.connection()) as gone:
        for session in ({}, {"session": "kept"}):
            gone.send("run", dict(session, code="import time\nprint(1, flush=True)\n"
                                                "time.sleep(1)\nx = 7"))
        seen = 0
        while seen < 2:
            seen += gone.receive().type == "stream"
    wait_until(lambda: [s["name"] for s in client.call("list")["sessions"]] == ["kept"])
    result, events = client.run("print(x)", session="kept")
    assert result["status"] == "ok" and stream_text(events) == "7\n"


def test_who_does_not_read_loses_and_is_told(daemon, client):
    """70 MiB in runs of 30 towards a queue of 64: some is lost, the replies are not."""
    with Client(daemon.connection()) as slow:
        slow.socket.close()
        slow.socket = slow.context.socket(zmq.DEALER)
        slow.socket.linger = 0
        slow.socket.setsockopt(zmq.RCVHWM, 1)
        slow.socket.setsockopt(zmq.RCVBUF, 4096)
        slow.socket.connect(endpoint(daemon.connection(), "shell"))
        slow.call("new", name="big", wait=True)
        runs = [slow.send("run", {"session": "big", "code": "print('x' * %d)" % (30 * MIB)})
                for _ in range(5)]
        wait_until(lambda: client.call("show", session="big")["executions"] == len(runs))
        wait_until(lambda: client.call("show", session="big")["state"] == "idle"
                   and client.call("show", session="big")["queued"] == 0)
        replies, lost, text = [], 0, 0
        while len(replies) < len(runs):
            message = slow.receive()
            if message.type == "run_reply":
                replies.append(message.parent)
                assert message.content["status"] == "ok"
            elif message.type == "lost":
                lost += message.content["bytes"]
                assert message.content["messages"] > 0
            elif message.type == "stream":
                text += len(message.content["text"])
        assert replies == runs
        assert lost > 0 and text + lost >= 5 * 30 * MIB * 0.99


@pytest.fixture
def example(build):
    path = os.path.join(build, "examples", "client")
    if not os.path.exists(path):
        pytest.skip("examples/client is not built (make check builds it)")
    return path


def test_libcellblock_example(daemon, example):
    env = dict(daemon.env, CELLBLOCK_RUNTIME_DIR=daemon.runtime_dir)
    run = subprocess.run([example], input="print(6 * 7)", env=env, timeout=240, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 0, run.stderr
    lines = [line.split(None, 1) for line in run.stdout.splitlines()]
    assert [line[0] for line in lines] == ["start", "status", "execute_input", "stream", "status",
                                           "run_reply"]
    assert json.loads(lines[3][1])["text"] == "42\n"


def test_libcellblock_sees_the_daemon_die(daemon, example):
    env = dict(daemon.env, CELLBLOCK_RUNTIME_DIR=daemon.runtime_dir)
    with subprocess.Popen([example], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=env, text=True) as run:
        run.stdin.write("import time; print(1, flush=True); time.sleep(1000)")
        run.stdin.close()
        while not run.stdout.readline().startswith("stream"):
            pass
        os.kill(daemon.connection()["warden_pid"], signal.SIGKILL)
        assert run.wait(120) == 1
        assert "closed the connection" in run.stderr.read()
