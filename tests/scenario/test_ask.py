"""test_ask.py - what a client of the control API asks the kernel beside cells: is this complete,
how does it go on, what is that, what was run."""
import pytest

from wireclient import HOLD, let_go


@pytest.fixture
def amber(daemon, client):
    client.call("new", name="amber", wait=True)
    return daemon


def ask(client, question, **content):
    return client.call("ask", session="amber", question=question, content=content)["answer"]


@pytest.mark.parametrize("code, status, indent", [
    ("1 + 1", "complete", None), ("def f():", "incomplete", "    "), ("print(", "incomplete", None),
    ("def f():\n    return 1", "incomplete", "    "),
    ("def f():\n    return 1\n", "complete", None),
    ("1 +* 2", "invalid", None), ("%%time\n1", "incomplete", None), ("!ls", "complete", None)])
def test_is_this_complete(amber, client, code, status, indent):
    answer = ask(client, "is_complete", code=code)
    assert answer["status"] == status
    if indent is not None:
        assert answer["indent"] == indent


def test_the_other_questions(amber, client):
    client.run("a_long_name = 5", session="amber")
    assert "a_long_name" in ask(client, "complete", code="a_long", cursor_pos=6)["matches"]
    found = ask(client, "inspect", code="a_long_name", cursor_pos=3)
    assert found["found"] and "int" in found["data"]["text/plain"]
    history = ask(client, "history", hist_access_type="tail", n=5, raw=True, output=False)
    assert [1, "a_long_name = 5"] == history["history"][-1][1:]


def test_a_question_waits_for_its_turn(amber, client):
    run = client.send("run", {"code": "import time\ntime.sleep(1)\nlate_name = 1",
                              "session": "amber"})
    asked = client.send("ask", {"session": "amber", "question": "complete",
                                "content": {"code": "late_", "cursor_pos": 5}})
    assert client.wait(run, "run")[0].content["status"] == "ok"
    answer = client.wait(asked, "ask")[0].content["answer"]
    assert answer["matches"] == ["late_name"]


def test_what_is_not_asked(amber, client):
    for question in ("shutdown", "execute", "", "comm_info", "is_complete_request"):
        reply, _ = client.ask("ask", session="amber", question=question)
        assert reply.content["ename"] == "invalid", question
    assert client.ask("ask", session="no", question="history")[0].content["ename"] == "not_found"


def test_a_kernel_that_does_not_understand_is_not_waited_for(amber, client):
    reply, _ = client.ask("ask", session="amber", question="complete", content={"code": 5})
    assert reply.content["ename"] == "gone", reply.content
    assert ask(client, "is_complete", code="1")["status"] == "complete"


def test_a_question_to_a_kernel_that_dies(amber, client):
    run = client.send("run", {"code": HOLD + "import os\nos._exit(1)", "session": "amber"})
    asked = client.send("ask", {"session": "amber", "question": "is_complete",
                                "content": {"code": "1"}})
    client.send("status")
    while client.receive().type != "status_reply":
        pass
    with amber.client() as other:
        let_go(other, "amber")
    reply, _ = client.wait(asked, "ask")  # what waits is told first
    assert reply.content["ename"] == "gone" and "exit status 1" in reply.content["evalue"]
    assert client.wait(run, "run")[0].content["status"] == "died"
    assert ask(client, "is_complete", code="1")["status"] == "complete"


def test_a_question_of_ones_own_is_nobody_to_wait_for(amber, client):
    """A prompt asks whether a line is whole, and runs it: only others' cells come before that."""
    with amber.client() as other:
        held = other.send("run", {"code": HOLD, "session": "amber"})
        assert other.receive().type == "start"
        asked = client.send("ask", {"session": "amber", "question": "is_complete",
                                    "content": {"code": "1"}})
        run = client.send("run", {"code": "1", "session": "amber"})
        let_go(client, "amber")
        assert client.wait(asked, "ask")[0].content["answer"]["status"] == "complete"
        reply, events = client.wait(run, "run")
        assert reply.content["status"] == "ok"
        assert [event.content["ahead"] for event in events if event.type == "queued"] == [1]
        assert other.wait(held, "run")[0].content["status"] == "ok"


def test_who_asks_and_goes(amber, client):
    client.send("run", {"code": "import time\ntime.sleep(1)", "session": "amber"})
    with amber.client() as other:
        other.send("ask", {"session": "amber", "question": "is_complete",
                           "content": {"code": "1"}})
        other.call("status")
    assert ask(client, "is_complete", code="1")["status"] == "complete"
    client.send("ask", {"session": "amber", "question": "is_complete", "content": {"code": "1"}})
    client.call("stop", session="amber")
