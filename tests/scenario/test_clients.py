"""test_clients.py - several Jupyter clients on one session whose names are alike, who wait for each
other, who come late: who hears what."""
import json
import uuid

import pytest
import zmq

import leaks
from attached import (SECONDS, Raw, attach, connection_file, is_begun, is_idle_of, iopub_until,
                      reply_to, run, settle, text_of)
from test_survival import another_broker, kill_broker
from wireclient import HOLD, Client, let_go

BLANK = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True,
         "stop_on_error": True}


@pytest.fixture
def amber(daemon, client):
    client.call("new", name="amber", wait=True)
    return daemon


@pytest.fixture
def pair(amber):
    with Raw(connection_file(amber)) as one, Raw(connection_file(amber)) as other:
        yield one.subscribed(), other.subscribed()


def send_as(raw, msg_id, code, session=None, **more):
    """An execute_request with an id of one's choosing."""
    header = raw.session.msg_header("execute_request")
    header["msg_id"] = msg_id
    if session is not None:
        header["session"] = session
    message = raw.session.msg("execute_request", {"code": code, **BLANK, **more}, header=header)
    raw.session.send(raw.socket("shell"), message)
    return msg_id


def begin(raw, code):
    """The kernel is at this cell."""
    asked = raw.execute(code)
    while not is_begun(asked)(raw.receive("iopub")):
        pass
    return asked


def until_queued(client, count):
    assert leaks.wait_for(lambda: client.call("show", session="amber")["queued"] == count)


def value_of(reply):
    return reply["content"]["user_expressions"]["it"]["data"]["text/plain"]


def nothing_more(raw, channel):
    """A later answer is the next that comes: nothing was there before it."""
    asked = raw.execute("'last'", user_expressions={"it": "'last'"})
    if channel == "shell":
        reply = raw.receive("shell")
        assert reply["parent_header"]["msg_id"] == asked
    else:
        raw.reply(asked)
        assert not raw.socket(channel).poll(0)


def until_it_can_be_asked(raw):
    """Its stdin is connected when a cell of its may ask."""
    raw.socket("stdin")
    poller = zmq.Poller()
    for channel in ("shell", "stdin"):
        poller.register(raw.socket(channel), zmq.POLLIN)
    while True:
        asked = raw.execute("input()")
        if raw.socket("stdin") in dict(poller.poll(SECONDS * 1000)):
            raw.send("stdin", "input_reply", {"value": ""}, parent=raw.receive("stdin"))
            raw.reply(asked)
            return
        assert raw.reply(asked)["content"]["ename"] == "StdinNotImplementedError"


# -- whose answer it is --------------------------------------------------------------------------

@pytest.mark.parametrize("session", ["the same for both", ""])
def test_the_session_in_a_header_says_nothing(client, pair, session):
    """Routing ids and message ids do; each input () asks whose cell it is."""
    for raw in pair:
        raw.session.session = session
        until_it_can_be_asked(raw)
    asked = []
    for number in range(6):
        for raw, name in zip(pair, "ab"):
            asked.append((raw, send_as(raw, uuid.uuid4().hex, "it = %r" % (name + str(number)),
                                       session, user_expressions={"it": "it"}),
                          repr(name + str(number))))
    for raw, msg_id, value in asked:
        reply = raw.receive("shell")
        assert reply["parent_header"]["msg_id"] == msg_id and value_of(reply) == value
        assert reply["parent_header"]["session"] == session
    for raw, name in zip(pair, "ab"):
        msg_id = send_as(raw, uuid.uuid4().hex, "it = input(%r)" % name, session,
                         user_expressions={"it": "it"})
        question = raw.receive("stdin")
        assert question["content"]["prompt"] == name
        raw.send("stdin", "input_reply", {"value": "of " + name}, parent=question)
        assert value_of(raw.reply(msg_id)) == repr("of " + name)
    for raw in pair:
        nothing_more(raw, "shell")
        nothing_more(raw, "stdin")


def test_one_message_id_of_two_clients(client, pair):
    """Both cells run, each answer goes to who asked: as by a plain kernel. Their output cannot be
    told apart on iopub, where both have the same parent."""
    first, second = pair
    hold = begin(first, HOLD)
    for raw, name in zip(pair, "ab"):
        send_as(raw, "the-same-id", "it = %r" % name, user_expressions={"it": "it"})
    until_queued(client, 2)
    let_go(client, "amber")
    first.reply(hold)
    for raw, name in zip(pair, "ab"):
        assert value_of(raw.reply("the-same-id")) == repr(name)
        nothing_more(raw, "shell")


def test_one_message_id_again_and_again(pair):
    """A client that always says the same; only what is the same to the byte is refused."""
    for number in range(3):
        send_as(pair[0], "always", "it = %d" % number, user_expressions={"it": "it"})
        assert value_of(pair[0].reply("always")) == str(number)


