"""test_attach.py - Jupyter clients on a living session: replies to who asked, output to all,
input (), interrupts, restarts; beside the command line on the same kernel."""
import queue
import time

import pytest

import leaks
from attached import (SECONDS, Raw, ask_control, attach, connection_file, everything, is_begun,
                      is_idle, is_idle_of, iopub_until, iopub_until_idle, replies_to, reply_to,
                      run, settle, text_of)
from test_survival import another_broker, kill_broker
from wireclient import HOLD, let_go

SLEEP = "import time\ntime.sleep(1000)"


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


@pytest.fixture
def raw(amber):
    with Raw(connection_file(amber)) as made:
        yield made.subscribed()


def kinds(messages):
    """Their types; pieces of one stream count once, a kernel may cut it anywhere."""
    every = [message["msg_type"] for message in messages]
    return [kind for kind, before in zip(every, [None] + every)
            if (kind, before) != ("stream", "stream")]


# -- everybody's own replies, everybody's output ----------------------------------------------

@pytest.mark.everyone
def test_everyone_gets_his_own_replies(two):
    first, second = two
    asked = [(client, number, client.execute("%d + 1" % number, silent=False))
             for number in range(10) for client in two]
    for client, _, msg_id in asked:
        assert reply_to(client, msg_id)["status"] == "ok"
    last = first.execute("pass")
    orders = [[(message["parent_header"]["msg_id"], message["content"]["data"]["text/plain"])
               for message in iopub_until(client, is_idle_of(last))
               if message["msg_type"] == "execute_result"] for client in two]
    assert reply_to(first, last)["status"] == "ok"
    assert orders[0] == orders[1]
    assert dict(orders[0]) == {msg_id: str(number + 1) for _, number, msg_id in asked}
    for client in two:
        with pytest.raises(queue.Empty):
            client.get_shell_msg(timeout=0.1)
    assert first.session.session != second.session.session


def test_what_clients_ask(two):
    one = two[1]
    run(two[0], "value = 'text'\ndef function(argument):\n    'What it does.'\nfunction(1)")
    assert "value" in one.complete("valu", reply=True, timeout=SECONDS)["content"]["matches"]
    found = one.inspect("function", reply=True, timeout=SECONDS)["content"]
    assert found["found"] and "What it does." in found["data"]["text/plain"]
    history = one.history(reply=True, timeout=SECONDS, hist_access_type="tail", n=1)["content"]
    assert "value = 'text'" in history["history"][-1][2]
    assert reply_to(one, one.is_complete("if x:"))["status"] == "incomplete"
    assert one.comm_info(reply=True, timeout=SECONDS)["content"]["comms"] == {}
    info = one.kernel_info(reply=True, timeout=SECONDS)["content"]
    assert info["language_info"]["name"] == "python"
    assert ask_control(one, "kernel_info_request")["status"] == "ok"
    reply, _ = run(one, "1", user_expressions={"twice": "value * 2"})
    assert reply["user_expressions"]["twice"]["data"]["text/plain"] == "'texttext'"


def test_cells_of_the_command_line_show(amber, two):
    settle(*two)
    done = amber.cellblock("run", "-s", "amber", "-c", "print('from the shell')\n1 + 1")
    assert done.stdout == "from the shell\n2\n", done.stderr
    for client in two:
        seen = iopub_until(client, is_idle) + everything(client)
        assert kinds(seen) == ["status", "execute_input", "stream", "execute_result", "status"]
        assert [message["content"]["execution_state"] for message in seen
                if message["msg_type"] == "status"] == ["busy", "idle"]
        assert len({message["parent_header"]["msg_id"] for message in seen}) == 1
    assert run(two[0], "_")[0]["status"] == "ok"


def test_the_brokers_own_questions_never_show(amber, two):
    settle(*two)
    msg_id = two[1].execute(SLEEP)
    iopub_until(two[1], is_begun(msg_id))
    assert ask_control(two[1], "interrupt_request") == {"status": "ok"}
    assert reply_to(two[1], msg_id)["ename"] == "KeyboardInterrupt"
    asked = {"execute_request", "interrupt_request"}
    for message in iopub_until(two[0], is_idle_of(msg_id)) + everything(two[0]):
        assert message["parent_header"]["msg_type"] in asked
        assert message["parent_header"]["session"] == two[1].session.session


