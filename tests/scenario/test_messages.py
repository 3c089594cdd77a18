"""test_messages.py - every message type of the protocol, beside IPython's kernel as it is.

Each row of TABLE is asked of a plain kernel and of ours; what comes back, on iopub as on the
channel of the question, is the same text byte for byte, but for what names this kernel, this
message and this moment. What a jail answers otherwise is in the tests below the table, each with
its reason."""
import json
import shutil
import tempfile

import pytest

from attached import SECONDS, connection_file
from plain import Exchange, PlainKernel, likeness

FULL = ("--set", "profile.default.active_output=full")
DEFAULTS = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True}
COMM = """from ipykernel.comm import Comm
comm = Comm(target_name='t', data={'a': 1}, metadata={'m': 1}, buffers=[b'\\0\\1\\xff'])
comm.send({'b': [1, None]}, {'k': 'v'}, [b'abc', b'', bytes(range(256))])
comm.close({'end': True})"""
TARGET = """def opened(comm, message):
    def heard(message):
        comm.send({'back': message['content']['data']},
                  buffers=[bytes(reversed(bytes(each))) for each in message['buffers']])
    comm.on_msg(heard)
get_ipython().kernel.comm_manager.register_target('echo', opened)"""


def cell(code, **more):
    return ("shell", "execute_request", {"code": code, **DEFAULTS, **more})


def shell(name, **content):
    return ("shell", name + "_request", content)


def control(name, **content):
    return ("control", name + "_request", content)


# In order: later rows see what earlier ones did. (channel, type, content[, buffers])
TABLE = [
    cell("1 + 1"),
    cell("print('Gr\u00fc\u00dfe, \u4e16\u754c \U0001f40d \u2028 end')"),
    cell("import sys\nprint('to stderr', file=sys.stderr)"),
    cell("1 / 0"),
    cell("def broken("),
    cell("raise ValueError('\\x1b[31mred\\x1b[0m')"),
    cell("x = 1", user_expressions={"good": "x + 1", "bad": "nothing"}),
    cell("5", silent=True),
    cell("print('silent too')", silent=True, store_history=True),
    cell("6", store_history=False),
    cell("7", stop_on_error=False),
    cell("1 / 0", stop_on_error=False),
    cell(""),
    cell("  # a comment"),
    cell("input()"),
    cell("import getpass\ngetpass.getpass()"),
    cell("len?"),
    cell("get_ipython().set_next_input('again', replace=True)"),
    cell("from IPython.display import *\nhandle = display('a', display_id='q')"),
    cell("handle.update('b')"),
    cell("clear_output()\nclear_output(wait=True)\nprint('after')"),
    cell("display({'application/json': {'a': [1, 2.5, None, 1e300]}, 'text/plain': 'x'}, raw=True,"
         " metadata={'application/json': {'expanded': True}})"),
    cell("HTML('<b>bold</b><script>alert(1)</script>')"),
    cell("Javascript('1')"),
    cell("await __import__('asyncio').sleep(0)\n'awaited'"),
    cell("_"),
    cell(COMM),
    cell(TARGET),
    ("shell", "comm_open", {"comm_id": "c1", "target_name": "echo", "data": {}}),
    ("shell", "comm_msg", {"comm_id": "c1", "data": {"x": [1, "\u00e9"]}},
     [b"abc", b"\0" * 9, b""]),
    shell("comm_info"),
    shell("comm_info", target_name="echo"),
    shell("comm_info", target_name="none"),
    ("shell", "comm_close", {"comm_id": "c1", "data": {}}),
    shell("comm_info"),
    ("shell", "comm_open", {"comm_id": "c2", "target_name": "nobody", "data": {}}),
    ("shell", "comm_msg", {"comm_id": "c3", "data": {}}),
    ("shell", "comm_close", {"comm_id": "c3", "data": {}}),
    shell("inspect", code="len", cursor_pos=3, detail_level=0),
    shell("inspect", code="x.real", cursor_pos=6, detail_level=1),
    shell("inspect", code="nothing", cursor_pos=3, detail_level=1),
    shell("complete", code="impor", cursor_pos=5),
    shell("complete", code="x.re", cursor_pos=4),
    shell("complete", code="\u00e9 = 1\nprin", cursor_pos=10),
    shell("complete", code="nothing.at.all", cursor_pos=14),
    shell("history", hist_access_type="tail", n=3, output=True, raw=True),
    shell("history", hist_access_type="range", session=0, start=1, stop=3, output=False, raw=True),
    shell("history", hist_access_type="search", pattern="*+*", n=3, output=False, raw=True,
          unique=True),
    shell("is_complete", code="for i in x:"),
    shell("is_complete", code="1"),
    shell("is_complete", code="1 +* 2"),
    shell("connect"),
    shell("experiment", any=[None, True, -0.5, {"deep": [[[]]]}]),
    ("shell", "experimental.thing", {"x": 1}, [b"\xff\0"]),
    control("create_subshell"),
    control("delete_subshell", subshell_id="none"),
    control("list_subshell"),
    control("experiment", x=1),
    control("is_complete", code="1"),
    shell("kernel_info"),
]
# IPython answers nothing to what it does not know, and nothing to comms.
UNANSWERED = {"experiment_request", "experimental.thing", "comm_open", "comm_msg", "comm_close",
              "create_subshell_request", "delete_subshell_request", "list_subshell_request"}