def test_a_message_that_was_there_before_is_not_done_again(amber, pair):
    raw = pair[0]
    raw.reply(raw.execute("times = 0"))
    message = raw.session.msg("execute_request", {"code": "times += 1", **BLANK})
    for _ in range(3):
        raw.session.send(raw.socket("shell"), message, header=message["header"])
    frames = raw.session.serialize(raw.session.msg("execute_request",
                                                   {"code": "times += 10", **BLANK}))
    for _ in range(3):
        raw.socket("shell").send_multipart(frames)
    raw.reply(json.loads(frames[2])["msg_id"])
    asked = raw.execute("", user_expressions={"it": "times"})
    assert value_of(raw.reply(asked)) in ("11", "13")
    assert leaks.wait_for(lambda: "Duplicate" in amber.log() or "cannot be accepted" in amber.log())


# -- who has to wait -----------------------------------------------------------------------------

def note_of(message):
    return message["metadata"].get("cellblock", {}).get("queued", {}).get("ahead")


def test_who_waits_for_others_is_told_his_place(client, pair):
    """As text on stderr of his cell, and as a number; before the cell begins it is taken away."""
    first, second = pair
    hold = begin(first, HOLD)
    own = first.execute("'mine, behind mine'")
    until_queued(client, 1)
    waits = second.execute("print('at last')")
    told = []
    while not told or note_of(told[-1]) is None:
        told.append(second.receive("iopub"))
    note = told[-1]
    assert note["parent_header"]["msg_id"] == waits and note_of(note) == 2
    assert (note["msg_type"], note["content"]["name"]) == ("stream", "stderr")
    assert "waits for its turn: 2 are before it" in note["content"]["text"]
    let_go(client, "amber")
    assert second.reply(waits)["content"]["status"] == "ok"
    while not is_idle_of(waits)(told[-1]):
        told.append(second.receive("iopub"))
    of_it = [message for message in told if message["parent_header"].get("msg_id") == waits]
    kinds = [message["msg_type"] for message in of_it]
    begun = kinds.index("execute_input")
    assert kinds[begun - 2] == "clear_output" and kinds[begun - 1] == "status"
    assert of_it[begun - 2]["content"] == {"wait": False}
    assert "".join(message["content"]["text"] for message in of_it[begun:]
                   if message["msg_type"] == "stream") == "at last\n"
    # Nobody was told who waited for his own cells alone.
    assert {message["parent_header"].get("msg_id") for message in told
            if note_of(message)} == {waits}
    assert first.reply(hold) and first.reply(own)


def test_nothing_of_a_place_is_left_in_a_notebook(client, amber, tmp_path):
    """What nbclient keeps of a cell that waited is what the cell put out."""
    nbformat = pytest.importorskip("nbformat")
    from nbclient import NotebookClient
    other = attach(amber)
    hold = other.execute(HOLD)
    iopub_until(other, is_begun(hold))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print('out')\n42")])
    mine = attach(amber)

    class Attached(NotebookClient):
        def run_here(self):
            self.kc = mine
            self.reset_execution_trackers()
            return self.execute_cell(self.nb.cells[0], 0)
    runner = Attached(book, km=None, timeout=200)
    import threading
    done = threading.Thread(target=runner.run_here)
    done.start()
    iopub_until(other, lambda message: note_of(message) is not None)
    let_go(client, "amber")
    done.join(200)
    outputs = book.cells[0].outputs
    assert [output.output_type for output in outputs] == ["stream", "execute_result"]
    assert outputs[0].text == "out\n"
    reply_to(other, hold)
    for one in (other, mine):
        one.stop_channels()


# -- stop_on_error -------------------------------------------------------------------------------

def test_what_is_aborted_keeps_its_place(client, pair):
    """Answers come in the order of the questions, as by a plain kernel; only execute_requests are
    aborted, and nothing comes between what belongs to one of them."""
    first, second = pair
    hold = begin(first, HOLD)
    bad = first.execute("1 / 0")
    never = [first.execute("never = 1")]
    complete = first.send("shell", "complete_request", {"code": "prin", "cursor_pos": 4})
    never.append(first.execute("never = 2"))
    others = second.execute("'goes on'")
    until_queued(client, 5)
    let_go(client, "amber")
    got = [first.receive("shell") for _ in range(5)]
    assert [reply["parent_header"]["msg_id"] for reply in got] == [hold, bad, never[0], complete,
                                                                   never[1]]
    assert [reply["content"]["status"] for reply in got] == ["ok", "error", "aborted", "ok",
                                                             "aborted"]
    assert got[2]["content"] == {"status": "aborted"}
    assert second.reply(others)["content"]["status"] == "ok"
    last = first.execute("pass", user_expressions={"it": "'never' in globals()"})
    assert value_of(first.reply(last)) == "False"
    seen = []
    while not seen or not is_idle_of(last)(seen[-1]):
        seen.append(first.receive("iopub"))
    order = [message["parent_header"]["msg_id"] for message in seen
             if message["msg_type"] != "clear_output" and note_of(message) is None]
    changes = [msg_id for at, msg_id in enumerate(order) if at == 0 or order[at - 1] != msg_id]
    assert len(changes) == len(set(changes)), "what belongs together is not together"
    states = [message["content"]["execution_state"] for message in seen
              if message["msg_type"] == "status" and message["parent_header"]["msg_id"] in never]
    assert states == ["busy", "idle"] * 2


