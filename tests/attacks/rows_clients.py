"""rows_clients.py - attacks by those who reach the daemon's sockets: forged and replayed messages.

There is no cell: prepare does it and asserts how it ends.
"""
import json
import os
import socket
import stat
import time

import wireclient
from attached import Raw
from table import BLOCKED, LIMITED, attack

CONTROL = "there is no daemon without a daemon"


def wrong_key(scene):
    """Signed with another key: refused, nothing runs."""
    connection = scene.arena.house.connection()
    with wireclient.Client(connection, key="0" * 64) as client:
        client.send("run", {"code": "open('/work/forged', 'w')", "session": scene.session})
        client.key = connection["key"].encode()
        assert client.receive().content["ename"] == "denied"
    assert "work/forged" not in scene.files()


def replay(scene):
    """The same signed bytes twice: they count once."""
    with scene.arena.house.client() as client:
        frames = client.frames(client.header("run_request"), {
            "code": "open('/work/times', 'a').write('x')", "session": scene.session})
        client.send_frames(frames)
        client.send_frames(frames)
        answers = []
        while len(answers) < 2:
            message = client.receive()
            answers += [message.content.get("ename", "ok")] * message.type.endswith("_reply")
        assert sorted(answers) == ["denied", "ok"], answers
    with scene.arena.house.client() as other:
        other.send_frames(frames)
        assert other.receive().content["ename"] == "denied"
    assert scene.files()["work/times"] == 1


def replay_attached(scene):
    """An attached Jupyter client's execute_request, recorded and sent again by another."""
    with Raw(scene.connection_file()) as guest, Raw(scene.connection_file()) as thief:
        message = guest.session.msg("execute_request", {
            "code": "open('/work/times-2', 'a').write('x')", "silent": False,
            "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True})
        frames = guest.session.serialize(message)
        guest.socket("shell").send_multipart(frames)
        guest.reply(message["header"]["msg_id"])
        for channel in ("shell", "control"):
            thief.socket(channel).send_multipart(frames)
        thief.send("shell", "kernel_info_request")
        assert thief.receive("shell")["msg_type"] != "execute_reply"
    assert scene.files()["work/times-2"] == 1


def other_sessions_key(scene):
    """One session's key does not open another."""
    with Raw(scene.connection_file("calm")) as thief, Raw(scene.connection_file()) as own:
        thief.session.key = own.session.key
        message = thief.execute("treasure = 'stolen'")
        answer = thief.receive("shell", 1)
        assert answer is None or answer["parent_header"].get("msg_id") != message


def somebody_elses_reply(scene):
    """A client that takes another's routing id gets none of its answers, nor its place."""
    with Raw(scene.connection_file()) as guest:
        guest.reply(guest.send("shell", "kernel_info_request"))
        asked = guest.execute("import time; time.sleep(1); 'forty-two'")
        with Raw(scene.connection_file(), identity=guest.identity) as thief:
            thief.send("shell", "kernel_info_request")
            answer = thief.receive("shell", 2)
            assert answer is None or answer["parent_header"].get("msg_id") != asked
        assert guest.reply(asked)["content"]["status"] == "ok"


def garbage(scene):
    """Bytes that are no ZMTP, and too much of it, on every socket there is."""
    doors = [os.path.join(at, name) for at, _, names in os.walk(scene.arena.house.runtime_dir)
             for name in names if stat.S_ISSOCK(os.lstat(os.path.join(at, name)).st_mode)]
    assert len(doors) > 5
    for path in doors:
        for data in (b"\xff" * 100000, b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, b""):
            with socket.socket(socket.AF_UNIX) as door:
                door.settimeout(5)
                try:
                    door.connect(path)
                    door.sendall(data)
                except OSError:
                    pass


def silent_crowd(scene):
    """Two hundred connections that say nothing keep nobody out for ever."""
    path = wireclient.endpoint(scene.arena.house.connection(), "shell")[len("ipc://"):]
    crowd = []
    for _ in range(200):
        door = socket.socket(socket.AF_UNIX)
        door.setblocking(False)
        crowd.append(door)
        try:
            door.connect(path)
        except OSError:
            break
    scene.arena.calm_is_well()
    for door in crowd:
        door.close()


def closed_to_strangers(scene):
    """Nobody but the owner reaches folder, sockets and keys."""
    for folder in (scene.arena.house.runtime_dir, scene.arena.house.state_dir):
        for at, _, names in os.walk(folder):
            assert not os.stat(folder).st_mode & 0o077, folder
            for name in names:
                mode = os.lstat(os.path.join(at, name)).st_mode
                assert not mode & 0o077 or stat.S_ISSOCK(mode), os.path.join(at, name)


def slow_reader(scene):
    """A client that reads nothing while a cell prints: the others are served, memory is bounded."""
    with scene.arena.house.client() as lazy:
        lazy.send("run", {"code": "print('x' * (30 << 20))", "session": scene.session})
        until = time.monotonic() + 20
        while scene.show()["executions"] < 1 and time.monotonic() < until:
            time.sleep(0.05)
        scene.arena.calm_is_well()
    assert scene.arena.broker_grown() < 200


def wide_json(scene):
    """Requests at the bounds and over them: an answer or the end of the connection, no more."""
    with scene.arena.house.client() as client:
        deep = "[" * 70000 + "]" * 70000
        parts = [json.dumps(client.header("run_request")).encode(), b"{}", b"{}",
                 b'{"code": %s}' % deep.encode()]
        client.send_frames([wireclient.DELIMITER, client.sign(parts)] + parts)
        assert client.receive().content["status"] == "error"
        reply, _ = client.ask("run", code="x" * (8 << 20) + "yz", session=scene.session)
        assert reply.content["ename"] in ("limit", "invalid"), reply.content


OUTSIDE = {"control": CONTROL, "alone": True}

attack("client: signs with another key", BLOCKED, prepare=wrong_key, **OUTSIDE)
attack("client: replays a signed message", BLOCKED, prepare=replay, **OUTSIDE)
attack("client: replays an attached client's message", BLOCKED, prepare=replay_attached, **OUTSIDE)
attack("client: uses one session's key for another", BLOCKED, prepare=other_sessions_key,
       **OUTSIDE)
attack("client: takes another's routing id", BLOCKED, prepare=somebody_elses_reply, **OUTSIDE)
attack("client: sends garbage to every socket", BLOCKED, prepare=garbage, **OUTSIDE)
attack("client: sends JSON over its bounds", BLOCKED, prepare=wide_json, **OUTSIDE)
attack("client: a crowd that says nothing", LIMITED, prepare=silent_crowd, **OUTSIDE)
attack("client: a reader that does not read", LIMITED, prepare=slow_reader, **OUTSIDE)
attack("stranger: walks into the daemon's folders", BLOCKED, prepare=closed_to_strangers,
       **OUTSIDE)
