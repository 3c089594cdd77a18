"""test_turns.py - many clients of one session: whose turn it is, what becomes of those who leave,
what a slow one is told, and everybody at once: consoles, programs, the command line."""
import os
import queue
import shutil
import signal
import time

import pytest
import zmq

import fake_openai as fake
import leaks
from attached import (Raw, attach, connection_file, iopub_until_idle, replies_to, reply_to, run,
                      text_of)
from test_attach import kill_for_good
from test_console import Console
from wireclient import Client

SECONDS = 120


@pytest.fixture
def amber(daemon, client):
    client.call("new", name="amber", wait=True)
    return daemon


@pytest.fixture
def two(amber):
    clients = [attach(amber), attach(amber)]
    yield clients
    for one in clients:
        one.stop_channels()


def wait_for_queue(client, number):
    """Until so many requests wait in amber."""
    assert leaks.wait_for(lambda: client.call("show", session="amber")["queued"] >= number,
                          SECONDS)


def order(client, msg_ids):
    """The ids in the order in which their cells began."""
    began = []
    while len(began) < len(msg_ids):
        message = client.get_iopub_msg(timeout=SECONDS)
        if message["msg_type"] == "execute_input" and \
                message["parent_header"]["msg_id"] in msg_ids:
            began.append(message["parent_header"]["msg_id"])
    return began


# -- turns -----------------------------------------------------------------------------------------

@pytest.mark.everyone
@pytest.mark.sanitized
def test_clients_take_turns(amber, client, two):
    """Whoever asks for much waits for whoever asks for little, a cell each."""
    first, second = two
    blocker = first.execute("input()", allow_stdin=True)
    first.get_stdin_msg(timeout=SECONDS)
    many = [first.execute("'many'") for _ in range(20)]
    few = [second.execute("'few'") for _ in range(3)]
    wait_for_queue(client, len(many + few))
    with Raw(connection_file(amber)) as third:
        one = third.execute("'one'")
        third.reply(third.send("control", "interrupt_request"), "control")
        assert third.reply(one, timeout=SECONDS)["content"]["status"] == "ok"
    assert reply_to(first, blocker, SECONDS)["ename"] == "KeyboardInterrupt"
    # stop_on_error: his own were given up with it, those of others not.
    assert {reply["status"] for reply in replies_to(first, many, SECONDS).values()} == {"aborted"}
    assert {reply["status"] for reply in replies_to(second, few, SECONDS).values()} == {"ok"}


@pytest.mark.everyone
@pytest.mark.sanitized
def test_the_order_of_turns(amber, client, two):
    first, second = two
    blocker = first.execute("input()", allow_stdin=True)
    first.get_stdin_msg(timeout=SECONDS)
    many = [first.execute("'many'") for _ in range(6)]
    wait_for_queue(client, len(many))
    few = [second.execute("'few'") for _ in range(2)]
    wait_for_queue(client, len(many + few))
    asked = [client.send("run", {"session": "amber", "code": "'asked'", "timeout_s": SECONDS})
             for _ in range(2)]
    told = [client.receive() for _ in range(4)]
    places = [event.content["ahead"] for event in told if event.type == "queued"]
    first.input("go on")
    began = order(second, many + few + asked)
    wanted = [many[0], few[0], asked[0], many[1], few[1], asked[1]] + many[2:]
    assert began == wanted
    for number, request in enumerate(asked):
        assert places[number] <= 1 + 2 + began.index(request), "the place that was told holds"
    assert reply_to(first, blocker, SECONDS)["status"] == "ok"
    replies_to(first, many, SECONDS)


@pytest.mark.sanitized
def test_a_place_that_is_lost_is_told_again(amber, client, two):
    """Others come before the second cell of a client: it is told when its first one begins."""
    blocker = two[0].execute("input()", allow_stdin=True)
    two[0].get_stdin_msg(timeout=SECONDS)
    asked = [client.send("run", {"session": "amber", "code": "'asked'", "timeout_s": SECONDS})
             for _ in range(2)]
    told = {request: [] for request in asked}
    for _ in range(4):
        message = client.receive()
        if message.type == "queued":
            told[message.parent].append(message.content["ahead"])
    assert list(told.values()) == [[1], [2]]
    later = []
    for one in (two[1], attach(amber), attach(amber), attach(amber)):
        later.append((one, one.execute("'later'")))
        assert leaks.wait_for(lambda: client_count(amber) == 2 + len(later), SECONDS)
    two[0].input("go on")
    events = []
    while sum(event.type == "run_reply" for event in events) < 2:
        events.append(client.receive(SECONDS))
    again = [event.content["ahead"] for event in events if event.type == "queued"]
    assert again == [5], "four and the one that runs"
    for one, request in later:
        assert reply_to(one, request, SECONDS)["status"] == "ok"
    for one, _ in later[1:]:
        one.stop_channels()
    assert reply_to(two[0], blocker, SECONDS)["status"] == "ok"


