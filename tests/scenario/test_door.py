"""test_door.py - the control API's door: requests that make no sense, wrong signatures, replays,
bytes that are no protocol, and the bounds of the daemon."""
import json
import os
import signal
import socket
import time

import pytest
import zmq

import leaks
from wireclient import DELIMITER, Client, NoAnswer


@pytest.fixture
def amber(client):
    client.call("new", name="amber", wait=True)
    return client


# -- the door --------------------------------------------------------------------------------------

@pytest.mark.parametrize("verb, content, code, words", [
    ("show", {}, "invalid", "session"),
    ("show", {"session": "nobody"}, "not_found", "nobody"),
    ("show", {"session": "../x"}, "invalid", "session"),
    ("run", {"code": 7}, "invalid", "code"),
    ("run", {}, "invalid", "code"),
    ("run", {"code": "1", "nonsense": 1}, "invalid", "nonsense"),
    ("run", {"code": "1", "timeout_s": -1}, "invalid", "timeout_s"),
    ("run", {"code": "1", "profile": "nobody"}, "not_found", "nobody"),
    ("new", {"name": "a b"}, "invalid", "name"),
    ("new", {"inputs": [{"path": "relative"}]}, "invalid", "absolute"),
    ("stop", {}, "invalid", "all"),
    # A sentence that quotes is cut, and may be cut within a character.
    ("get", {"session": "amber", "path": "/z" + "\u00e4" * 200}, "invalid", "below /work"),
    ("get", {"session": "amber", "path": "/zz" + "\u00e4" * 200}, "invalid", "below /work"),
    ("get", {"session": "nobody", "path": "x"}, "not_found", "nobody")])
def test_requests_that_make_no_sense(client, verb, content, code, words):
    reply, _ = client.ask(verb, **content)
    assert reply.content["status"] == "error" and reply.content["ename"] == code, reply.content
    assert words in reply.content["evalue"], reply.content
    assert reply.content.get("refused", False) == (verb == "run")


def test_a_step_of_a_file_that_is_too_large(amber):
    reply, _ = amber.ask("put", buffers=(b"x" * 262145,), session="amber", path="x", eof=True)
    assert reply.content["ename"] == "limit", reply.content
    assert "262145" in reply.content["evalue"] and "several" in reply.content["evalue"]


def test_an_unknown_verb(client):
    request = client.send("dance")
    message = client.receive()
    assert (message.type, message.parent) == ("error_reply", request)
    assert message.content["ename"] == "unsupported" and "dance" in message.content["evalue"]


def test_a_name_that_is_taken(amber):
    reply, _ = amber.ask("new", name="amber")
    assert reply.content["ename"] == "exists"
    reply, _ = amber.ask("run", session="amber", code="1", inputs=[{"path": "/etc/passwd"}])
    assert reply.content["ename"] == "exists" and "put" in reply.content["evalue"]


def test_a_wrong_signature(daemon, client):
    stranger = Client(daemon.connection(), key="another key")
    header = stranger.header("hello_request")
    stranger.send_frames(stranger.frames(header, {}))
    stranger.key = daemon.connection()["key"].encode()
    reply, _ = stranger.wait(header["msg_id"], "hello")
    assert reply.content["ename"] == "denied" and "signature" in reply.content["evalue"]
    stranger.close()
    client.call("hello")


def test_a_replay(client):
    frames = client.frames(client.header("hello_request"), {})
    client.send_frames(frames)
    assert client.receive().content["status"] == "ok"
    client.send_frames(frames)
    message = client.receive()
    assert message.content["ename"] == "denied" and "replay" in message.content["evalue"]


@pytest.mark.parametrize("frames", [
    [b"x"], [b""], [DELIMITER], [DELIMITER, b"", b"{}", b"{}", b"{}"], [b"{}"] * 5,
    [DELIMITER, b"0" * 64, b"{", b"{}", b"{}", b"{}"]])
def test_frames_that_are_no_message(client, frames):
    client.send_frames(frames)
    message = client.receive()
    assert message.type == "error_reply" and message.content["status"] == "error"
    client.call("hello")


def test_json_that_is_none(client):
    header = client.header("hello_request")
    for content in (b"[]", b"{", b"\xff", b"{\"a\":1,\"a\":2}", b"[" * 5000):
        parts = [json.dumps(header).encode(), b"{}", b"{}", content]
        client.send_frames([DELIMITER, client.sign(parts)] + parts)
        assert client.receive().content["status"] == "error"
    client.call("hello")


def test_who_goes_on_with_nonsense_is_shut_out(daemon, client):
    monitor = daemon.client()
    for _ in range(40):
        monitor.send_frames([b"nonsense"])
    told = 1
    monitor.receive()
    with pytest.raises(NoAnswer):
        while True:
            monitor.receive(2)
            told += 1
    assert 1 <= told <= 40
    client.call("hello")


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 10000, b"\0" * 64,
    b"\xff" + b"\0" * 8 + b"\x7f\x03\x00NULL" + b"\0" * 16 + b"\0" * 32 + b"\x02" + b"\xff" * 8])
