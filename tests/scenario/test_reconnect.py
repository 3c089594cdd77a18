"""test_reconnect.py - a client of the control API that drops and returns, or another with the id of
its request: it gets what it missed of its cell, in order and once, and is told what is not kept."""
import json
import subprocess
import sys

import pytest

import leaks
from test_survival import another_broker, kill_broker
from wireclient import HOLD, Client, NoAnswer, let_go, stream_text

LINES = "for i in range(50): print('early', i, flush=True)\n"
MORE = "for i in range(50): print('late', i, flush=True)\n1 / 0"
TEXT = "".join("early %d\n" % i for i in range(50)) + "".join("late %d\n" % i for i in range(50))

# Another process, which knows nothing but the id.
STRANGER = """
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from wireclient import Client
with Client(json.loads(sys.argv[2])) as client:
    request = client.send("resume", {"request": sys.argv[3], "after": 0})
    reply, _ = client.wait(request, "resume")
    done, events = client.wait(sys.argv[3], "run")
    print(json.dumps([reply.content, done.content, [[event.type, event.content]
                      for event in events]]))
"""


@pytest.fixture
def amber(daemon, client):
    client.call("new", name="amber", wait=True)
    return daemon


def leave_in(house, code, had):
    """A client that runs this, has so many messages of it and is gone; the request's id and the
    events."""
    with Client(house.connection()) as one:
        request = one.send("run", {"session": "amber", "code": code})
        events = [one.receive() for _ in range(had)]
        assert {event.parent for event in events} == {request}
    leaks.wait_for(lambda: show(house)["clients"] == 0)
    return request, events


def show(house):
    with Client(house.connection()) as other:
        return other.call("show", session="amber")


def resume(house, request, after):
    """(the run's reply, events) for a client that is new."""
    with Client(house.connection()) as other:
        asked = other.send("resume", {"request": request, "after": after})
        reply, _ = other.wait(asked, "resume")
        assert reply.content == {"status": "ok", "session": "amber"}, reply.content
        return other.wait(request, "run")


def idle(house):
    return leaks.wait_for(lambda: show(house)["state"] == "idle")


# -- returns -------------------------------------------------------------------------------------

@pytest.mark.everyone
@pytest.mark.parametrize("had", [1, 20, 52])
def test_who_returns_has_the_rest(amber, client, had):
    """The order of all is kept, nothing comes twice, and the reply once."""
    request, events = leave_in(amber, LINES + HOLD + MORE, had)
    with Client(amber.connection()) as back:
        asked = back.send("resume", {"request": request, "after": had})
        assert back.wait(asked, "resume")[0].content["session"] == "amber"
        let_go(client, "amber")
        reply, rest = back.wait(request, "run")
        assert reply.content["error"]["ename"] == "ZeroDivisionError"
        with pytest.raises(NoAnswer):
            back.receive(0.2)
    assert stream_text(events + rest) == TEXT
    kinds = [event.type for event in events + rest if event.type != "stream"]
    assert kinds == ["start", "status", "execute_input", "error", "status"]


def test_another_process_with_the_id_has_all_of_it(amber, client):
    request, _ = leave_in(amber, LINES + HOLD + MORE, 5)
    let_go(client, "amber")
    idle(amber)
    done = subprocess.run([sys.executable, "-c", STRANGER,
                           __file__.rsplit("/", 1)[0], json.dumps(amber.connection()), request],
                          capture_output=True, text=True, timeout=240, check=True)
    reply, result, events = json.loads(done.stdout)
    assert reply["session"] == "amber" and result["status"] == "error"
    assert "".join(content["text"] for kind, content in events if kind == "stream") == TEXT
    assert events[0][0] == "start" and "lost" not in [kind for kind, _ in events]


def test_who_returns_twice(amber, client):
    request, events = leave_in(amber, LINES + HOLD + MORE, 10)
    with Client(amber.connection()) as back:
        asked = back.send("resume", {"request": request, "after": 10})
        while len(events) < 30:
            message = back.receive()
            if message.parent == request:
                events.append(message)
            else:
                assert message.parent == asked
    leaks.wait_for(lambda: show(amber)["clients"] == 0)
    let_go(client, "amber")
    _, rest = resume(amber, request, 30)
    assert stream_text(events + rest) == TEXT


def test_it_is_there_when_others_have_run_since(amber, client):
    """Eight of them; the oldest is told to be unknown."""
    requests = [leave_in(amber, "print(%d)\n" % number + HOLD + "print('end of', %d)" % number, 1)
                for number in range(1)]
    let_go(client, "amber")
    idle(amber)
    for number in range(1, 9):
        requests.append(leave_in(amber, "print(%d)\n" % number + HOLD +
                                 "print('end of', %d)" % number, 1))
        let_go(client, "amber")
        idle(amber)
    client.run("'somebody else'", session="amber")
    for number in range(1, 9):
        for _ in range(2):
            reply, events = resume(amber, requests[number][0], 0)
            assert reply.content["status"] == "ok"
            assert stream_text(events) == "%d\nend of %d\n" % (number, number)
    reply, _ = client.ask("resume", request=requests[0][0])
    assert reply.content["ename"] == "not_found"


@pytest.mark.parametrize("had,text,gaps", [(1, "before\nafter\n", [1]), (5, "after\n", []),
                                           (7, "", [])])
