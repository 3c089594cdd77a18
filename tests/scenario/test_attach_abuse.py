"""test_attach_abuse.py - clients that attach and behave badly: everybody else is undisturbed, the
broker stays small, its log stays short."""
import os
import random
import struct
import time

import pytest
import zmq

import leaks
from attached import (GREETING, MIB, SECONDS, Raw, attach, command, connection_file, dial,
                      everything, iopub_until_idle, is_closed, memory, reply_to, run, text_of)
from test_abuse import is_sanitized
from wireclient import HOLD, let_go


@pytest.fixture
def amber(daemon, client):
    client.call("new", name="amber", wait=True)
    return daemon


@pytest.fixture
def good(amber):
    made = attach(amber)
    before = memory(amber)
    yield made
    assert run(made, "6 * 7")[0]["status"] == "ok"
    assert memory(amber) - before < 200 * MIB or is_sanitized(amber)
    assert len(amber.log().splitlines()) < 60, amber.log()
    made.stop_channels()


class Slow(Raw):
    """Reads iopub only when it is asked to, and keeps little itself."""

    def __init__(self, house, **more):
        super().__init__(connection_file(house), RCVHWM=1, RCVBUF=4096, **more)
        self.subscribed()


def test_a_slow_reader_is_told_what_it_lost(new_house):
    """Output of 76 MB: 64 MiB wait for it, the rest is counted, the idle comes."""
    house = new_house().start("--set", "profile.default.output=100 MiB")
    house.client().call("new", name="amber", wait=True)
    quick = attach(house)
    slow = Slow(house)
    line = "y" * 99999
    reply, seen = run(quick, "import time\nfor i in range(760):\n    print('%s', flush=True)\n"
                             "    time.sleep(0.01)" % line)
    assert reply["status"] == "ok" and text_of(seen) == (line + "\n") * 760
    assert text_of(seen, "stderr") == ""
    kept, notes, idle = 0, [], False
    lost_at = None
    while not idle:
        message = slow.receive("iopub")
        content = message["content"]
        if message["parent_header"]["msg_type"] != "execute_request":
            continue
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            kept += content["text"].count("\n")
            assert not notes, "nothing more of the cell after the note"
        elif message["msg_type"] == "stream":
            notes.append(content["text"])
            lost_at = message["parent_header"]["msg_id"]
        idle = content.get("execution_state") == "idle"
    assert len(notes) == 1 and "cellblock: this client read too slowly" in notes[0]
    assert 300 < kept < 760 and lost_at
    after = run(quick, "print('again')")[0]
    assert after["status"] == "ok"
    while (message := slow.receive("iopub"))["content"].get("text") != "again\n":
        pass
    slow.close()
    quick.stop_channels()


# 30 MB, 1 MB at a time: so much waits for whoever reads, however much the others left of the rest.
STEPS = "for step in range(30):\n    " + HOLD.strip().replace("\n", "\n    ") + """
    for i in range(10):
        print('y' * 99999, flush=True)"""


def read_in_steps(client, one):
    """What it prints, on both streams; the next step comes when one was read."""
    msg_id, text = one.execute(STEPS), {"stdout": 0, "stderr": 0}
    for step in range(1, 31):
        let_go(client, "amber")
        while text["stdout"] < step * 1000000 and not text["stderr"]:
            message = one.get_iopub_msg(timeout=SECONDS)
            if (message["msg_type"], message["parent_header"]["msg_id"]) == ("stream", msg_id):
                text[message["content"]["name"]] += len(message["content"]["text"])
    assert reply_to(one, msg_id)["status"] == "ok"
    iopub_until_idle(one, msg_id)
    return text


def test_eight_that_never_read(new_house):
    house = new_house().start()
    client = house.client()
    client.call("new", name="amber", wait=True)
    quick = attach(house)
    deaf = [Slow(house) for _ in range(8)]
    for _ in range(5):
        assert read_in_steps(client, quick) == {"stdout": 300 * 100000, "stderr": 0}
    assert memory(house) < 500 * MIB or is_sanitized(house)
    for one in deaf:
        one.close()
    quick.stop_channels()


