#!/usr/bin/python3
"""generate.py - writes the golden frames: messages as jupyter_client puts them on the wire.

A file holds the frames of one ZeroMQ message, each as four bytes of length (big-endian) and its
bytes. Ids and dates are fixed, so the files only change when jupyter_client does. All are signed
with KEY. Run by hand: /usr/bin/python3 tests/golden/generate.py [FOLDER]
"""
import datetime
import os
import struct
import sys

from jupyter_client import session as jupyter_session

KEY = b"golden-key-0123456789abcdef"
WHEN = datetime.datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=datetime.timezone.utc)
EXECUTE = {"code": "print('Grüße, 世界 \U0001f40d')\n", "silent": False, "store_history": True,
           "user_expressions": {"x": "1+1"}, "allow_stdin": False, "stop_on_error": True}
HTML = "<table>\n<tr><td>1</td></tr></table>"

# name of the file, message type, content, metadata, identities, buffers, with a parent
MESSAGES = [
    ("kernel_info_request", "kernel_info_request", {}, {}, [b"client-1"], [], False),
    ("execute_request", "execute_request", EXECUTE, {"deletedCells": []}, [b"client-1"], [], False),
    ("execute_request-two-identities", "execute_request", EXECUTE, {}, [b"relay", b"client-1"], [],
     False),
    ("execute_reply", "execute_reply", {"status": "ok", "execution_count": 3, "payload": [],
                                        "user_expressions": {}}, {"engine": "x"}, [b"client-1"], [],
     True),
    ("status", "status", {"execution_state": "busy"}, {}, [b"kernel.abc.status"], [], True),
    ("status-no-parent", "status", {"execution_state": "starting"}, {}, [b"kernel.abc.status"], [],
     False),
    ("stream", "stream", {"name": "stdout", "text": "zero \0 tab \t quote \" \u2028 end\n"}, {},
     [b"stream.stdout"], [], True),
    ("display_data", "display_data", {"data": {"text/html": HTML, "text/plain": "1"},
                                      "metadata": {"image/png": {"width": 1.5e-3}},
                                      "transient": {"display_id": "d1"}}, {},
     [b"kernel.abc.display_data"], [], True),
    ("error", "error", {"ename": "ValueError", "evalue": "\x1b[31mno\x1b[0m",
                        "traceback": ["line \\ 1", "line 2"]}, {}, [b"kernel.abc.error"], [], True),
    ("comm_msg-buffers", "comm_msg", {"comm_id": "c1", "data": {"method": "update"}}, {},
     [b"comm-c1"], [b"\0\1\2\xff", b"", bytes(range(256)) * 4], True),
    ("input_request", "input_request", {"prompt": "name? ", "password": False}, {}, [b"client-1"],
     [], True),
    ("debug_request", "debug_request", {"type": "request", "seq": 1, "command": "initialize",
                                        "arguments": {}}, {}, [], [], False),
    ("unknown", "experimental.thing", {"any": [None, True, -0.5, {"deep": [[[]]]}]}, {}, [], [],
     False),
    ("iopub_welcome", "iopub_welcome", {"subscription": ""}, {}, [b""], [], False),
    ("execute_reply-aborted", "execute_reply", {"status": "aborted"}, {}, [b"client-1"], [], True),
    ("clear_output", "clear_output", {"wait": False}, {}, [b"clear_output"], [], True),
]


def write(path, frames):
    with open(path, "wb") as file:
        for frame in frames:
            data = bytes(frame)
            file.write(struct.pack(">I", len(data)) + data)


def main(folder):
    numbers = iter(range(1, 1000))
    jupyter_session.utcnow = lambda: WHEN
    session = jupyter_session.Session(key=KEY, session="5e5510-golden", username="golden")
    session.__class__.msg_id = property(lambda self: "golden-msg-%d" % next(numbers))
    parent = session.msg_header("execute_request")
    for name, msg_type, content, metadata, identities, buffers, has_parent in MESSAGES:
        message = session.msg(msg_type, content=content, metadata=metadata,
                              parent=parent if has_parent else None)
        frames = session.serialize(message, ident=identities)
        write(os.path.join(folder, name + ".frames"), list(frames) + buffers)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
