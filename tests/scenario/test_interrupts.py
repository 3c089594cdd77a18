"""test_interrupts.py - interrupts at every moment of a cell: it answers, its session lives on."""
import threading

import pytest

from attached import (ask_control, attach, iopub_until, is_idle_of, reply_to, run, settle)
from wireclient import Client

LONG = "import time\nfor _ in range(2000): time.sleep(0.05)"
# The kernel's own code gets SIGINT at this point of every cell from the next one on.
HOOK = """
import os
kernel = get_ipython().kernel
def hook(*arguments, inner=kernel.{0}):
    os.kill(os.getpid(), 2)
    return inner(*arguments)
kernel.{0} = hook
"""


@pytest.fixture
def amber(client):
    client.call("new", name="amber", wait=True)
    assert client.run("kept = 5", session="amber")[0]["status"] == "ok"
    return client


def interrupt_at(client, code, msg_type):
    """The status of a cell that is interrupted when that message comes."""
    run, asked, result = client.send("run", {"session": "amber", "code": code}), None, None
    while result is None or asked is not True:
        message = client.receive()
        if message.parent == asked:
            assert message.content["interrupted"] is True
            asked = True
        if message.parent == run and message.type == msg_type and not asked:
            asked = client.send("interrupt", {"session": "amber"})
        if message.parent == run and message.type == "run_reply":
            result = message.content["status"]
    assert client.run("assert kept == 5", session="amber")[0]["status"] == "ok"
    return result


def test_one_before_the_code_is_raised_in_its_place(amber):
    amber.run(HOOK.format("init_metadata"), session="amber")
    run, _ = amber.run("kept = 6\nkept = 7", session="amber")
    assert (run["status"], run["error"]["ename"]) == ("error", "KeyboardInterrupt")
    run, _ = amber.run("kept", session="amber")
    assert run["error"]["ename"] == "KeyboardInterrupt"


def test_one_while_the_traceback_of_another_is_made_leaves_it(amber):
    code = ("import os\nmaker = get_ipython().InteractiveTB\ninner = maker.structured_traceback\n"
            "def make(*arguments, **names):\n    os.kill(os.getpid(), 2)\n"
            "    return inner(*arguments, **names)\nmaker.structured_traceback = make")
    assert amber.run(code, session="amber")[0]["status"] == "ok"
    run, events = amber.run("os.kill(os.getpid(), 2)", session="amber")
    assert (run["status"], run["error"]["ename"]) == ("error", "KeyboardInterrupt")
    told = [event.content["ename"] for event in events if event.type == "error"]
    assert told == ["KeyboardInterrupt"]


def test_one_after_the_code_has_nothing_to_stop(amber):
    amber.run(HOOK.format("finish_metadata"), session="amber")
    for _ in range(3):
        assert amber.run("assert kept == 5", session="amber")[0]["status"] == "ok"


@pytest.mark.parametrize("moment", ["start", "status", "execute_input"])
def test_the_first_moments(amber, moment):
    for _ in range(5):
        assert interrupt_at(amber, LONG, moment) == "interrupted"


def test_a_cell_that_waits_for_the_kernel(client):
    client.send("new", {"name": "amber"})
    run = client.send("run", {"session": "amber", "code": LONG})
    assert client.call("interrupt", session="amber")["interrupted"] is True
    # The reply to the interrupt came first: nothing else can have been said about the cell's end.
    reply, _ = client.wait(run, "run")
    assert reply.content["status"] == "interrupted"


@pytest.mark.parametrize("code", [
    "import asyncio\nawait asyncio.sleep(100)",
    "import asyncio, time\nawait asyncio.sleep(0)\nprint('on', flush=True)\n" + LONG])
def test_cells_that_await(amber, code):
    moment = "stream" if "print" in code else "execute_input"
    assert interrupt_at(amber, code, moment) == "interrupted"


def test_a_handler_of_the_cell_lasts_as_long_as_the_cell(amber):
    code = ("import os, signal\ncaught = []\nsignal.signal(2, lambda *_: caught.append(1))\n"
            "os.kill(os.getpid(), 2)\nassert caught == [1]")
    assert amber.run(code, session="amber")[0]["status"] == "ok"
    assert interrupt_at(amber, LONG, "execute_input") == "interrupted"


