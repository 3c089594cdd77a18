"""test_life.py - the life and death of sessions and cells: interrupt, wall limit, queue, restart,
stop, deaths and what is said about them, clients that vanish or do not read."""
import json
import os
import signal
import time

import pytest
import zmq

import leaks
from test_survival import (THERE, another_broker, kill_broker, receive_until, resume,
                           until_there)
from wireclient import HOLD, PATIENCE, Client, NoAnswer, endpoint, let_go, stream_text

SLEEP = "import time\ntime.sleep(1000)"
# Nothing but a kill ends it; it says when it has come so far.
STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def amber(client):
    client.call("new", name="amber", wait=True)
    return client


def is_sanitized(house):
    """Whether the build keeps freed memory to find its use."""
    with open(os.path.join(house.build, "config.h"), encoding="utf-8") as file:
        return "#define CB_SANITIZERS" in file.read()


def wait_state(client, name, state, seconds=PATIENCE):
    """Waits until the session is in the state, or is gone (state None)."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        states = {info["name"]: info["state"] for info in client.call("list")["sessions"]}
        if states.get(name) == state:
            return
        time.sleep(0.02)
    raise AssertionError("session %s is %s, not %s" % (name, states.get(name), state))


def wait_type(client, request, msg_type, timeout=PATIENCE):
    """Messages of a request up to the first of that type."""
    events = []
    while True:
        message = client.receive(timeout)
        if message.parent != request:
            continue
        events.append(message)
        if message.type == msg_type:
            return events


# -- cells -----------------------------------------------------------------------------------------

def test_a_cell_and_its_account(amber):
    result, events = amber.run("print('out'); import sys; print('err', file=sys.stderr); 6 * 7",
                               session="amber")
    assert result["status"] == "ok" and result["execution_count"] == 1
    assert result["session"] == "amber" and result["artifacts"] == []
    assert 0 < result["usage"]["wall_s"] < 60
    assert result["usage"]["peak_memory_bytes"] > 10 << 20
    assert "error" not in result and "limit" not in result
    assert stream_text(events) == "out\n" and stream_text(events, "stderr") == "err\n"
    assert events[0].type == "start" and events[0].content["run"] == result["run"]
    assert [e.content["data"]["text/plain"] for e in events if e.type == "execute_result"] == ["42"]


def test_an_error_leaves_the_session_as_it_was(amber):
    result, events = amber.run("kept = 1\n1 / 0", session="amber")
    assert result["status"] == "error"
    assert result["error"]["ename"] == "ZeroDivisionError" and result["error"]["traceback"]
    assert "error" in [event.type for event in events]
    result, events = amber.run("print(kept)", session="amber")
    assert (result["status"], stream_text(events)) == ("ok", "1\n")


def test_the_order_of_the_messages(amber):
    _, events = amber.run("print(1)", session="amber")
    # A kernel may cut a stream anywhere.
    types = [event.type for event in events if event.content.get("text") != "\n"]
    assert types == ["start", "status", "execute_input", "stream", "status"]
    assert [e.content["execution_state"] for e in events if e.type == "status"] == ["busy", "idle"]


def test_silent_cells_do_not_count(amber):
    result, events = amber.run("x = 1", session="amber", silent=True)
    assert result["status"] == "ok"
    assert "execute_input" not in [event.type for event in events]
    result, _ = amber.run("x", session="amber")
    assert result["execution_count"] == 1


def test_a_cell_that_asks_gets_no_answer(amber):
    result, _ = amber.run("input('name? ')", session="amber")
    assert result["error"]["ename"] == "StdinNotImplementedError"


def test_the_output_cap(new_house):
    house = new_house().start("--set", "profile.default.output=1 MiB")
    client = house.client()
    client.call("new", name="amber", wait=True)
    code = "for i in range(40): print('x' * 65535)"
    result, events = client.run(code, session="amber")
    assert result["status"] == "limit"
    assert result["limit"] == {"name": "output", "value": "1 MiB"}
    assert result["error"]["ename"] == "OutputLimitExceeded"
    told = [event.content for event in events if event.type == "limit"]
    assert len(told) == 1 and told[0]["dropped_bytes"] > 1 << 20
    assert len(stream_text(events)) <= (1 << 20) + (17 << 10)
    result, events = client.run("print('alive')", session="amber")
    assert (result["status"], stream_text(events)) == ("ok", "alive\n")


@pytest.mark.parametrize("code", [
    "'x' * 100_000_000", "display({'text/plain': 'x' * 60_000_000}, raw=True)",
    "raise ValueError('x' * 40_000_000)"])
def test_one_huge_message_is_the_cap_and_not_the_end(amber, code):
    amber.run("kept = 5", session="amber")
    result, events = amber.run(code, session="amber")
    assert result["status"] == "limit" and result["limit"]["name"] == "output"
    assert [e.content["dropped_bytes"] for e in events if e.type == "limit"][0] > 32 << 20
    _, events = amber.run("print(kept)", session="amber")
    assert stream_text(events) == "5\n"


def test_a_flood_waits_for_a_broker_that_has_no_processor(daemon, amber):
    """It does not lie in the kernel's memory meanwhile: that would be another limit, and the end of
    the variables."""
    amber.run("kept = 5", session="amber")
    code = "import os\nfor _ in range(4000): os.write(1, b'\\xff\\xfe\\x80' * 21845)"
    asked = amber.send("run", {"session": "amber", "code": code})
    wait_type(amber, asked, "limit")
    broker = daemon.connection()["pid"]
    os.kill(broker, signal.SIGSTOP)
    time.sleep(4)
    os.kill(broker, signal.SIGCONT)
    result = wait_type(amber, asked, "run_reply")[-1].content
    assert result["limit"] == {"name": "output", "value": "32 MiB"}, result
    _, events = amber.run("print(kept)", session="amber")
    assert stream_text(events) == "5\n"


def test_five_thousand_displays_all_arrive(amber):
    _, events = amber.run("for i in range(5000): display(i)", session="amber", timeout_s=100)
    shown = [e.content["data"]["text/plain"] for e in events if e.type == "display_data"]
    assert shown == [str(i) for i in range(5000)]


# -- queue -----------------------------------------------------------------------------------------

def test_cells_queue_up_and_say_so(amber):
    first = amber.send("run", {"session": "amber", "code": HOLD + "a = 1"})
    second = amber.send("run", {"session": "amber", "code": "a += 1; print(a)"})
    with Client(amber.connection) as other:
        let_go(other, "amber")
    reply, events = amber.wait(second, "run")
    assert reply.content["status"] == "ok" and stream_text(events) == "2\n"
    queued = [event.content for event in events if event.type == "queued"]
    assert len(queued) == 1 and queued[0]["ahead"] == 1
    assert first != second


def test_the_queue_is_bounded(amber):
    amber.send("run", {"session": "amber", "code": SLEEP})
    waiting = [amber.send("run", {"session": "amber", "code": "1"}) for _ in range(64)]
    reply, _ = amber.ask("run", session="amber", code="2")
    assert reply.content["refused"] is True and reply.content["ename"] == "busy"
    assert amber.call("show", session="amber")["queued"] == 64
    assert len(waiting) == 64
    amber.call("stop", session="amber")


def test_a_message_id_is_used_once(amber):
    amber.run("1", session="amber")
    header = amber.header("run_request")
    for expected in ("ok", "error"):
        # The same id in another message: signed afresh, so it is no replay.
        header["date"] = expected
        amber.send_frames(amber.frames(header, {"session": "amber", "code": "1"}))
        reply, _ = amber.wait(header["msg_id"], "run")
        assert reply.content["status"] == expected
    assert reply.content["refused"] and "used before" in reply.content["evalue"]


# -- interrupt and wall limit ----------------------------------------------------------------------

def test_interrupt(amber):
    request = amber.send("run", {"session": "amber", "code": SLEEP})
    wait_type(amber, request, "execute_input")
    other = Client(amber.connection)
    assert other.call("interrupt", session="amber")["interrupted"] is True
    reply, _ = amber.wait(request, "run")
    assert reply.content["status"] == "interrupted"
    assert other.call("interrupt", session="amber")["interrupted"] is False
    other.close()
    assert amber.run("1", session="amber")[0]["status"] == "ok"


def test_interrupt_never_kills(amber):
    request = amber.send("run", {"session": "amber", "code": STUBBORN})
    wait_type(amber, request, "stream")
    amber.send("interrupt", {"session": "amber"})
    time.sleep(1.5)
    info = amber.call("show", session="amber")
    assert (info["state"], info["restarts"]) == ("busy", 0)
    amber.send("restart", {"session": "amber"})
    assert amber.wait(request, "run")[0].content["status"] == "died"


def test_wall_limit(new_house):
    amber = new_house().start("--set", "profile.default.grace=60 s").client()
    amber.run("kept = 5", session="amber")
    begun = time.monotonic()
    result, _ = amber.run(SLEEP, session="amber", timeout_s=0.5)
    assert time.monotonic() - begun > 0.4 and result["status"] == "timeout"
    assert result["error"]["ename"] == "WallTimeLimitExceeded"
    assert "500 ms" in result["error"]["evalue"]
    result, events = amber.run("print(kept)", session="amber")
    assert stream_text(events) == "5\n", "an interrupt that worked leaves the variables"


def test_wall_limit_of_a_stubborn_cell(amber):
    result, _ = amber.run(STUBBORN, session="amber", timeout_s=0.5)
    assert result["status"] == "timeout" and "variables are gone" in result["error"]["evalue"]
    assert result["usage"]["cpu_s"] >= 0 and result["usage"]["peak_memory_bytes"] > 1 << 20
    assert amber.run("1", session="amber")[0]["execution_count"] == 1
    assert amber.call("show", session="amber")["restarts"] == 1


def test_a_flood_ends_with_the_wall_limit(amber):
    result, events = amber.run("while True: print('x' * 1000)", session="amber", timeout_s=1)
    assert result["status"] == "timeout"
    assert len(stream_text(events)) <= 32 << 20
    assert amber.run("1", session="amber")[0]["status"] == "ok"


# -- deaths ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("code, words", [
    ("import os; os._exit(3)", "3"),
    ("import os; os.kill(os.getpid(), 11)", "SEGV"),
    ("import ctypes; ctypes.string_at(0)", "SEGV")])
def test_a_death_is_told_with_its_cause(amber, code, words):
    cgroup = amber.call("show", session="amber")["layers"]["cgroup"]
    result, _ = amber.run(code, session="amber")
    assert result["status"] == "died"
    assert result["error"]["ename"] == "KernelDied" and words in result["error"]["evalue"]
    assert "Extension modules" not in result["error"]["evalue"]
    assert "variables are gone and a new kernel is started" in result["error"]["evalue"]
    expected = {"wall_s", "cpu_s", "peak_memory_bytes"}
    if cgroup == "none":
        expected = {"wall_s"}  # nobody has counted for a process that is gone
    assert expected <= set(result["usage"])
    result, _ = amber.run("1", session="amber")
    assert (result["status"], result["execution_count"]) == ("ok", 1), "a fresh kernel"
    assert words in amber.call("show", session="amber")["last_death"]


def test_out_of_memory_is_a_limit(new_house):
    house = new_house().start("--set", "profile.default.memory=192 MiB")
    client = house.client()
    client.call("new", name="amber", wait=True)
    if client.call("show", session="amber")["layers"]["cgroup"] == "none":
        pytest.skip("no memory cgroup here")
    result, _ = client.run("x = bytearray(400 << 20)", session="amber")
    assert result["status"] == "limit", result
    assert result["limit"] == {"name": "memory", "value": "192 MiB"}
    assert result["error"]["ename"] == "MemoryLimitExceeded"
    assert "192 MiB" in result["error"]["evalue"]


def test_everyone_who_waits_is_told_of_a_death(amber):
    first = amber.send("run", {"session": "amber",
                               "code": HOLD + "import os; os._exit(1)"})
    others = [amber.send("run", {"session": "amber", "code": "1"}) for _ in range(3)]
    wait_type(amber, others[-1], "queued")
    with Client(amber.connection) as other:
        let_go(other, "amber")
    replies = {}
    while len(replies) < 4:
        message = amber.receive()
        if message.type == "run_reply":
            replies[message.parent] = message.content
    assert set(replies) == {first, *others}
    assert {content["error"]["ename"] for content in replies.values()} == {"KernelDied"}


def test_three_restarts_in_a_minute_and_no_more(amber):
    deaths, goes_on = [], True
    while goes_on:
        result, _ = amber.run("import os; os._exit(1)", session="amber")
        assert result["status"] == "died"
        deaths.append(time.monotonic())
        goes_on = "a new kernel is started" in result["error"]["evalue"]
        # A busy machine may need more than a minute for four of them.
        assert goes_on == (len(deaths) < 4) or deaths[-1] - deaths[-4:][0] > 50, result
        assert len(deaths) < 20
    assert len(deaths) >= 4 and "cellblock restart" in result["error"]["evalue"]
    wait_state(amber, "amber", "dead")
    result, _ = amber.run("1", session="amber")
    assert result["refused"] and "cellblock restart amber" in result["evalue"]
    amber.call("restart", session="amber")
    assert amber.run("1", session="amber")[0]["status"] == "ok"


def test_a_kernel_killed_from_outside(amber):
    pid = amber.call("show", session="amber")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert leaks.wait_for(lambda: amber.call("show", session="amber")["restarts"] == 1)
    wait_state(amber, "amber", "idle")
    assert "SIGKILL" in amber.call("show", session="amber")["last_death"]


# -- restart, stop, expiry -------------------------------------------------------------------------

def test_restart_keeps_the_name_and_loses_the_variables(amber):
    amber.run("x = 1", session="amber")
    path = amber.call("show", session="amber")["connection_file"]
    with open(path, encoding="utf-8") as file:
        before = json.load(file)
    amber.call("restart", session="amber")
    result, _ = amber.run("x", session="amber")
    assert result["error"]["ename"] == "NameError" and result["execution_count"] == 1
    with open(path, encoding="utf-8") as file:
        assert json.load(file) == before


def test_restart_tells_the_running_cell(amber):
    request = amber.send("run", {"session": "amber", "code": SLEEP})
    wait_type(amber, request, "execute_input")
    other = Client(amber.connection)
    other.call("restart", session="amber")
    other.close()
    reply, _ = amber.wait(request, "run")
    assert reply.content["status"] == "died" and "restarted" in reply.content["error"]["evalue"]


def test_stop_tells_the_running_cell_and_frees_the_name(amber):
    request = amber.send("run", {"session": "amber", "code": SLEEP})
    wait_type(amber, request, "execute_input")
    path = amber.call("show", session="amber")["connection_file"]
    assert os.stat(path).st_mode & 0o777 == 0o600
    stop = amber.send("stop", {"session": "amber"})
    reply, _ = amber.wait(request, "run")
    assert "stopped" in reply.content["error"]["evalue"]
    reply, _ = amber.wait(stop, "stop")
    assert reply.content["status"] == "ok" and not os.path.exists(path)
    assert amber.call("list")["sessions"] == []
    amber.call("new", name="amber", wait=True)


def test_stop_all(client):
    for name in ("a", "b", "c"):
        client.call("new", name=name)
    client.call("stop", all=True)
    assert client.call("list")["sessions"] == []
    client.call("stop", all=True)


def test_idle_sessions_expire(new_house):
    house = new_house().start("--set", "broker.idle_expiry=1 s")
    client = house.client()
    works = client.send("run", {"session": "amber", "code": HOLD})
    wait_type(client, works, "execute_input")
    time.sleep(2)
    assert [info["name"] for info in client.call("list")["sessions"]] == ["amber"], "it works"
    let_go(client, "amber")
    wait_state(client, "amber", None)


def test_the_daemon_leaves_when_nobody_needs_it(new_house):
    for seconds in (5, 60):  # a busy machine may bring the client too late
        house = new_house().start("--set", "broker.leave_after=%d s" % seconds)
        try:
            client = house.client()
            client.call("hello", timeout=seconds)
            break
        except (OSError, NoAnswer):
            assert house.daemon.wait(PATIENCE) == 0
    time.sleep(seconds + 2)
    assert house.daemon.poll() is None, "a client holds it"
    client.close()
    house.clients.remove(client)
    assert house.daemon.wait(PATIENCE) == 0


def test_shutdown(daemon):
    client = daemon.client()
    client.call("new", name="amber", wait=True)
    client.call("shutdown")
    assert daemon.daemon.wait(PATIENCE) == 0
    assert not os.path.exists(os.path.join(daemon.runtime_dir, "broker.json"))


def test_a_shutdown_tells_the_cells(daemon, amber):
    """Those that run or wait have their answer before the connection ends."""
    waiting = [amber.send("run", {"session": "amber", "code": SLEEP}) for _ in range(3)]
    wait_type(amber, waiting[0], "execute_input")
    daemon.stop()
    told = set()
    while told != set(waiting):
        message = amber.receive()
        if message.type == "run_reply":
            assert message.content["status"] == "died"
            assert "daemon was stopped" in message.content["error"]["evalue"]
            told.add(message.parent)


# -- clients ---------------------------------------------------------------------------------------

def test_a_fresh_session_ends_with_its_cell(client):
    result, _ = client.run("1")
    wait_state(client, result["session"], None)


def test_keep(client):
    result, _ = client.run("x = 1", keep=True)
    assert client.run("x", session=result["session"])[0]["status"] == "ok"


def test_a_client_that_vanishes(daemon, client):
    gone = Client(daemon.connection())
    ephemeral = gone.send("run", {"code": SLEEP})
    name = wait_type(gone, ephemeral, "start")[0].content["session"]
    named = gone.send("run", {"session": "amber", "code": HOLD + "x = 7"})
    wait_type(gone, named, "execute_input")
    assert client.call("show", session="amber")["clients"] == 1
    gone.close()
    wait_state(client, name, None)
    assert client.call("show", session="amber")["clients"] == 0, "it runs on for nobody"
    let_go(client, "amber")
    result, events = client.run("print(x)", session="amber")
    assert stream_text(events) == "7\n", "a cell in a named session runs to its end"


def test_a_client_that_vanishes_in_the_queue(daemon, amber):
    """Its cell that waits is not begun; those of others are."""
    running = amber.send("run", {"session": "amber", "code": HOLD + "x = [1]"})
    wait_type(amber, running, "execute_input")
    gone = Client(daemon.connection())
    dropped = gone.send("run", {"session": "amber", "code": "x.append(2)"})
    wait_type(gone, dropped, "queued")
    last = amber.send("run", {"session": "amber", "code": "x.append(3); print(x)"})
    wait_type(amber, last, "queued")
    gone.close()
    with Client(daemon.connection()) as other:
        assert leaks.wait_for(lambda: other.call("show", session="amber")["queued"] == 1)
        let_go(other, "amber")
    message = amber.receive()
    while (message.type, message.parent) != ("stream", last):
        message = amber.receive()
    assert message.content["text"] == "[1, 3]\n"
    info = amber.call("show", session="amber")
    assert info["queued"] == 0


class Deaf(Client):
    """Connects with the smallest queue there is and reads only when it is asked to."""

    def __init__(self, connection):
        super().__init__(connection)
        self.socket.close()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.RCVHWM, 1)
        self.socket.setsockopt(zmq.RCVBUF, 4096)
        self.socket.connect(endpoint(connection, "shell"))


@pytest.mark.plain
def test_readers_that_do_not_read(new_house):
    """Their messages wait within bounds, what is over them is lost and counted; who reads notices
    nothing, even when the bytes of all clients are used up."""
    house = new_house().start("--set", "profile.default.output=100 MiB")
    client = house.client()
    deaf = [Deaf(house.connection()) for _ in range(5)]
    for number, one in enumerate(deaf):
        client.call("new", name="deaf-%d" % number, wait=True)
        one.send("run", {"session": "deaf-%d" % number, "timeout_s": 100,
                         "code": "for i in range(80): print('x' * 1048575)"})
    assert leaks.wait_for(lambda: all(
        (info["state"], info["executions"]) == ("idle", 1)
        for info in client.call("list")["sessions"]), 120)
    result, events = client.run("for i in range(100): print('y' * 4999)")
    assert result["status"] == "ok" and len(stream_text(events)) == 100 * 5000
    assert "lost" not in [event.type for event in events]
    with open("/proc/%d/statm" % house.connection()["pid"], encoding="ascii") as file:
        resident = int(file.read().split()[1]) * 4096
    assert resident < 400 << 20 or is_sanitized(house)
    for one in deaf:
        kept, lost, message = 0, 0, one.receive()
        while message.type != "run_reply":
            kept += len(stream_text([message]))
            lost += message.content["bytes"] if message.type == "lost" else 0
            message = one.receive()
        assert message.content["status"] == "ok" and lost > 0
        assert kept < 80 << 20 <= kept + lost
        one.close()


@pytest.mark.limit(300)
def test_what_was_lost_is_told_by_the_next_broker(new_house):
    """A client did not read and lost output; the broker that counted it dies before it says so."""
    house = new_house().start("--set", "profile.default.output=200 MiB")
    looker = house.client()
    looker.call("new", name="amber", wait=True)
    deaf = Deaf(house.connection())
    request = deaf.send("run", {"session": "amber", "code":
                                "for i in range(150): print('x' * 1048575)\n" + THERE + HOLD})
    until_there(house, "amber")
    another_broker(house, kill_broker(house))
    deaf.close()
    fresh, _ = resume(house, looker, request, 0)
    let_go(fresh, "amber")
    rest = receive_until(fresh, request, "run_reply")
    told = [one.content for one in rest if one.type == "lost" and "forgotten" not in one.content]
    assert len(told) == 1 and told[0]["messages"] > 0 and told[0]["bytes"] > 10 << 20
    assert rest[-1].content["status"] == "ok"


@pytest.mark.plain
def test_who_asks_and_asks_and_does_not_read(daemon, amber):
    """Answers are never lost, so when too many wait for a client it is not read from; it gets them
    all in the end, and others notice nothing."""
    amber.ask("put", buffers=(b"x" * 262144,), session="amber", path="x", eof=True)
    deaf = Deaf(daemon.connection())
    asked = []
    for number in range(700):
        asked.append(deaf.send("get", {"session": "amber", "path": "x"}))
        time.sleep(0.004)
        if number % 100 == 0:
            assert amber.run("1", session="amber")[0]["status"] == "ok"
    with open("/proc/%d/statm" % daemon.connection()["pid"], encoding="ascii") as file:
        resident = int(file.read().split()[1]) * 4096
    assert resident < 140 << 20
    replies = [deaf.receive() for _ in asked]
    assert {reply.type for reply in replies} == {"get_reply"}
    assert sorted(reply.parent for reply in replies) == sorted(asked)
    deaf.close()


def test_sessions_do_not_disturb_each_other(client):
    client.call("new", name="a", wait=True)
    client.call("new", name="b", wait=True)
    busy = client.send("run", {"session": "a", "code": "while True: print('x' * 4096)",
                               "timeout_s": 100})
    for i in range(20):
        reply, _ = client.wait(client.send("run", {"session": "b", "code": "1"}), "run")
        assert reply.content["status"] == "ok" and reply.content["usage"]["wall_s"] < 30, i
    client.call("interrupt", session="a")
    assert wait_type(client, busy, "run_reply")[-1].content["status"] in ("interrupted", "limit")
