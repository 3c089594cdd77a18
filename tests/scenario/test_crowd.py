"""test_crowd.py - one who takes all there is: unfinished requests, answers that nobody reads, full
queues, lines in the log. Whoever behaves is served as if nobody else were there; towards attached
clients and towards the control API."""
import socket
import struct
import time

import pytest
import zmq

import leaks
from attached import (GREETING, MIB, Raw, attach, connection_file, dial, is_closed, memory, ready,
                      reply_to, run, text_of)
from test_abuse import is_sanitized
from wireclient import Client, endpoint, stream_text

SECONDS = 120


@pytest.fixture
def amber(daemon, client):
    client.call("new", name="amber", wait=True)
    return daemon


@pytest.fixture
def good(amber):
    """Works before and after; the broker is not larger than its bounds, its log is short."""
    made = attach(amber)
    before, lines = memory(amber), len(amber.log().splitlines())
    yield made
    assert run(made, "6 * 7", SECONDS)[0]["status"] == "ok"
    assert memory(amber) - before < 500 * MIB or is_sanitized(amber)
    assert len(amber.log().splitlines()) - lines < 60, amber.log()
    made.stop_channels()


def fill(connection, size):
    """The beginning of a frame that never ends."""
    try:
        connection.sendall(b"\x03" + struct.pack(">Q", size + 1000))
        while size > 0:
            connection.sendall(bytes(min(size, MIB)))
            size -= MIB
    except OSError:
        pass