def test_a_kernel_without_an_answer_after_it_lives_on(amber):
    amber.run("def broken(*_):\n    del kernel.finish_metadata\n    raise KeyboardInterrupt\n"
              "kernel = get_ipython().kernel", session="amber")
    # The hook is set where the interrupt comes, so that only this cell has no reply.
    code = ("try:\n    " + LONG.replace("\n", "\n    ") +
            "\nfinally: kernel.finish_metadata = broken")
    assert interrupt_at(amber, code, "execute_input") == "interrupted"
    info = amber.call("show", session="amber")
    assert info["restarts"] == 0 and info["state"] == "idle"


def test_many_at_once(daemon):
    ends = []

    def work(number):
        with Client(daemon.connection()) as client:
            name = "s%d" % number
            client.call("new", name=name, wait=True)
            for turn in range(15):
                run = client.send("run", {"session": name, "code": LONG})
                while client.receive().type != ("status", "execute_input")[turn % 2]:
                    pass
                client.send("interrupt", {"session": name})
                ends.append(client.wait(run, "run")[0].content["status"])
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == ["interrupted"] * 60


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_cell_that_awaits_in_its_own_loop(amber, loop):
    assert amber.run("%autoawait " + loop, session="amber")[0]["status"] == "ok"
    code = "import {0}\nprint('awaits')\nawait {0}.sleep(1000)".format(loop)
    assert interrupt_at(amber, code, "stream") == "interrupted"


# -- a person's code beside the cells -----------------------------------------------------------

STUCK = "import time\ndef stuck(*_):\n    print('here', flush=True)\n    time.sleep(1000)\n"


@pytest.fixture
def widgets(new_house):
    house = new_house().start("--set", "profile.default.active_output=full")
    house.client().call("new", name="amber", wait=True)
    client = attach(house)
    assert run(client, STUCK + "kept = 5")[0]["status"] == "ok"
    settle(client)
    yield client
    client.stop_channels()


def is_here(message):
    return message["content"].get("text") == "here\n"


def is_well(client):
    return run(client, "assert kept == 5")[0]["status"] == "ok"


def open_a_comm_that_is_stuck(client):
    """The message's id, once its callback runs."""
    assert run(client, "get_ipython().kernel.comm_manager.register_target('t', stuck)")[0]
    message = client.session.msg("comm_open", {"comm_id": "c", "target_name": "t", "data": {}})
    client.shell_channel.send(message)
    iopub_until(client, is_here)
    return message["header"]["msg_id"]


def test_a_widget_s_callback(widgets):
    msg_id = open_a_comm_that_is_stuck(widgets)
    assert ask_control(widgets, "interrupt_request") == {"status": "ok"}
    iopub_until(widgets, is_idle_of(msg_id))
    assert is_well(widgets)


def test_a_widget_s_callback_before_a_cell(widgets):
    open_a_comm_that_is_stuck(widgets)
    waits = widgets.execute("1")
    assert ask_control(widgets, "interrupt_request") == {"status": "ok"}
    assert reply_to(widgets, waits)["status"] in ("ok", "error")
    assert is_well(widgets)


def test_what_draws_when_a_cell_is_over(widgets):
    """As matplotlib's pictures."""
    code = ("def draw():\n    get_ipython().events.unregister('post_execute', draw)\n    stuck()\n"
            "get_ipython().events.register('post_execute', draw)")
    msg_id = widgets.execute(code)
    iopub_until(widgets, is_here)
    assert ask_control(widgets, "interrupt_request") == {"status": "ok"}
    assert reply_to(widgets, msg_id)["status"] == "ok"
    told = iopub_until(widgets, is_idle_of(msg_id))
    assert "KeyboardInterrupt" in [message["content"].get("ename") for message in told]
    assert is_well(widgets)


def test_what_an_object_says_to_tab_and_to_help(widgets):
    assert run(widgets, "class Slow: __str__ = stuck\nslow = Slow()\n"
               "get_ipython().set_custom_completer(stuck)")[0]["status"] == "ok"
    for ask in (lambda: widgets.inspect("slow"), lambda: widgets.complete("kep")):
        msg_id = ask()
        iopub_until(widgets, is_here)
        assert ask_control(widgets, "interrupt_request") == {"status": "ok"}
        assert reply_to(widgets, msg_id)["status"] == "ok"
        iopub_until(widgets, is_idle_of(msg_id))
    assert run(widgets, "get_ipython().set_custom_completer(lambda *_: [])")[0]["status"] == "ok"
    assert is_well(widgets)
