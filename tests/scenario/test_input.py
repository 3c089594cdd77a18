"""test_input.py - input () in cells of the control API: asked of who runs the cell, answered by an
input_reply, ended by an interrupt or by his going; and how long such a cell may take."""
import json
import os
import queue
import signal
import time

import pytest

import wireclient
from attached import attach

SECONDS = 120


@pytest.fixture
def amber(daemon, client):
    client.call("new", name="amber", wait=True)
    return daemon


def start(client, code, **content):
    return client.send("run", {"code": code, "session": "amber", "allow_stdin": True, **content})


def answer(client, question, value, **more):
    """An input_reply to an input_request (or to any header)."""
    header = client.header("input_reply")
    parts = [json.dumps(part).encode()
             for part in (header, question, {}, {"value": value, **more})]
    client.send_frames([wireclient.DELIMITER, client.sign(parts)] + parts)
    return header["msg_id"]


def question(client, request):
    """The next input_request of this run."""
    until = time.monotonic() + SECONDS
    while True:
        message = client.receive(until - time.monotonic())
        if message.type == "input_request":
            assert message.parent == request
            return message
        assert message.type != "run_reply", message.content


def test_a_question_and_its_answer(amber, client):
    request = start(client, "name = input('who? ')\nprint('hello', name)")
    asked = question(client, request)
    assert asked.content == {"prompt": "who? ", "password": False}
    answer(client, asked.header, "Ada")
    reply, events = client.wait(request, "run")
    assert reply.content["status"] == "ok", reply.content
    assert wireclient.stream_text(events) == "hello Ada\n"


def test_a_password(amber, client):
    request = start(client, "import getpass\nprint(len(getpass.getpass('secret: ')))")
    asked = question(client, request)
    assert asked.content == {"prompt": "secret: ", "password": True}
    answer(client, asked.header, "pass\u00e9 \U0001f511")
    _, events = client.wait(request, "run")
    assert wireclient.stream_text(events) == "7\n"


def test_an_end_of_file(amber, client):
    request = start(client, "input()")
    answer(client, question(client, request).header, "\x04")
    reply, _ = client.wait(request, "run")
    assert reply.content["error"]["ename"] == "EOFError"


def test_who_does_not_allow_it_is_not_asked(amber, client):
    reply, events = client.run("input()", session="amber")
    assert reply["error"]["ename"] == "StdinNotImplementedError"
    assert "input_request" not in [event.type for event in events]


def test_answers_that_nobody_asked_for_are_dropped(amber, client):
    request = start(client, "a = input('one ')\nb = input('two ')\nprint(a, b)")
    first = question(client, request)
    answer(client, client.header("input_request"), "to nothing")
    with amber.client() as other:
        answer(other, first.header, "another's")
    answer(client, first.header, "right")
    answer(client, first.header, "twice")
    second = question(client, request)
    answer(client, first.header, "too late")
    answer(client, second.header, "too")
    reply, events = client.wait(request, "run")
    assert reply.content["status"] == "ok"
    assert wireclient.stream_text(events) == "right too\n"
    answer(client, second.header, "after the end")
    assert client.run("1", session="amber")[0]["status"] == "ok"


@pytest.mark.parametrize("value, more", [(7, {}), (None, {}), ("a\0b", {}), ("x", {"y": 1})])
def test_an_answer_that_makes_no_sense(amber, client, value, more):
    request = start(client, "print(input())")
    asked = question(client, request)
    wrong = answer(client, asked.header, value, **more)
    message = client.receive(SECONDS)
    assert (message.type, message.parent) == ("error_reply", wrong), message
    assert message.content["ename"] == "invalid"
    answer(client, asked.header, "right")
    assert wireclient.stream_text(client.wait(request, "run")[1]) == "right\n"


def test_an_interrupt_ends_the_question(amber, client):
    request = start(client, "input('wait ')")
    asked = question(client, request)
    assert client.call("interrupt", session="amber")["interrupted"]
    reply, _ = client.wait(request, "run")
    assert reply.content["status"] == "interrupted", reply.content
    answer(client, asked.header, "too late")
    request = start(client, "print(input('again '))")
    answer(client, question(client, request).header, "fine")
    assert wireclient.stream_text(client.wait(request, "run")[1]) == "fine\n"


def test_a_client_that_vanishes_leaves_an_end_of_file(amber, client):
    with amber.client() as other:
        request = start(other, "try:\n    input()\nexcept EOFError:\n    gone = True")
        question(other, request)
    reply, _ = client.run("print(gone)", session="amber", timeout=SECONDS)
    assert reply["status"] == "ok", reply


def test_a_client_that_is_gone_before_is_not_waited_for(amber, client):
    with amber.client() as other:
        start(other, "import time\nprint(1, flush=True)\ntime.sleep(1)\n"
                     "try:\n    input()\nexcept EOFError:\n    gone = True")
        while other.receive(SECONDS).type != "stream":
            pass
    assert client.run("print(gone)", session="amber", timeout=SECONDS)[0]["status"] == "ok"


def test_a_kernel_that_dies_while_it_asks(amber, client):
    request = start(client, "input()")
    asked = question(client, request)
    os.kill(client.call("show", session="amber")["pid"], signal.SIGKILL)
    reply, _ = client.wait(request, "run")
    assert reply.content["status"] == "died"
    answer(client, asked.header, "to the dead")
    assert client.run("1", session="amber", timeout=SECONDS)[0]["status"] == "ok"


def test_the_clock_stands_while_a_person_is_asked(amber, client):
    # On a busy machine the cell itself may take longer than five seconds.
    assert any(answered_late(client, seconds) for seconds in (5, 60))


def answered_late(client, seconds):
    """Whether a cell that may take so long has its answer later than that."""
    request = start(client, "print(input())", timeout_s=seconds)
    message = client.receive()
    while message.type not in ("input_request", "run_reply"):
        message = client.receive()
    if message.type == "run_reply":
        assert message.content["status"] == "timeout", message.content
        return False
    time.sleep(seconds + 1)  # the time itself is what is tested
    answer(client, message.header, "late but in time")
    content = client.wait(request, "run")[0].content
    return content["status"] == "ok" and content["usage"]["wall_s"] < seconds


def test_attached_clients_see_no_question_of_others(amber, client):
    watcher = attach(amber)
    try:
        request = start(client, "print(input())")
        asked = question(client, request)
        watcher.input("not mine to say")
        answer(client, asked.header, "mine")
        assert wireclient.stream_text(client.wait(request, "run")[1]) == "mine\n"
        with pytest.raises(queue.Empty):
            watcher.get_stdin_msg(timeout=0.2)
    finally:
        watcher.stop_channels()


@pytest.mark.parametrize("settings, status", [
    ((), "ok"), (("--set", "profile.default.fixed=wall"), "timeout")])
def test_an_interactive_cell_has_no_wall_time_but_a_fixed_one(house, settings, status):
    house.start("--set", "profile.default.wall=1s", *settings)
    with house.client() as client:
        code = "import time\ntime.sleep(2.5)"
        assert client.run(code, session="amber", interactive=True)[0]["status"] == status
        assert client.run(code, session="amber")[0]["status"] == "timeout"