def test_garbage(amber, good):
    noise = random.Random(7)
    for channel in ("shell", "iopub", "stdin", "control", "hb"):
        for before in (b"", GREETING):
            connection = dial(amber, channel)
            try:
                connection.sendall(before + noise.randbytes(4000))
            except OSError:
                pass
            assert is_closed(connection), channel
            connection.close()


def test_messages_that_make_no_sense(amber, good):
    """Unsigned, signed with another key, replayed, too few frames, not JSON; then it is shut
    out."""
    with Raw(connection_file(amber)) as bad:
        frames = bad.session.serialize(bad.session.msg("kernel_info_request"))
        bad.socket("shell").send_multipart(frames)
        assert bad.receive("shell")["msg_type"] == "kernel_info_reply"
        bad.socket("shell").send_multipart(frames)
        bad.socket("shell").send_multipart([b"<IDS|MSG>"])
        bad.socket("shell").send_multipart([b"no", b"delimiter"] * 5)
        bad.socket("shell").send_multipart([frames[0], b"0" * 64] + frames[2:])
        bad.socket("shell").send_multipart([frames[0], b""] + frames[2:])
        assert bad.receive("shell", 0.5) is None
        assert leaks.wait_for(lambda: "cannot be accepted" in amber.log())
    connection = dial(amber, "shell", b"DEALER")
    connection.sendall(b"\x00\x05noise" * 15)
    assert not is_closed(connection, 0.5)
    connection.sendall(b"\x00\x05noise")
    assert is_closed(connection)
    connection.close()


def test_requests_that_do_not_belong(amber, good):
    with Raw(connection_file(amber)) as bad:
        asked = bad.send("shell", "interrupt_request")
        assert bad.receive("shell")["content"]["status"] == "error" and asked
        for content in ({}, {"code": 1}, {"code": "1", "allow_stdin": "yes"}):
            reply = bad.reply(bad.send("shell", "execute_request", content))["content"]
            assert (reply["status"], reply["ename"]) == ("error", "invalid"), content
        bad.send("stdin", "execute_request", {"code": "print('stdin')"})
        bad.send("shell", "input_reply", {"value": "x"})
        msg_id = bad.execute("1")
        assert bad.reply(msg_id)["content"]["status"] == "ok"
        empty = bad.reply(bad.send("shell", "complete_request", {}))
        assert empty["content"]["evalue"] == "the kernel gave no answer"
    assert "stdin" not in text_of([(message["msg_type"], message["content"])
                                   for message in everything(good)])


def test_a_routing_id_is_for_one_connection(amber, good):
    first = Raw(connection_file(amber), identity=b"me")
    assert first.reply(first.send("shell", "kernel_info_request"))
    second = dial(amber, "shell", b"DEALER", b"me")
    assert is_closed(second)
    assert leaks.wait_for(lambda: "same routing id" in amber.log())
    assert first.reply(first.execute("1"))["content"]["status"] == "ok"
    first.close()
    with Raw(connection_file(amber), identity=b"me") as third:
        assert third.insist("2")["content"]["status"] == "ok"
    second.close()


def test_a_million_topics(amber, good):
    connection = dial(amber, "iopub", b"SUB")
    sent = 0
    try:
        for start in range(0, 1000000, 1000):
            frames = b"".join(b"\x00\x09\x01%08d" % number
                              for number in range(start, start + 1000))
            connection.sendall(frames)
            sent += 1000
    except OSError:
        pass
    assert is_closed(connection) and sent < 1000000
    connection.close()
    with Raw(connection_file(amber), topics=[b"%d" % number for number in range(200)] + [b""]) \
            as modest:
        modest.subscribed()