def test_late_output_shows(two):
    run(two[0], "import threading\n"
                "threading.Timer(0.5, lambda: print('late', flush=True)).start()")
    late = iopub_until(two[1], lambda message: message["msg_type"] == "stream")
    late = [message for message in late + everything(two[1]) if message["msg_type"] == "stream"]
    assert "".join(message["content"]["text"] for message in late).strip() == "late"


def test_late_output_has_an_end(new_house):
    house = new_house().start("--set", "profile.default.output=64 KiB")
    client = house.client()
    client.call("new", name="amber", wait=True)
    one = attach(house)
    wait = HOLD.strip().replace("\n", "\n    ")
    asked = one.execute("import threading\ndef chatter():\n    " + wait +
                        "\n    for i in range(100):\n        print('x' * 9999, flush=True)\n"
                        "    open('/work/said', 'w').close()\n"
                        "threading.Thread(target=chatter).start()")
    reply_to(one, asked)
    iopub_until(one, is_idle_of(asked))
    let_go(client, "amber")
    assert leaks.wait_for(lambda: "work/said" in [
        file["path"] for file in client.call("files", session="amber")["files"]])
    last = one.execute("pass", silent=True)
    late = [(message["msg_type"], message["content"])
            for message in iopub_until(one, is_idle_of(last))
            if message["parent_header"].get("msg_id") == asked]
    reply_to(one, last)
    # The next cell begins a new account, maybe before all of it was read.
    assert 10000 < len(text_of(late)) <= 2 * 65536
    assert text_of(run(one, "print('next')")[1]) == "next\n"
    one.stop_channels()


def test_who_joins_late_is_usable_at_once(amber, two):
    msg_id = two[0].execute(SLEEP)
    iopub_until(two[0], is_begun(msg_id))
    late = attach(amber)
    ask_control(late, "interrupt_request")
    assert reply_to(two[0], msg_id)["ename"] == "KeyboardInterrupt", "the cell still ran"
    assert run(late, "6 * 7")[0]["status"] == "ok"
    late.stop_channels()


def test_nothing_is_idle_while_a_cell_runs(client, two):
    """Who asks for kernel_info meanwhile has its answer at once, its idle when all is idle."""
    settle(*two)
    msg_id = two[0].execute(HOLD)
    iopub_until(two[1], is_begun(msg_id))
    info = two[1].kernel_info()
    assert reply_to(two[1], info)["status"] == "ok"
    let_go(client, "amber")
    order = []
    while len(order) < 2:
        message = two[1].get_iopub_msg(timeout=SECONDS)
        if message["content"].get("execution_state") == "idle":
            order.append(message["parent_header"]["msg_id"])
    assert order == [msg_id, info]


def test_whom_an_answer_is_owed_gets_it_first(client, two):
    """kernel_info too: his answers keep the order of his questions. Nobody else waits for it."""
    settle(*two)
    asked = [two[0].execute(HOLD)]
    iopub_until(two[1], is_begun(asked[0]))
    asked += [two[0].kernel_info(), two[0].comm_info()]
    assert leaks.wait_for(lambda: client.call("show", session="amber")["queued"] >= 2)
    for _ in range(2):
        assert reply_to(two[1], two[1].kernel_info())["status"] == "ok"
    let_go(client, "amber")
    got = [two[0].get_shell_msg(timeout=SECONDS)["parent_header"]["msg_id"] for _ in asked]
    assert got == asked


def test_a_topic_is_a_prefix(amber, raw):
    with Raw(connection_file(amber), topics=(b"stream",)) as other:
        other.subscribed_to_some("print('before')")
        raw.reply(raw.execute("print('a')\n1\nprint('b')"))
        raw.reply(raw.execute("print('the end')"))
        kinds, text = [], ""
        while "the end" not in text:
            message = other.receive("iopub")
            kinds.append(message["msg_type"])
            text += message["content"]["text"]
        assert set(kinds) == {"stream"} and "a\n" in text and "b\n" in text


