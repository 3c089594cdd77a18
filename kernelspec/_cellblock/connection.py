"""connection.py - the connection's data: read once from a memory file that is closed at once."""

import json
import os
import typing

MEMORY_FILE = 8
MAX_BYTES = 65536
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


class Connection(typing.NamedTuple):
    """Key and listening sockets of this kernel."""

    key: bytes
    signature_scheme: str
    session: str  # the kernel's session id, "" for one of its own
    fds: dict  # channel name -> listening descriptor
    active_output: bool  # whether widgets and JavaScript reach a front end


def read_connection(memory_file=MEMORY_FILE):
    """Read and close the memory file: afterwards the key is on no descriptor."""
    try:
        data = json.loads(os.pread(memory_file, MAX_BYTES, 0))
    finally:
        os.close(memory_file)
    fds = dict(zip(CHANNELS, data["fds"], strict=True))
    for fd in fds.values():
        os.set_inheritable(fd, False)
    return Connection(
        key=data["key"].encode(),
        signature_scheme=data.get("signature_scheme", "hmac-sha256"),
        session=data.get("session") or "",
        active_output=bool(data.get("active_output")),
        fds=fds,
    )