def client_count(house):
    """Cells that were given to the session, the one that asks excepted."""
    with Client(house.connection()) as other:
        return other.call("show", session="amber")["executions"] - 1


# -- who leaves ------------------------------------------------------------------------------------

@pytest.mark.everyone
@pytest.mark.sanitized
def test_cells_of_who_is_gone_run_as_in_a_kernel_of_ones_own(amber, client, two):
    blocker = two[0].execute("input()", allow_stdin=True)
    two[0].get_stdin_msg(timeout=SECONDS)
    with Raw(connection_file(amber)) as gone:
        for number in range(3):
            gone.execute("x = %d" % number)
        wait_for_queue(client, 3)
    two[0].input("go on")
    reply_to(two[0], blocker, SECONDS)
    while run(two[1], "print('x' in globals() and x)", SECONDS)[1][2][1]["text"] != "2\n":
        time.sleep(0.05)


@pytest.mark.sanitized
def test_an_error_aborts_the_cells_of_who_is_gone_too(amber, client, two):
    blocker = two[0].execute("input()", allow_stdin=True)
    two[0].get_stdin_msg(timeout=SECONDS)
    with Raw(connection_file(amber)) as gone:
        for code in ("1 / 0", "never = 1", "never = 2"):
            gone.execute(code)
        wait_for_queue(client, 3)
    mine = two[1].execute("'mine'")
    two[0].input("go on")
    reply_to(two[0], blocker, SECONDS)
    assert reply_to(two[1], mine, SECONDS)["status"] == "ok"
    assert run(two[1], "never", SECONDS)[0]["ename"] == "NameError"


@pytest.mark.everyone
@pytest.mark.sanitized
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV])
def test_a_task_that_is_killed_leaves_no_session(daemon, signum):
    server = fake.FakeOpenAI([fake.raw([fake.delta(content="so far"), 1000])])
    try:
        process = daemon.popen("-p", "talk", env={**daemon.env, "OPENAI_BASE_URL": server.url,
                                                  "CELLBLOCK_MODEL": "fake"})
        assert process.stdout.read(6) == "so far"
        assert len(daemon.json("ls")["sessions"]) == 1
        process.send_signal(signum)
        process.communicate(timeout=SECONDS)
        assert leaks.wait_for(lambda: daemon.json("ls")["sessions"] == [], SECONDS)
    finally:
        server.close()


@pytest.mark.sanitized
def test_a_bound_session_ends_with_its_connection_and_no_other(daemon, client):
    with Client(daemon.connection()) as owner:
        owner.call("new", name="bound", bound=True, wait=True)
        owner.call("new", name="free", wait=True)
        with Client(daemon.connection()) as other:
            assert other.run("1", session="bound")[0]["status"] == "ok"
        assert [one["name"] for one in client.call("list")["sessions"]] == ["bound", "free"]
    assert leaks.wait_for(
        lambda: [one["name"] for one in client.call("list")["sessions"]] == ["free"], SECONDS)


@pytest.mark.sanitized
def test_a_dead_session_can_be_shut_down(amber, client, two):
    """Its door closes while the request is being answered."""
    kill_for_good(client, two[0])
    two[1].control_channel.send(two[1].session.msg("shutdown_request", {"restart": False}))
    assert two[1].get_control_msg(timeout=SECONDS)["content"]["status"] == "ok"
    assert leaks.wait_for(lambda: client.call("list")["sessions"] == [], SECONDS)
    assert amber.client().run("print(1)", SECONDS)[0]["status"] == "ok"


# -- what is lost, exactly -------------------------------------------------------------------------