def test_unknown_types_pass(raw):
    """IPython's kernel is busy and idle for what it does not know, and answers nothing."""
    msg_id = raw.send("shell", "frobnicate_request", {"x": 1})
    states = [raw.receive("iopub") for _ in range(2)]
    assert [state["content"]["execution_state"] for state in states] == ["busy", "idle"]
    assert {state["parent_header"]["msg_id"] for state in states} == {msg_id}
    assert states[0]["parent_header"]["msg_type"] == "frobnicate_request"
    assert raw.reply(raw.execute("1"))["content"]["status"] == "ok"


# -- errors -----------------------------------------------------------------------------------

def test_stop_on_error_is_for_his_own_cells(client, two):
    first, second = two
    blocker = first.execute(HOLD)
    bad = first.execute("1 / 0")
    others = second.execute("'mine'")
    aborted = [first.execute("'never'") for _ in range(3)]
    asked = first.kernel_info()
    assert leaks.wait_for(lambda: client.call("show", session="amber")["queued"] >= 5)
    let_go(client, "amber")
    assert reply_to(first, blocker)["status"] == "ok"
    assert reply_to(first, bad)["ename"] == "ZeroDivisionError"
    assert [reply_to(first, one)["status"] for one in aborted] == ["aborted"] * 3
    assert reply_to(second, others)["status"] == "ok"
    assert iopub_until_idle(second, aborted[2]) == [
        ("status", {"execution_state": "busy"}), ("status", {"execution_state": "idle"})]
    assert reply_to(first, first.execute("2"))["status"] == "ok"
    assert asked


def test_without_stop_on_error_it_goes_on(two):
    blocker = two[0].execute("import time\ntime.sleep(0.3)")
    bad = two[0].execute("1 / 0", stop_on_error=False)
    good = two[0].execute("1")
    assert [reply_to(two[0], one)["status"] for one in (blocker, bad, good)] == \
        ["ok", "error", "ok"]


def test_wall_time_is_for_who_asked_for_one(new_house):
    house = new_house().start("--set", "profile.default.wall=500ms",
                              "--set", "profile.default.grace=60 s",
                              "--set", "profile.strict.fixed=wall")
    house.client().call("new", name="amber", wait=True)
    house.client().call("new", name="tight", profile="strict", wait=True)
    free, bound = attach(house), attach(house, "tight")
    assert run(free, "import time\ntime.sleep(1.2)")[0]["status"] == "ok"
    assert run(bound, "import time\ntime.sleep(100)")[0]["ename"] == "KeyboardInterrupt"
    reply, _ = bound and house.client().ask("run", session="tight", code="1", timeout_s=5)
    assert reply.content["ename"] == "policy" and "500 ms" in reply.content["evalue"]
    for one in (free, bound):
        one.stop_channels()


def test_output_over_the_cap_is_told(new_house):
    house = new_house().start("--set", "profile.default.output=64 KiB")
    house.client().call("new", name="amber", wait=True)
    one = attach(house)
    reply, seen = run(one, "for i in range(40): print('x' * 9999, flush=True)")
    assert reply["status"] == "ok"
    assert 10000 <= len(text_of(seen)) <= 65536 + 16384, "the cap and the end of it"
    assert "went over 64 KiB" in text_of(seen, "stderr")
    one.stop_channels()


# -- input () ---------------------------------------------------------------------------------

@pytest.mark.everyone
def test_input_asks_whose_cell_it_is(two):
    first, second = two
    msg_id = first.execute("print(input('name? '))", allow_stdin=True)
    question = first.get_stdin_msg(timeout=SECONDS)
    assert question["content"] == {"prompt": "name? ", "password": False}
    assert question["parent_header"]["msg_id"] == msg_id
    with pytest.raises(queue.Empty):
        second.get_stdin_msg(timeout=0.2)
    second.input("not mine to say")
    time.sleep(0.3)
    first.input("Ada")
    assert reply_to(first, msg_id)["status"] == "ok"
    assert text_of(iopub_until_idle(second, msg_id)) == "Ada\n"


@pytest.mark.limit(400)
def test_the_clock_stands_while_a_person_is_asked(new_house):
    # On a busy machine the cell itself may take longer than five seconds.
    assert any(status_of_a_late_answer(new_house(), wall) == "ok" for wall in (5, 60))