def test_bytes_that_are_no_zmtp(daemon, client, data):
    path = daemon.connection()["ip"] + "-1"
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(path)
        raw.sendall(data)
        raw.settimeout(120)
        try:
            while raw.recv(4096):
                pass
        except ConnectionError:
            pass
    client.call("hello")


def test_heartbeat(daemon):
    connection = daemon.connection()
    with zmq.Context() as context, context.socket(zmq.REQ) as beat:
        beat.linger = 0
        beat.connect("ipc://%s-5" % connection["ip"])
        for word in (b"ping", b"", b"x" * 1000):
            beat.send(word)
            assert beat.poll(120000) and beat.recv() == word


# -- bounds ----------------------------------------------------------------------------------------

def ticks_of_a_second(house):
    """What the broker burns of a processor, in ticks."""
    def ticks():
        with open("/proc/%d/stat" % house.connection()["pid"], encoding="ascii") as file:
            return sum(int(field) for field in file.read().split()[13:15])
    before = ticks()
    time.sleep(1)
    return ticks() - before


def test_no_descriptors_left(new_house, tmp_path):
    """Who comes when there are none waits outside; those who are in go on; no CPU is burnt."""
    house = new_house()
    wrapper = tmp_path / "few-descriptors"
    wrapper.write_text("#!/bin/sh\nexec prlimit --nofile=400:400 %s \"$@\"\n"
                       % house.program("cellblockd"))
    wrapper.chmod(0o755)
    house.start(program=str(wrapper))
    client = house.client()
    client.call("new", name="amber", wait=True)
    path = house.connection()["ip"] + "-1"
    crowd = []
    for _ in range(600):
        crowd.append(socket.socket(socket.AF_UNIX))
        crowd[-1].setblocking(False)
        try:
            crowd[-1].connect(path)
        except BlockingIOError:
            break
    # When it has taken in those whom it can.
    assert leaks.wait_for(lambda: ticks_of_a_second(house) < 30)
    assert client.run("1", session="amber")[0]["status"] == "ok"
    for one in crowd:
        one.close()
    assert house.client().run("2", session="amber")[0]["status"] == "ok"


def test_sessions_are_bounded(new_house):
    house = new_house().start("--set", "broker.sessions=2")
    client = house.client()
    client.call("new", name="a")
    client.call("new", name="b")
    for verb, content in (("new", {"name": "c"}), ("run", {"code": "1"})):
        reply, _ = client.ask(verb, **content)
        assert reply.content["ename"] == "limit" and "sessions" in reply.content["evalue"]
    client.call("stop", session="a")
    client.call("new", name="c")


def test_one_cell_after_the_other_where_one_session_is_allowed(new_house):
    """The answer comes before the jail is gone: the session that stops is not counted."""
    client = new_house().start("--set", "broker.sessions=1").client()
    for _ in range(6):
        reply, _ = client.ask("run", code="import subprocess; p = subprocess.Popen(['sleep', '9'])")
        assert reply.content["status"] == "ok", reply.content


def test_the_file_helper_dies(daemon, client):
    """The broker ends itself and the warden starts another one."""
    pid = daemon.connection()["pid"]
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
        helper = int(file.read().split()[0])
    os.kill(helper, signal.SIGKILL)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            if daemon.connection()["pid"] != pid:
                break
        except (OSError, ValueError):
            pass
        time.sleep(0.02)
    fresh = daemon.client()
    assert fresh.run("1 + 1")[0]["status"] == "ok"


def test_the_broker_dies(daemon, amber):
    """Its kernels live on with the next one, which serves (more of it in test_survival.py)."""
    pid = daemon.connection()["pid"]
    kernel = amber.call("show", session="amber")["pid"]
    assert amber.run("x = 1", session="amber")[0]["status"] == "ok"
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            if daemon.connection()["pid"] != pid:
                break
        except (OSError, ValueError):
            pass
        time.sleep(0.02)
    fresh = daemon.client()
    assert [one["pid"] for one in fresh.call("list")["sessions"]] == [kernel]
    assert fresh.run("assert x == 1", session="amber")[0]["status"] == "ok"


def test_a_reload(new_house, tmp_path):
    path = tmp_path / "cellblock.conf"
    path.write_text("[profile default]\nwall = 5 s\n")
    house = new_house().start("--config", str(path))
    client = house.client()
    assert client.call("new")["wall_s"] == 5
    path.write_text("[profile default]\nwall = 7 s\n")
    client.call("reload")
    assert client.call("new")["wall_s"] == 7
    path.write_text("[profile default]\nwull = 9 s\n")
    reply, _ = client.ask("reload")
    assert reply.content["status"] == "error" and "wall" in reply.content["evalue"]
    assert client.call("new")["wall_s"] == 7, "what was in force stays in force"