def dial_control(house):
    """A plain connection to the control API; the broker takes them in as it comes to it."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(120)
    until = time.monotonic() + 120
    while True:
        try:
            made.connect(endpoint(house.connection(), "shell")[len("ipc://"):])
            made.sendall(GREETING + ready(b"DEALER"))
            return made
        except BlockingIOError:
            assert time.monotonic() < until
            time.sleep(0.005)


# -- requests that never end -----------------------------------------------------------------------

CODE = "text = '''%s'''\nlen(text)" % ("x" * 12000)


def sizes(largest, count):
    """So many of the largest, then whatever may still fit."""
    yield from [largest] * count
    while largest > 2000:
        largest //= 2
        yield from [largest] * 4


@pytest.mark.everyone
@pytest.mark.plain
def test_unfinished_requests_take_no_memory_from_others(amber, good, client):
    """Half a GiB of frames that never end, down to the last KiB, at a session and at the control
    API: who asks for little is not refused."""
    crowd = []
    for number, size in enumerate(sizes(15 * MIB, 16)):
        crowd.append(dial(amber, ("shell", "control")[number % 2], b"DEALER", b"c%d" % number))
        fill(crowd[-1], size)
    for size in sizes(30 * MIB, 8):
        crowd.append(dial_control(amber))
        fill(crowd[-1], size)
    for _ in range(3):
        assert run(good, CODE, SECONDS)[0]["status"] == "ok"
        assert client.run(CODE, SECONDS, session="amber")[0]["status"] == "ok"
    with Raw(connection_file(amber)) as late:
        late.subscribed(CODE)
        assert late.reply(late.execute(CODE))["content"]["status"] == "ok"
        assert late.receive("iopub") is not None
    with Client(amber.connection()) as late:
        assert late.run("2", SECONDS, session="amber")[0]["status"] == "ok"
    for one in crowd:
        one.close()


# -- answers and output that nobody reads ----------------------------------------------------------

def deaf(house, number, **more):
    return Raw(connection_file(house), identity=b"deaf%d" % number, RCVHWM=1, RCVBUF=4096, **more)


# Answers that come to more than 256 MiB: how many, and how large each is.
ANSWERS = [(22, 3 * MIB)] * 4 + [(4, 3 * MIB >> shift) for shift in range(12) for _ in range(2)]


@pytest.mark.plain
def test_replies_that_nobody_reads_cost_nobody_a_reply(amber, good, client):
    crowd = []
    run(good, "word = lambda size: 'x' * size")
    for number, (count, size) in enumerate(ANSWERS):
        crowd.append(deaf(amber, number))
        for _ in range(count):
            crowd[-1].execute("1", user_expressions={"word": "word(%d)" % size})
    total = 1 + sum(count for count, _ in ANSWERS)
    assert leaks.wait_for(lambda: client.call("show", session="amber")["executions"] == total, 120)
    for size in (1, 10000, 300000):
        reply, _ = run(good, "1", 2 * SECONDS, user_expressions={"word": "word(%d)" % size})
        assert len(reply["user_expressions"]["word"]["data"]["text/plain"]) == size + 2
    for one in crowd:
        one.close()


@pytest.mark.plain
def test_readers_that_never_read_cost_nobody_a_line(new_house):
    """Sixty readers of iopub that never read, of two sessions: who reads misses nothing."""
    house = new_house().start()
    client = house.client()
    crowd = []
    for name in ("amber", "other"):
        client.call("new", name=name, wait=True)
        for number in range(30):
            one = Raw(connection_file(house, name), RCVHWM=1, RCVBUF=4096)
            one.socket("iopub")
            one.reply(one.send("shell", "kernel_info_request"))
            crowd.append(one)
    for name in ("amber", "other"):
        result, _ = client.run("for i in range(200): print('x' * 99999)", SECONDS, session=name)
        assert result["status"] == "ok"
    quick = attach(house)
    for number in range(30):
        size = (10, 20000, 400000)[number % 3]
        reply, seen = run(quick, "print('y' * %d)" % size, SECONDS)
        assert reply["status"] == "ok"
        assert (len(text_of(seen)), text_of(seen, "stderr")) == (size + 1, "")
    assert memory(house) < 600 * MIB
    for one in crowd:
        one.close()
    quick.stop_channels()


# -- places ----------------------------------------------------------------------------------------

def test_questions_without_an_answer_take_no_place_from_others(amber, good):
    """Twenty guests with a hundred each on control that no kernel answers."""
    crowd = [Raw(connection_file(amber)) for _ in range(20)]
    for one in crowd:
        one.socket("control").setsockopt(zmq.SNDHWM, 0)
        for _ in range(100):
            one.send("control", "frobnicate_request")
        assert one.reply(one.send("control", "kernel_info_request"), "control")
    assert run(good, "1", SECONDS)[0]["status"] == "ok"
    for one in crowd:
        one.close()


@pytest.mark.everyone
def test_a_full_queue_has_room_for_who_has_nothing_in_it(amber, good, client):
    """Six guests with 600 cells each, which is more than there is room for."""
    blocker = good.execute("import time\ntime.sleep(1000)", stop_on_error=False)
    crowd = [Raw(connection_file(amber)) for _ in range(6)]
    for one in crowd:
        one.socket("shell").setsockopt(zmq.SNDHWM, 0)
        for number in range(600):
            one.execute("x = %d" % number, store_history=False)
        assert one.reply(one.send("control", "interrupt_request"), "control")
    mine = good.execute("'mine'")
    asked = client.send("run", {"session": "amber", "code": "'asked'", "timeout_s": SECONDS})
    client.call("interrupt", session="amber")
    reply_to(good, blocker, SECONDS)
    assert reply_to(good, mine, SECONDS)["status"] == "ok"
    assert client.wait(asked, "run", SECONDS)[0].content["status"] == "ok"
    for one in crowd:
        one.close()
    client.call("restart", session="amber", timeout=SECONDS)


# -- lines in the log ------------------------------------------------------------------------------

def test_strangers_at_the_control_api_do_not_write_our_log(daemon, client):
    """Garbage from five hundred connections, and more connections than there may be."""
    for _ in range(500):
        door = dial_control(daemon)
        door.sendall(b"\x02" + struct.pack(">Q", 1 << 40))
        door.close()
    crowd = []
    for _ in range(1400):
        try:
            crowd.append(dial_control(daemon))
        except OSError:
            pass
    assert client.run("print(1)", SECONDS)[0]["status"] == "ok"
    assert leaks.wait_for(lambda: sum(not is_closed(one, 0.005) for one in crowd) <= 1024)
    for one in crowd:
        one.close()
    assert leaks.wait_for(lambda: client.call("status")["clients"] <= 1, SECONDS)
    with Client(daemon.connection()) as late:
        result, events = late.run("print(2)", SECONDS)
    assert (result["status"], stream_text(events)) == ("ok", "2\n")
    assert len(daemon.log().splitlines()) < 80, daemon.log()


# What a cell can send by itself: nobody asked for it, and nobody can be asked.
QUESTIONS = """kernel = get_ipython().kernel
for number in range(3000):
    kernel.session.send(kernel.stdin_socket, 'input_request', {'prompt': '', 'password': False},
                        kernel.get_parent('shell'), ident=kernel._parent_ident['shell'])
"""


@pytest.mark.everyone
def test_a_cell_that_asks_nobody_does_not_write_our_log(amber, good):
    assert run(good, QUESTIONS, SECONDS, allow_stdin=False)[0]["status"] == "ok"


@pytest.mark.plain
def test_replies_that_are_lost_do_not_write_our_log(amber, good, client):
    flood = deaf(amber, 0)
    run(good, "big = 'x' * (1 << 20)")
    for _ in range(220):
        flood.execute("1", user_expressions={"big": "big"})
    assert leaks.wait_for(lambda: client.call("show", session="amber")["executions"] == 221,
                          SECONDS)
    assert run(good, "1", SECONDS)[0]["status"] == "ok"
    flood.close()