def status_of_a_late_answer(house, wall):
    house.start("--set", "profile.default.wall=%d s" % wall,
                "--set", "profile.default.fixed=wall")
    house.client().call("new", name="amber", wait=True)
    one = attach(house)
    msg_id = one.execute("input()", allow_stdin=True)
    try:
        one.get_stdin_msg(timeout=wall)
        time.sleep(wall + 1)
        one.input("here")
        return reply_to(one, msg_id)["status"]
    except queue.Empty:
        return "never asked"
    finally:
        one.stop_channels()


def test_stale_answers_are_dropped(amber, two):
    first = two[0]
    first.input("before anything")
    asked = first.execute("input('one ')", allow_stdin=True)
    first.get_stdin_msg(timeout=SECONDS)
    ask_control(first, "interrupt_request")
    assert reply_to(first, asked)["ename"] == "KeyboardInterrupt"
    first.input("too late")
    asked = first.execute("input('two ')", allow_stdin=True)
    question = first.get_stdin_msg(timeout=SECONDS)
    wrong = first.session.msg("input_reply", {"value": "wrong"}, parent={
        **question["header"], "msg_id": "another question"})
    first.stdin_channel.send(wrong)
    first.input("right")
    assert reply_to(first, asked)["status"] == "ok"
    assert ("execute_result", "'right'") in [
        (kind, content.get("data", {}).get("text/plain"))
        for kind, content in iopub_until_idle(first, asked)]
    assert "an input_reply is dropped" in amber.log()


def test_input_of_a_cell_that_may_not_ask(two):
    reply, _ = run(two[0], "input()", allow_stdin=False)
    assert reply["ename"] == "StdinNotImplementedError"


def test_a_client_without_stdin_cannot_be_asked(raw):
    """It never connected there: the kernel knows that nobody can be asked."""
    assert raw.reply(raw.execute("input()"))["content"]["ename"] == "StdinNotImplementedError"


@pytest.mark.parametrize("lost", ["stdin", "all"])
def test_who_vanishes_while_asked_leaves_an_end_of_file(amber, two, lost):
    raw = Raw(connection_file(amber))
    raw.send("stdin", "input_reply", {"value": "connects"})
    raw.reply(raw.send("shell", "kernel_info_request"))
    assert leaks.wait_for(lambda: "an input_reply is dropped" in amber.log()), "it is connected"
    raw.execute("try:\n    input()\nexcept EOFError as error:\n    print('nobody')")
    assert raw.receive("stdin")["msg_type"] == "input_request"
    if lost == "stdin":
        raw.drop("stdin")
    else:
        raw.close()
    iopub_until(two[0], lambda message: message["content"].get("text") == "nobody\n")
    assert run(two[0], "1")[0]["status"] == "ok"
    raw.close()


# -- interrupts, restarts, ends ---------------------------------------------------------------

def test_two_interrupts_at_once(two):
    msg_id = two[0].execute(SLEEP)
    iopub_until(two[0], is_begun(msg_id))
    for client in two:
        client.control_channel.send(client.session.msg("interrupt_request", {}))
    for client in two:
        assert client.get_control_msg(timeout=SECONDS)["content"] == {"status": "ok"}
    assert reply_to(two[0], msg_id)["ename"] == "KeyboardInterrupt"
    assert run(two[1], "1")[0]["status"] == "ok"


def test_an_interrupt_of_nothing(two):
    assert ask_control(two[0], "interrupt_request") == {"status": "ok"}
    assert run(two[0], "1")[0]["status"] == "ok"


def test_restart_behind_the_same_sockets(client, two):
    first, second = two
    run(first, "x = 1")
    running = second.execute(SLEEP)
    waiting = second.execute("x")
    assert leaks.wait_for(lambda: client.call("show", session="amber")["queued"] == 1)
    assert ask_control(first, "shutdown_request", {"restart": True}) == {
        "status": "ok", "restart": True}
    for msg_id, reply in replies_to(second, [running, waiting]).items():
        assert (reply["status"], reply["ename"]) == ("error", "KernelDied"), msg_id
    assert run(first, "x")[0]["ename"] == "NameError"
    last = second.execute("pass")
    assert reply_to(second, last)["status"] == "ok"
    states = [message["content"]["execution_state"]
              for message in iopub_until(second, is_idle_of(last))
              if message["msg_type"] == "status" and not message["parent_header"]]
    assert states == ["restarting", "idle"]
    assert run(second, "1")[0]["status"] == "ok"


