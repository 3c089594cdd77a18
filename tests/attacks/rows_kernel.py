"""rows_kernel.py - attacks on the kernel's own protocol: its sockets, its key, its messages."""
from table import BLOCKED, KILLED, attack

CONTROL = "what a kernel does to its broker needs both"
PARENT = """
shell, kernel = get_ipython(), get_ipython().kernel
session, iopub = kernel.session, kernel.iopub_socket
"""


def others_saw_nothing(scene):
    """No client was told anything that the kernel made up for it."""
    texts = scene.arena.heard_by_others()
    assert "forged" not in texts, "a forged message reached another client"
    own = [event for event in scene.events if event.parent != scene.request]
    assert not own, "events for somebody else"


attack("closes the kernel's descriptors", KILLED, """
os.closerange(3, 1000)
""", status={"died", "timeout"}, seconds=3, control=CONTROL)
attack("closes the kernel's sockets one by one", KILLED, """
import socket, stat
for fd in map(int, os.listdir("/proc/self/fd")):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            socket.socket(fileno=fd).shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
""", status={"died", "timeout"}, seconds=3, control=CONTROL)
attack("writes garbage into the kernel's sockets", KILLED, """
import socket, stat
for step in range(64):
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.set_blocking(fd, False)
                os.write(fd, b"\\x04\\xff" * 1000)
        except OSError:
            pass
import time
time.sleep(1000)
""", status={"died", "timeout"}, seconds=3, control=CONTROL)
attack("sends frames without end", KILLED, """
import signal, socket, stat
signal.signal(signal.SIGINT, signal.SIG_IGN)
frame = b"\\x01\\x40" + b"x" * 64
while True:
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.set_blocking(fd, False)
                os.write(fd, frame * 1000)
        except OSError:
            pass
""", status={"died", "timeout", "limit"}, seconds=5, control=CONTROL)
attack("replaces the kernel's own functions", KILLED, """
import zmq
kernel = get_ipython().kernel
kernel.session.send = kernel.session.serialize = lambda *_, **__: None
zmq.Socket.send_multipart = zmq.Socket.send = lambda *_, **__: None
""", status={"timeout", "died"}, seconds=3, control=CONTROL)
attack("forges another client's reply", BLOCKED, PARENT + """
for parent in HOST["requests"]:
    header = {"msg_id": parent, "session": HOST["other_session"], "username": "test",
              "msg_type": "execute_request", "version": "5.3", "date": ""}
    for kind, content in (("stream", {"name": "stdout", "text": "forged"}),
                          ("execute_reply", {"status": "ok", "execution_count": 1,
                                             "payload": [], "forged": "forged"}),
                          ("status", {"execution_state": "forged"})):
        session.send(iopub, kind, content, parent={"header": header, **header},
                     ident=[HOST["other_session"].encode()])
LOST["forged"] = "nothing"
""", failures={"nothing"}, outside=others_saw_nothing, control=CONTROL)
attack("signs with another key", BLOCKED, PARENT + """
key, session.key = session.key, b"forged" * 8
session.send(iopub, "stream", {"name": "stdout", "text": "forged"}, parent=kernel.get_parent())
session.key = key
LOST["signed"] = "nothing"
""", failures={"nothing"}, control=CONTROL, outside=others_saw_nothing)
attack("replays its own messages", BLOCKED, PARENT + """
frames = session.serialize(session.msg("stream", {"name": "stdout", "text": "twice\\n"},
                                       parent=kernel.get_parent()), b"")
sent = iopub
for step in range(3):
    sent.send_multipart(frames)
LOST["replayed"] = "nothing"
""", failures={"nothing"}, control=CONTROL,
       outside=lambda scene: scene.assert_printed("twice\n", at_most=1))
attack("says that it has ended, and goes on", BLOCKED, PARENT + """
session.send(iopub, "status", {"execution_state": "idle"}, parent=kernel.get_parent())
print("after the idle")
LOST["idle"] = "nothing"
""", failures={"nothing"}, control=CONTROL,
       outside=lambda scene: scene.assert_printed("after the idle\n", at_most=1))
attack("answers for the broker on every channel", BLOCKED, PARENT + """
for kind in ("execute_reply", "kernel_info_reply", "shutdown_reply", "interrupt_reply",
             "input_request", "comm_info_reply", "run_reply", "hello_reply", "no_such_type"):
    session.send(iopub, kind, {"status": "ok", "forged": "forged", "text": "forged"},
                 parent=kernel.get_parent())
LOST["answered"] = "nothing"
""", failures={"nothing"}, control=CONTROL, outside=others_saw_nothing)
attack("sends JSON that nobody should read", BLOCKED, PARENT + """
import hashlib, hmac, zmq
def send(*parts):
    signature = hmac.new(session.key, b"".join(parts), hashlib.sha256).hexdigest().encode()
    iopub.send_multipart([b"stream", b"<IDS|MSG>", signature, *parts])
parent = json.dumps(kernel.get_parent()["header"], default=str).encode()
good = json.dumps(session.msg_header("stream"), default=str).encode()
for part in (b"[" * 100000, b"{" * 5000 + b"}" * 5000, b'{"a":NaN}', b"\\xff\\xfe", b"", b"null",
             b'{"name":"stdout","name":"stderr","text":"forged"}'):
    send(good, parent, b"{}", part)
    send(part, part, part, part)
LOST["sent"] = "nothing"
""", failures={"nothing"}, control=CONTROL, outside=others_saw_nothing)
UNREADABLE = r"""
import hashlib, hmac, json
kernel = get_ipython().kernel
session, iopub = kernel.session, kernel.iopub_socket
def send(kind, content):
    parts = [json.dumps(part, default=str).encode() for part in (
        session.msg_header(kind), kernel.get_parent()["header"], {})] + [content]
    signature = hmac.new(session.key, b"".join(parts), hashlib.sha256).hexdigest().encode()
    iopub.send_multipart([b"x", b"<IDS|MSG>", signature, *parts])
print("begin")
for value in (b"9" * 30, b"1e999", b"9" * 100000, b'"\ud800"', b'{"a": 1, "a": 2}'):
    send("display_data", b'{"data": {"application/json": %s, "text/plain": "forged"}, '
                         b'"metadata": {}, "transient": {}}' % value)
send("stream", b'{"name": "stdout", "text": 5}')
send("stream", b'{"name": 5, "text": ["forged"]}')
send("display_data", b'{"data": [], "metadata": 5}')
send("error", b'{"ename": 1, "evalue": {}, "traceback": "forged"}')
print("end")
"""


def command_survives(scene):
    """What no reader can hold costs one output; `cellblock run` shows the rest and ends well."""
    for form in ("text", "json", "stream-json"):
        done = scene.arena.house.cellblock("run", "-o", form, "-c", UNREADABLE)
        assert done.returncode == 0, done.stderr
        assert "begin" in done.stdout and "end" in done.stdout, done.stdout


attack("sends JSON that cannot be held", BLOCKED, UNREADABLE + """
LOST["sent"] = "nothing"
""", failures={"nothing"}, control=CONTROL, outside=command_survives)
attack("asks for input where nobody is", BLOCKED, """
try:
    input("password: ")
    WON.append("an answer")
except Exception as error:
    LOST["input"] = type(error).__name__
""", failures={"StdinNotImplementedError", "EOFError", "KeyboardInterrupt"}, control=CONTROL)