@pytest.mark.parametrize("channel", ["shell", "stdin", "control", "iopub"])
def test_a_frame_of_a_gigabyte(amber, good, channel):
    kind = b"SUB" if channel == "iopub" else b"DEALER"
    connection = dial(amber, channel, kind)
    try:
        connection.sendall(b"\x02" + struct.pack(">Q", 1 << 30))
        for _ in range(64):
            connection.sendall(bytes(MIB))
    except OSError:
        pass
    assert is_closed(connection)
    connection.close()


def test_frames_that_go_on_for_ever(amber, good):
    connection = dial(amber, "shell", b"DEALER")
    try:
        for _ in range(40):
            connection.sendall((b"\x03" + struct.pack(">Q", MIB) + bytes(MIB)))
    except OSError:
        pass
    assert is_closed(connection)
    connection.close()


CROWD = (("shell", b"DEALER"), ("iopub", b"SUB"), ("control", b"DEALER"))


def test_a_thousand_connections(amber, good):
    """512 a session: the others are closed at once, and there is room again when they go."""
    crowd = []
    for number in range(1000):
        try:
            crowd.append(dial(amber, *CROWD[number % 3]))
        except OSError:
            pass
    assert run(good, "1")[0]["status"] == "ok"
    assert leaks.wait_for(lambda: sum(not is_closed(one, 0.005) for one in crowd) <= 512)
    for one in crowd:
        one.close()
    with Raw(connection_file(amber)) as late:
        assert late.insist("1")["content"]["status"] == "ok"


def test_a_flood_of_requests(amber, client, good):
    """What is over a guest's share is refused with a reply; others are served in between."""
    with Raw(connection_file(amber)) as flood:
        flood.socket("shell").setsockopt(zmq.SNDHWM, 0)
        first = flood.execute(HOLD)
        asked = [flood.execute("1") for _ in range(1500)]
        last = flood.send("shell", "kernel_info_request")
        states = {}
        while len(states) < 1502:
            message = flood.receive("shell")
            assert message is not None
            states[message["parent_header"]["msg_id"]] = message["content"]["status"]
            if message["parent_header"]["msg_id"] == last:  # all have been looked at
                let_go(client, "amber")
        del states[last]
        assert states[first] == "ok" and set(states) == {first, *asked}
        refused = sum(state == "error" for state in states.values())
        assert 900 <= refused <= 1000


def test_replies_that_nobody_reads(amber, client, good):
    """Histories of a MiB each, never read: 64 MiB wait, the rest is dropped."""
    flood = Raw(connection_file(amber), RCVHWM=1, RCVBUF=4096)
    flood.reply(flood.execute("big = 'x' * (1 << 20)"))
    for _ in range(100):
        flood.execute("1", user_expressions={"big": "big"})
    flood.send("control", "kernel_info_request")
    time.sleep(0.5)
    msg_id = good.execute("2")
    assert reply_to(good, msg_id)["status"] == "ok"
    iopub_until_idle(good, msg_id)
    assert leaks.wait_for(lambda: client.call("show", session="amber")["state"] == "idle", 120)
    flood.close()


def test_pings_without_end(amber, good):
    connection = dial(amber, "iopub", b"SUB")
    ping = command(b"PING", struct.pack(">H", 10) + b"x")
    try:
        for _ in range(1000):
            connection.sendall(ping * 100)
    except OSError:
        pass
    connection.close()


def test_nobody_finishes_the_handshake(amber, good):
    halves = [dial(amber, "shell") for _ in range(20)]
    for one in halves:
        one.sendall(GREETING[:11])
    assert run(good, "1")[0]["status"] == "ok"
    assert all(is_closed(one) for one in halves)
    for one in halves:
        one.close()


def test_the_socket_files_are_private(amber):
    for number in range(1, 6):
        status = os.stat("%s/s-amber-%d" % (amber.runtime_dir, number))
        assert status.st_mode & 0o077 == 0