def test_what_comes_while_the_last_kernel_ends_is_for_the_next(client, two):
    first, second = two
    run(first, "import atexit, time; atexit.register(time.sleep, 1000)")
    first.control_channel.send(first.session.msg("shutdown_request", {"restart": True}))

    def has_begun():
        info = client.call("show", session="amber")
        return info["state"] == "restarting" or info["restarts"] == 1
    assert leaks.wait_for(has_begun)
    asked = second.execute("1")
    assert ask_control(second, "kernel_info_request")["status"] == "ok"
    assert reply_to(second, asked)["status"] == "ok"
    assert first.get_control_msg(timeout=SECONDS)["content"] == {"status": "ok", "restart": True}


def test_shutdown_ends_the_session(amber, client, two):
    assert ask_control(two[0], "shutdown_request", {"restart": False}) == {
        "status": "ok", "restart": False}
    assert leaks.wait_for(lambda: client.call("list")["sessions"] == [])
    assert leaks.wait_for(lambda: not two[1].is_alive())


def test_a_death_is_told_to_who_waits(client, two):
    first, second = two
    dying = first.execute(HOLD + "import os\nos.kill(os.getpid(), 9)")
    assert leaks.wait_for(lambda: client.call("show", session="amber")["state"] == "busy")
    waiting = second.execute("1")
    assert leaks.wait_for(lambda: client.call("show", session="amber")["queued"] == 1)
    let_go(client, "amber")
    for client, msg_id in ((first, dying), (second, waiting)):
        reply = reply_to(client, msg_id)
        assert (reply["status"], reply["ename"]) == ("error", "KernelDied")
        kinds = [kind for kind, _ in iopub_until_idle(client, msg_id)]
        assert "error" in kinds
    assert run(second, "2")[0]["status"] == "ok", "it was restarted"


def kill_for_good(client, one):
    """So often within a minute that it is not started anew; on a busy machine that takes more."""
    for _ in range(20):
        msg_id = one.execute("import os\nos.kill(os.getpid(), 9)")
        assert reply_to(one, msg_id)["ename"] == "KernelDied"
        states = []
        while not states or states[-1] not in ("idle", "dead"):
            states.append(client.call("show", session="amber")["state"])
        if states[-1] == "dead":
            return
    raise AssertionError("it is started again and again")


def test_the_heart_stops_with_the_kernel(amber, client, two):
    assert leaks.wait_for(two[0].is_alive)
    kill_for_good(client, two[0])
    with Raw(connection_file(amber)) as raw:
        raw.socket("hb").send(b"ping")
        assert not raw.socket("hb").poll(1000)
        dead = raw.reply(raw.execute("1"))["content"]
        assert dead["status"] == "error" and "dead" in dead["evalue"]
    client.call("restart", session="amber")
    with Raw(connection_file(amber)) as raw:
        raw.socket("hb").send(b"ping")
        assert raw.socket("hb").poll(120000) and raw.socket("hb").recv() == b"ping"
    assert run(two[1], "1")[0]["status"] == "ok"


@pytest.mark.everyone
@pytest.mark.sanitized
def test_who_looks_later_misses_nothing_of_the_next_broker(amber, two):
    """libzmq connects again by itself, and subscribes again when its program looks at the socket:
    one does at once, the other when all is over."""
    with Raw(connection_file(amber)) as later:
        later.subscribed()
        msg_id = two[0].execute(HOLD + "for i in range(100): print('line', i)")
        iopub_until(two[0], is_begun(msg_id))
        another_broker(amber, kill_broker(amber))
        let_go(amber.client(), "amber")
        assert reply_to(two[0], msg_id)["status"] == "ok"
        text, ended = "", False
        while not ended:
            message = later.receive("iopub")
            assert message is not None, text
            text += message["content"].get("text", "")
            ended = is_idle_of(msg_id)(message)
    assert text == "".join("line %d\n" % i for i in range(100))


def test_attach_prints_lines_that_work(amber):
    lines = amber.cellblock("attach", "amber").stdout
    assert "jupyter console --existing " + connection_file(amber) in lines
    assert amber.cellblock("attach", "amber", "--path").stdout.strip() == connection_file(amber)

