"""test_transport.py - peers at the broker's door that nobody here wrote (pyzmq), and raw bytes:
floods of frames, handshakes that never end, heartbeats, many who come and go."""
import os
import socket
import struct
import time

import zmq

from wireclient import Client, endpoint

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48)
READY = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
MORE, LONG = 1, 2
HANDSHAKE_SECONDS = 10


def raw(daemon, *, shaken=True):
    """A connection to shell, behind its handshake."""
    door = socket.socket(socket.AF_UNIX)
    door.settimeout(120)
    door.connect(endpoint(daemon.connection(), "shell")[len("ipc://"):])
    if shaken:
        door.sendall(GREETING + bytes((4, len(READY))) + READY)
    return door


def broker_status(daemon, name):
    with open("/proc/%d/status" % daemon.connection()["pid"], encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))


def descriptors(daemon):
    return len(os.listdir("/proc/%d/fd" % daemon.connection()["pid"]))


def frames_for_ever(door, frame, most):
    """Bytes written until the broker closes."""
    sent = 0
    try:
        while sent < most:
            sent += door.send(frame)
    except OSError:
        pass
    return sent


def test_more_frames_for_ever(daemon, client):
    """libzmq's receiver took 3 GB of these; a budget is a budget."""
    client.call("hello")
    before = broker_status(daemon, "VmHWM")
    for size in (0, 2, 60000):
        header = struct.pack(">BQ", MORE | LONG, size)
        frame = (header + bytes(size)) * (1 if size > 1000 else 4096)
        door = raw(daemon)
        sent = frames_for_ever(door, frame, 200 << 20)
        assert sent < 200 << 20, "%d-byte frames were never refused" % size
        door.close()
        assert client.call("hello")["protocol"] == 1
    if not os.environ.get("ASAN_OPTIONS"):
        assert broker_status(daemon, "VmHWM") - before < 80 << 10


def test_bytes_one_at_a_time(daemon):
    """However slowly they come."""
    door = raw(daemon, shaken=False)
    for byte in GREETING + bytes((4, len(READY))) + READY:
        door.sendall(bytes((byte,)))
    got = b""
    while b"ROUTER" not in got:
        part = door.recv(4096)
        assert part
        got += part
    assert got.startswith(b"\xff") and b"Socket-Type" in got
    door.close()


def test_a_handshake_that_never_ends(daemon, client):
    """The broker waits ten seconds for it, costs nothing meanwhile, and disturbs nobody."""
    begin = time.monotonic()
    silent, slow = raw(daemon, shaken=False), raw(daemon, shaken=False)
    slow.sendall(GREETING)
    assert client.call("hello")["protocol"] == 1
    for door in (silent, slow):
        while door.recv(4096):
            pass
        door.close()
    assert HANDSHAKE_SECONDS - 1 < time.monotonic() - begin < HANDSHAKE_SECONDS + 60


def test_heartbeats(daemon):
    """PING is answered, and a client that only pings stays welcome."""
    connection = daemon.connection()
    with Client(connection) as other:
        socket_ = other.context.socket(zmq.DEALER)
        socket_.linger = 0
        socket_.setsockopt(zmq.HEARTBEAT_IVL, 20)
        socket_.setsockopt(zmq.HEARTBEAT_TIMEOUT, 120000)
        monitor = socket_.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        socket_.connect(endpoint(connection, "shell"))
        other.socket.close()
        other.socket = socket_
        assert other.call("hello")["protocol"] == 1
        time.sleep(1.5)
        assert other.call("hello")["protocol"] == 1
        disconnected = monitor.poll(0)
        socket_.disable_monitor()
        monitor.close()
        assert not disconnected
    door, got = raw(daemon), b""
    ping = b"\x04PING\x00\x0aword"
    door.sendall(bytes((4, len(ping))) + ping)
    while b"\x04PONGword" not in got:
        part = door.recv(4096)
        assert part
        got += part
    door.close()


def test_many_come_and_go(daemon, client):
    """A hundred clients, some in the middle of a word: nothing of them stays."""
    client.call("hello")
    before = descriptors(daemon)
    for i in range(100):
        if i % 2:
            with Client(daemon.connection()) as other:
                other.call("hello")
            continue
        door = raw(daemon, shaken=i % 4 == 0)
        door.sendall(b"\xff\x00" if i % 4 else b"\x03\x00\x00")
        door.close()
    until = time.monotonic() + 120
    while descriptors(daemon) > before and time.monotonic() < until:
        time.sleep(0.02)
    assert descriptors(daemon) <= before
    assert client.call("status")["clients"] <= 1