@pytest.mark.everyone
@pytest.mark.plain
def test_what_a_slow_reader_lost_is_counted_exactly(amber, two):
    """Three cells of 30 MB each: what it got and what it was told it lost are all there was."""
    slow = Raw(connection_file(amber), RCVHWM=1, RCVBUF=4096).subscribed()
    asked, sent = [], 0
    for _ in range(3):
        asked.append(two[0].execute("for i in range(300): print('y' * 99999, flush=True)"))
        assert reply_to(two[0], asked[-1], SECONDS)["status"] == "ok"
        sent += len(iopub_until_idle(two[0], asked[-1], SECONDS))
    last = two[0].execute("'last'")
    reply_to(two[0], last, SECONDS)
    got = lost = notes = 0
    while True:
        message = slow.receive("iopub", SECONDS)
        content = message["content"]
        if content.get("name") == "stderr":
            notes += 1
            lost += int(content["text"].split(";")[1].split()[0])
        elif message["parent_header"]["msg_id"] in asked:
            got += 1
        elif message["parent_header"]["msg_id"] == last and \
                content.get("execution_state") == "idle":
            break
    # Where it was still paused the last cell's two messages are among the lost ones.
    assert notes >= 1 and lost > 0 and sent <= got + lost <= sent + 2
    slow.close()


# -- everybody at once -----------------------------------------------------------------------------

@pytest.mark.everyone
def test_two_consoles_two_programs_and_the_command_line(amber, client, two):
    """Everybody has his own replies and sees everybody's output; who asked is who is asked."""
    consoles = []
    try:
        for _ in range(2):
            consoles.append(Console(amber, "--simple-prompt"))
        for console in consoles:
            console.wait("In [1]:")
        one, other = consoles
        one.type("a = input('who is one? ')")
        one.wait("who is one?", 2)
        with pytest.raises(queue.Empty):
            two[0].get_stdin_msg(timeout=0.1)
        asked = two[0].execute("b = input('who is first? ')", allow_stdin=True)
        info = two[1].kernel_info()
        assert reply_to(two[1], info, SECONDS)["status"] == "ok", "while somebody is asked"
        one.type("Ada")
        assert two[0].get_stdin_msg(timeout=SECONDS)["content"]["prompt"] == "who is first? "
        two[0].input("Bob")
        assert reply_to(two[0], asked, SECONDS)["status"] == "ok"
        other.type("print('together', a, b)")
        other.wait("together Ada Bob")
        seen = []
        while "together Ada Bob\n" not in seen:
            seen.append(two[1].get_iopub_msg(timeout=SECONDS)["content"].get("text"))
        assert "a" in two[1].complete("a", reply=True, timeout=SECONDS)["content"]["matches"]
        assert two[0].inspect("a", reply=True, timeout=SECONDS)["content"]["found"]
        tail = two[1].history(reply=True, timeout=SECONDS, hist_access_type="tail", n=1)
        assert "together" in tail["content"]["history"][-1][2]
        one.type("import time; time.sleep(1000)")
        while True:
            message = two[1].get_iopub_msg(timeout=SECONDS)
            if message["msg_type"] == "execute_input" and "1000" in message["content"]["code"]:
                break
        for program in two:
            program.control_channel.send(program.session.msg("interrupt_request", {}))
        for program in two:
            assert program.get_control_msg(timeout=SECONDS)["content"] == {"status": "ok"}
        one.wait("KeyboardInterrupt")
        done = amber.cellblock("run", "-s", "amber", "-c", "print(a + b)")
        assert done.stdout == "AdaBob\n", done.stderr
        other.type("print('still ' + 'here')")
        other.wait("still here")
    finally:
        for console in consoles:
            console.close()
        for name in os.listdir(amber.tmp):
            shutil.rmtree(os.path.join(amber.tmp, name))


@pytest.mark.sanitized
def test_a_routing_id_of_two_at_once(amber, two):
    """Only one of many that claim it in one instant is let in; he is served."""
    with zmq.Context() as context:
        crowd = [Raw(connection_file(amber), identity=b"me", context=context) for _ in range(8)]
        for one in crowd:
            one.socket("shell").setsockopt(zmq.RECONNECT_IVL, -1)
            one.execute("'me'")
        poller = zmq.Poller()
        for one in crowd:
            poller.register(one.socket("shell"), zmq.POLLIN)
        assert poller.poll(SECONDS * 1000), "nobody is served"
        assert leaks.wait_for(lambda: amber.log().count("same routing id") >= 1)
        served = [one for one in crowd if one.receive("shell", 2) is not None]
        assert len(served) == 1
        assert served[0].reply(served[0].execute("1"))["content"]["status"] == "ok"
        for one in crowd:
            one.close()
    assert text_of(run(two[0], "print(1)", SECONDS)[1]) == "1\n"