def test_what_comes_behind_a_gap_keeps_its_number(amber, client, had, text, gaps):
    """One output was too large to be kept; who had all but the end gets that."""
    code = ("print('before', flush=True)\n"
            "display({'text/plain': 'x' * 22_000_000}, raw=True)\n" + HOLD + "print('after')")
    request, seen = leave_in(amber, code, 5)
    assert [event.type for event in seen][3:] == ["stream", "display_data"]
    let_go(client, "amber")
    idle(amber)
    client.run("'somebody else'", session="amber")
    reply, events = resume(amber, request, had)
    assert reply.content["status"] == "ok" and stream_text(events) == text
    assert [event.content["messages"] for event in events if event.type == "lost"] == gaps


def test_it_is_there_when_the_kernel_is_another(amber, client):
    request, _ = leave_in(amber, "print('before')\n" + HOLD + "print('after')", 1)
    let_go(client, "amber")
    idle(amber)
    client.call("restart", session="amber")
    _, events = resume(amber, request, 0)
    assert stream_text(events) == "before\nafter\n"


def test_a_kernel_that_died_meanwhile(amber, client):
    request, _ = leave_in(amber, "print('before', flush=True)\n" + HOLD +
                          "import os\nos.kill(os.getpid(), 9)", 4)
    let_go(client, "amber")
    idle(amber)
    reply, events = resume(amber, request, 0)
    assert reply.content["status"] == "died" and stream_text(events) == "before\n"


# -- what is not kept ----------------------------------------------------------------------------

def test_what_is_not_kept_is_told(new_house):
    """Of a long one the end is there, and before it how many messages are not."""
    house = new_house().start("--set", "profile.default.output=16 MiB")
    client = house.client()
    client.call("new", name="amber", wait=True)
    code = "for i in range(120): print(str(i) + 'x' * 60000, flush=True)\n"
    request, _ = leave_in(house, HOLD + code, 1)
    let_go(client, "amber")
    idle(house)
    reply, whole = resume(house, request, 0)
    assert reply.content["status"] == "ok" and "lost" not in [event.type for event in whole]
    assert len(stream_text(whole)) == sum(len(str(i)) + 60001 for i in range(120))
    client.run("'somebody else'", session="amber")
    _, events = resume(house, request, 0)
    lost = [event.content for event in events if event.type == "lost"]
    assert len(lost) == 1 and lost[0]["forgotten"] is True and lost[0]["bytes"] > 0
    assert lost[0]["messages"] + len(events) - 1 == len(whole)
    assert stream_text(whole).endswith(stream_text(events))
    assert 1000000 < len(stream_text(events)) < 5000000
    # Who had all but the end misses nothing.
    _, events = resume(house, request, len(whole) - 3)
    assert [event.type for event in events] == [event.type for event in whole[-3:]]


# -- refusals ------------------------------------------------------------------------------------

def test_whose_client_is_here_nobody_else_takes(amber, client):
    request = client.send("run", {"session": "amber", "code": HOLD})
    assert client.receive().type == "start"
    with Client(amber.connection()) as other:
        reply, _ = other.ask("resume", request=request)
        assert reply.content["ename"] == "exists"
        reply, _ = other.ask("resume", request="nobody asked so")
        assert reply.content["ename"] == "not_found"
    let_go(client, "amber")
    assert client.wait(request, "run")[0].content["status"] == "ok"


def test_nobody_waits_for_who_is_gone(amber, client):
    """His question is answered by an end of file, and the next cell has its turn."""
    request, _ = leave_in(amber, "try: input()\nexcept EOFError: print('nobody')", 1)
    content, _ = client.run("'next'", session="amber")
    assert content["status"] == "ok"
    _, events = resume(amber, request, 0)
    assert "nobody\n" in stream_text(events) or "StdinNotImplementedError" in str(events)


# -- a broker that dies --------------------------------------------------------------------------

@pytest.mark.parametrize("when", ["running", "over"])
def test_it_outlives_the_broker(amber, client, when):
    request, events = leave_in(amber, LINES + HOLD + MORE, 20)
    if when == "over":
        let_go(client, "amber")
        idle(amber)
    before = kill_broker(amber)
    another_broker(amber, before)
    if when == "running":
        with Client(amber.connection()) as other:
            let_go(other, "amber")
    reply, rest = resume(amber, request, 20)
    assert reply.content["error"]["ename"] == "ZeroDivisionError"
    assert stream_text(events + rest) == TEXT


def test_who_waits_is_not_given_up_for_others_who_go(amber):
    """Another client comes and goes before the one of a cell that waits has come back."""
    with Client(amber.connection()) as one, \
            Client(amber.connection()) as other:
        one.send("run", {"session": "amber", "code": HOLD})
        while one.receive().type != "execute_input":
            pass
        waits = other.send("run", {"session": "amber", "code": "print(41)"})
        assert leaks.wait_for(lambda: show(amber)["queued"] == 1)
        before = kill_broker(amber)
    another_broker(amber, before)
    for _ in range(3):
        assert show(amber)["queued"] == 1
    with Client(amber.connection()) as back:
        back.call("resume", request=waits)
        let_go(back, "amber")
        reply, events = back.wait(waits, "run")
        assert reply.content["status"] == "ok"
        assert stream_text(events) == "41\n"