def test_what_is_aborted_is_so_for_the_next_broker(amber, client, pair):
    """One that waits behind another client's cell when the broker dies."""
    first, second = pair
    go = "import os, time\nwhile not os.path.exists('/work/%s'): time.sleep(0.01)"
    hold = begin(first, go % "one")
    bad = first.execute("1 / 0")
    until_queued(client, 1)
    others = second.execute(go % "two")
    never = first.execute("never = 1")
    assert leaks.wait_for(lambda: client.call("show", session="amber")["queued"] == 3)

    def let(name):
        with Client(amber.connection()) as other:
            other.ask("put", buffers=(b"",), session="amber", path=name, eof=True)
    let("one")
    assert first.reply(bad)["content"]["status"] == "error"
    until_queued(client, 1)
    another_broker(amber, kill_broker(amber))
    let("two")
    assert second.reply(others)["content"]["status"] == "ok"
    assert first.reply(never)["content"] == {"status": "aborted"}
    last = first.execute("pass", user_expressions={"it": "'never' in globals()"})
    assert value_of(first.reply(last)) == "False" and hold


# -- who comes late ------------------------------------------------------------------------------

def test_who_subscribes_is_welcomed(amber, pair):
    """JEP 65: to each subscription, and to nobody but who subscribed."""
    with Raw(connection_file(amber), topics=(b"", b"stream")) as late:
        late.socket("iopub")
        got = [late.receive("iopub") for _ in range(2)]
        assert [message["msg_type"] for message in got] == ["iopub_welcome"] * 2
        assert [message["content"] for message in got] == [{"subscription": ""},
                                                           {"subscription": "stream"}]
        assert [message["parent_header"] for message in got] == [{}, {}]
        # From then on everything comes.
        asked = late.execute("print('heard')")
        assert late.receive("iopub")["content"] == {"execution_state": "busy"}
        late.reply(asked)
        for raw in pair:
            seen = []
            while not seen or not is_idle_of(asked)(seen[-1]):
                seen.append(raw.receive("iopub"))
            assert "iopub_welcome" not in [message["msg_type"] for message in seen]


def test_a_welcome_is_the_topic_first(amber):
    with Raw(connection_file(amber), topics=(b"kernel.",)) as late:
        frames = late.socket("iopub").recv_multipart()
        assert frames[:2] == [b"kernel.", b"<IDS|MSG>"]


def test_a_topic_that_is_no_text_is_no_harm(amber, pair):
    with Raw(connection_file(amber), topics=(b"\xff\xfe", b"kern")) as late:
        assert late.receive("iopub")["content"] == {"subscription": "kern"}
    nothing_more(pair[0], "shell")


def test_who_comes_late_has_all_from_the_welcome_on(amber, client):
    """No kernel_info, no waiting: asked at once, all of it is heard."""
    other = attach(amber)
    settle(other)
    for number in range(5):
        with Raw(connection_file(amber)) as late:
            late.socket("shell")
            assert late.receive("iopub")["msg_type"] == "iopub_welcome"
            asked = late.execute("print(%d)" % number)
            seen = []
            while not seen or not is_idle_of(asked)(seen[-1]):
                seen.append(late.receive("iopub"))
                assert seen[-1]["parent_header"]["msg_id"] == asked
            kinds = [message["msg_type"] for message in seen]
            assert kinds[:3] == ["status", "execute_input", "stream"]
            late.reply(asked)
    assert text_of(run(other, "print('fine')")[1]) == "fine\n"
    other.stop_channels()


# What asks the kernel about this is answered when the test lets it.
SLOW = "class Slow:\n def getdoc(self):\n  %s\n  return 'slow'\nslow = Slow()" \
       % HOLD.rstrip().replace("\n", "\n  ")


def test_who_leaves_before_the_answer_leaves_nothing_behind(amber, client):
    with Raw(connection_file(amber)) as other:
        other.subscribed(SLOW)
        with Raw(connection_file(amber)) as one:
            asked = one.send("shell", "inspect_request", {"code": "slow", "cursor_pos": 4})
            while other.receive("iopub")["parent_header"].get("msg_id") != asked:
                pass
        assert leaks.wait_for(lambda: client.call("show", session="amber")["attached"] == 1)
        waits = other.execute("'next'", user_expressions={"it": "'next'"})
        let_go(client, "amber")
        assert value_of(other.reply(waits)) == "'next'"
    assert "belongs to no" not in amber.log() and "not what was asked" not in amber.log()