def joined(told):
    """What was printed at once may come in pieces when the machine is busy."""
    made = []
    for frames in told:
        before = json.loads(made[-1][4]) if made else {}
        content = json.loads(frames[4])
        if "text" in content and content.get("name") == before.get("name"):
            before["text"] += content["text"]
            made[-1][4] = json.dumps(before, ensure_ascii=False).encode()
        else:
            made.append(list(frames))
    return made


def ask(client, row):
    """(frames on iopub, frames of the reply or None)."""
    channel, msg_type, content = row[:3]
    msg_id = client.raw.send(channel, msg_type, content, buffers=row[3] if row[3:] else [])
    told = joined(client.iopub(msg_id))
    return told, None if msg_type in UNANSWERED else client.frames(channel, msg_id)


@pytest.fixture
def folder():
    made = tempfile.mkdtemp(prefix="cb-")
    yield made
    shutil.rmtree(made)


@pytest.fixture
def plain(folder):
    kernel = PlainKernel(folder)
    with Exchange(kernel.path) as client:
        yield client.ready()
    kernel.close()


@pytest.fixture
def full(new_house):
    house = new_house().start(*FULL)
    house.client().call("new", name="amber", wait=True)
    with Exchange(connection_file(house)) as client:
        yield client.ready()


def same_info(frames):
    """A kernel_info_reply: banner, links and language_info say that it is jailed."""
    content = json.loads(frames[-1])
    for name in ("banner", "help_links", "debugger"):
        content.pop(name, None)
    content["language_info"].pop("jail", None)
    return frames[:-1] + [content]


def test_every_type_as_by_a_plain_kernel(plain, full):
    other = []
    for row in TABLE:
        (told, reply), (our_told, our_reply) = ask(plain, row), ask(full, row)
        pairs = [(likeness(a), likeness(b)) for a, b in zip(told, our_told)]
        if row[1] == "kernel_info_request":
            pairs.append((same_info(likeness(reply)), same_info(likeness(our_reply))))
        elif reply is not None:
            pairs.append((likeness(reply), likeness(our_reply)))
        other += [(row, a, b) for a, b in pairs if a != b]
        if len(told) != len(our_told):
            other.append((row, len(told), len(our_told)))
    assert other == []


def test_what_is_asked_is_heard_byte_for_byte(full):
    """Headers with what we do not know in them, dates in any form, metadata: the kernel gets them,
    and the parent of each answer is what IPython makes of the header, untouched by us."""
    raw = full.raw
    header = raw.session.msg_header("execute_request")
    header.update(date="2024-02-29T12:34:56.789012+05:30", subshell_id=None, version="5.0",
                  username="J\u00fcrgen \U0001f40d", extra={"a": [1, 2.50, "\u2028"]}, session="")
    code = ("parent = get_ipython().kernel.get_parent()\nimport json\n"
            "print(json.dumps([parent['header'], parent['metadata']], default=str))")
    message = raw.session.msg("execute_request", {"code": code, **DEFAULTS}, header=header,
                              metadata={"deletedCells": ["x"], "n": 1.0})
    raw.session.send(raw.socket("shell"), message)
    reply = full.frames("shell", header["msg_id"])
    told = full.iopub(header["msg_id"])
    text = "".join(json.loads(frames[4])["text"] for frames in told
                   if json.loads(frames[1])["msg_type"] == "stream")
    heard, metadata = json.loads(text)
    heard.pop("date")
    assert heard == {name: value for name, value in header.items() if name != "date"}
    assert metadata == {"deletedCells": ["x"], "n": 1.0}
    parents = {frames[2] for frames in told} | {reply[1]}
    assert len(parents) == 1
    parent = json.loads(parents.pop())
    assert parent["date"] == "2024-02-29T12:34:56.789012+05:30"
    assert (parent["session"], parent["extra"], parent["version"]) == ("", header["extra"], "5.0")


RECORD = """import json
session = get_ipython().kernel.session
if not hasattr(session, 'sent'):
    session.sent, as_it_was = [], session.serialize
    def serialize(message, ident=None):
        frames = as_it_was(message, ident)
        session.sent.append([bytes(frame).hex() for frame in frames[-4:]])
        return frames
    session.serialize = serialize
"""


def test_what_the_kernel_says_is_passed_on_byte_for_byte(full):
    """The kernel writes down what it sends; these four frames are what a client gets."""
    def frames_of(code):
        asked = full.raw.send("shell", "execute_request", {"code": code, **DEFAULTS})
        return [full.frames("shell", asked)] + full.iopub(asked)
    frames_of(RECORD)
    got = frames_of("print('\u00e9 \\\\ \\x00 \U0001f40d')\n{'a': 1.50, 'b': float(10**20)}")
    got += frames_of("1 / 0")
    got += frames_of("from IPython.display import *\nprint({})\n"
                     "display({'application/x+json': {'z': 1, 'a': [1e-7]}}, raw=True)")
    told = frames_of("print(json.dumps(session.sent))")
    text = "".join(json.loads(frames[-1])["text"] for frames in told
                   if json.loads(frames[-4])["msg_type"] == "stream")
    sent = {tuple(frames) for frames in json.loads(text)}
    assert len(got) >= 17
    for frames in got:
        assert tuple(frame.hex() for frame in frames[-4:]) in sent


# -- fields that are missing, and that make no sense --------------------------------------------

@pytest.mark.parametrize("content", [
    {"code": "40 + 2"},
    {"code": "40 + 2", "silent": None, "store_history": None, "user_expressions": None,
     "allow_stdin": None, "stop_on_error": None},
    {"code": "40 + 2", "of my own": 1},
])
def test_fields_have_the_defaults_of_the_specification(full, content):
    """IPython's kernel answers nothing without `silent`."""
    asked = full.raw.send("shell", "execute_request", content)
    reply = json.loads(full.frames("shell", asked)[-1])
    assert (reply["status"], reply["user_expressions"]) == ("ok", {})
    values = [json.loads(frames[4])["data"]["text/plain"] for frames in full.iopub(asked)
              if json.loads(frames[1])["msg_type"] == "execute_result"]
    assert values == ["42"]


@pytest.mark.parametrize("msg_type, content, word", [
    ("execute_request", {}, "code"),
    ("execute_request", {"code": 7}, "code"),
    ("execute_request", {"code": "1", "silent": "no"}, "silent"),
    ("execute_request", {"code": "1", "store_history": 1}, "store_history"),
    ("execute_request", {"code": "1", "user_expressions": ["x"]}, "user_expressions"),
    ("execute_request", {"code": "1", "allow_stdin": []}, "allow_stdin"),
    ("complete_request", {}, "no answer"),
    ("inspect_request", {"code": 1}, "no answer"),
    ("history_request", {}, "no answer"),
])
def test_what_the_kernel_could_not_read_is_answered(full, msg_type, content, word):
    """A plain kernel says nothing, and the client waits for ever. Ours goes on."""
    def value_of(code):
        asked = full.raw.send("shell", "execute_request", {"code": "pass", "silent": True,
                                                           "user_expressions": {"it": code}})
        return json.loads(full.frames("shell", asked)[-1])["user_expressions"]["it"]
    value_of("globals().update(kept=1)")
    reply = json.loads(full.frames("shell", full.raw.send("shell", msg_type, content))[-1])
    assert reply["status"] == "error" and word in reply["evalue"], reply
    assert value_of("kept")["data"]["text/plain"] == "1"


# -- what a jail answers otherwise ----------------------------------------------------------------

def reply_of(client, channel, msg_type, **content):
    asked = client.raw.send(channel, msg_type, content)
    reply = json.loads(client.frames(channel, asked)[-1])
    states = [json.loads(frames[4])["execution_state"] for frames in client.iopub(asked)
              if json.loads(frames[1])["msg_type"] == "status"]
    assert states == ["busy", "idle"]
    return reply


def test_interrupt_is_answered_as_the_specification_says(full):
    """IPython 8.5's kernel answers {}."""
    assert reply_of(full, "control", "interrupt_request") == {"status": "ok"}


def test_usage_is_that_of_the_jail(full):
    usage = reply_of(full, "control", "usage_request")
    assert usage["kernel_memory"] > 0 and usage["hostname"] == "cell"


def test_without_loopback_there_is_no_debugger(full):
    assert reply_of(full, "control", "kernel_info_request")["debugger"] is False
    reply = reply_of(full, "control", "debug_request", type="request", seq=7, command="initialize",
                     arguments={})
    assert (reply["status"], reply["ename"]) == ("error", "denied")
    assert "loopback = on" in reply["evalue"]
    # The same for who reads the Debug Adapter Protocol in it.
    assert (reply["type"], reply["request_seq"], reply["command"]) == ("response", 7, "initialize")
    assert reply["success"] is False and reply["message"] == reply["evalue"]


def test_with_loopback_there_is_one(new_house, plain):
    house = new_house().start(*FULL, "--set", "profile.default.loopback=on")
    house.client().call("new", name="amber", wait=True)
    rows = [{"type": "request", "seq": 1, "command": "initialize", "arguments": {}},
            {"type": "request", "seq": 2, "command": "debugInfo"}]
    with Exchange(connection_file(house)) as ours:
        ours.ready()
        assert reply_of(ours, "control", "kernel_info_request")["debugger"] is True
        for row in rows:
            got = []
            for client in (plain, ours):
                asked = client.raw.send("control", "debug_request", row)
                reply = json.loads(client.frames("control", asked)[-1])
                reply.get("body", {}).pop("tmpFilePrefix", None)
                reply.get("body", {}).pop("hashSeed", None)
                # debugpy sends its events from a thread: how many come before this is luck.
                reply.pop("seq", None)
                kinds = {json.loads(frames[1])["msg_type"] for frames in client.iopub(asked)}
                got.append((reply, kinds - {"debug_event"}))
            assert got[0] == got[1]
            assert got[0][0]["success"] is True


def test_comms_under_sandbox_are_a_sentence(new_house):
    house = new_house().start()
    house.client().call("new", name="amber", wait=True)
    with Exchange(connection_file(house)) as client:
        client.ready()
        asked = client.raw.send("shell", "comm_open", {"comm_id": "c1", "target_name": "t",
                                                       "data": {}})
        kinds = [json.loads(frames[1])["msg_type"] for frames in client.iopub(asked)]
        assert kinds == ["status", "comm_close", "status"]
        asked = client.raw.send("shell", "execute_request", {"code": COMM})
        assert json.loads(client.frames("shell", asked)[-1])["status"] == "ok"
        told = client.iopub(asked)
        kinds = {json.loads(frames[1])["msg_type"] for frames in told}
        assert not kinds & {"comm_open", "comm_msg", "comm_close"}


def test_shutdown_is_answered_before_the_end(full):
    asked = full.raw.send("control", "shutdown_request", {"restart": False})
    assert json.loads(full.frames("control", asked)[-1]) == {"status": "ok", "restart": False}
    while True:
        frames = full.receive("iopub", SECONDS)
        if json.loads(frames[1])["msg_type"] == "shutdown_reply":
            assert full.parent_of(frames, "iopub") == asked
            break
