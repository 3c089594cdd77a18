"""streams.py - standard output and error of the cell, mended.

ipykernel 6.17 stops reading descriptor 1 for ever at the first byte that is
not UTF-8, sends what a cell prints between two flushes as one message of any
size, loses what a subprocess wrote just before the cell ended, and needs a
TCP port for output of forked processes.
"""

import codecs
import collections
import contextlib
import fcntl
import os
import select
import sys
import termios
import threading

import zmq
from ipykernel.iostream import IOPubThread, OutStream
from zmq.eventloop.zmqstream import ZMQStream

# Characters of one stream message: at most 768 KiB of JSON when each must be
# escaped, below every front end's limit (1 MiB) and the broker's.
CHUNK = 128 * 1024
# Characters waiting for the sending thread before a writer has to wait for it.
HIGH_WATER = 8 * CHUNK
READ_BYTES = 64 * 1024
# Messages and bytes that wait for the sending thread, bytes that wait in libzmq for the broker, and
# how long somebody waits for either. A flood is faster than the broker when the machine is busy: it
# has to wait, or all of it lies in this process's memory.
MAX_QUEUED = 1000
MAX_BYTES = 32 * 1024 * 1024
WAIT_SECONDS = 10
LARGE = 16 * 1024  # messages from here on are counted: libzmq tells when it is done with them
# Reads of one drain: a background process that never stops must not hold up
# the end of a cell.
DRAIN_READS = 64
NOTHING = bytes(4)  # FIONREAD's answer for an empty pipe

_forked = False  # a print asks this instead of calling getpid()


def _mark_forked():
    global _forked
    _forked = True


os.register_at_fork(after_in_child=_mark_forked)


class CellIOPub(IOPubThread):
    """The sending thread; forked processes reach it by a Unix socket.

    The socket's name is abstract: it lives in the jail's own network
    namespace and is no file.

    Work comes over the loop's own queue. The base makes a socket for each
    thread that sends: a cell that used up its descriptors killed the thread,
    and with it every later message.
    """

    def __init__(self, *args, **kwargs):
        self._queued = self._queued_bytes = self._unsent_bytes = 0
        self._unsent = collections.deque()
        super().__init__(*args, **kwargs)

    def _run(self, work, size):
        self._queued -= 1
        self._queued_bytes -= size
        work()

    def send_multipart(self, msg, *args, **kwargs):
        """Let the thread send the message, behind what others gave it before.

        Also when the thread itself sends: a timer of an earlier cell may find
        what the next one printed before that one's "busy" has gone out.
        """
        size = sum(map(len, msg))

        def work():
            self._really_send(msg, *args, size=size, **kwargs)

        if threading.get_ident() == self.thread.ident:
            self._queue(work, size)
        else:
            self.schedule(work, size)

    def _queue(self, work, size):
        self._queued += 1
        self._queued_bytes += size
        self.io_loop.add_callback(self._run, work, size)

    def _really_send(self, msg, *args, size=0, **kwargs):
        if size < LARGE or self.closed or _forked:
            super()._really_send(msg, *args, **kwargs)
            return
        tracker = self.socket.send_multipart(msg, copy=False, track=True)
        self._unsent.append((tracker, size))
        self._unsent_bytes += size
        while self._unsent_bytes > MAX_BYTES:
            tracker, size = self._unsent.popleft()
            with contextlib.suppress(zmq.NotDone):
                tracker.wait(WAIT_SECONDS)
            self._unsent_bytes -= size

    def schedule(self, work, size=0):
        """Let the thread do the work; waits while it is far behind."""
        if not self.thread.is_alive() or threading.get_ident() == self.thread.ident:
            work()
            return
        self._queue(work, size)
        if self._queued > MAX_QUEUED or self._queued_bytes > MAX_BYTES:
            caught_up = threading.Event()
            self.io_loop.add_callback(caught_up.set)
            caught_up.wait(WAIT_SECONDS)

    def _setup_pipe_in(self):
        self._pipe_uuid = os.urandom(16)
        self._pipe_name = "ipc://@cellblock-" + self._pipe_uuid.hex()
        pipe_in = self.socket.context.socket(zmq.PULL)
        pipe_in.linger = 0
        pipe_in.bind(self._pipe_name)
        self._pipe_in = ZMQStream(pipe_in, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def _setup_pipe_out(self):
        context = zmq.Context()
        pipe_out = context.socket(zmq.PUSH)
        pipe_out.linger = 3000
        pipe_out.connect(self._pipe_name)
        return context, pipe_out


class CellStream(OutStream):
    """A standard stream as messages of bounded size, whatever is written."""

    def __init__(self, *args, **kwargs):
        # The base starts the watching thread, which needs these.
        self._fid = -1
        self._drain_lock = threading.RLock()  # a signal handler may print
        self._draining = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = 0
        super().__init__(*args, **kwargs)

    def _watch_pipe_fd(self):
        """Turn what is written to the descriptor itself into messages.

        Nothing goes on to the original descriptor: the warden keeps that for
        what the process says when it dies.
        """
        poll = select.poll()
        poll.register(self._fid, select.POLLIN)
        try:
            while self._should_watch:
                poll.poll()
                self._drain()
        except (OSError, ValueError):
            self._exc = sys.exc_info()

    def _drain(self):
        """Take what is in the pipe now."""
        with self._drain_lock:
            self._draining = True
            try:
                for _ in range(DRAIN_READS):
                    if fcntl.ioctl(self._fid, termios.FIONREAD, NOTHING) == NOTHING:
                        return
                    self._add(self._decoder.decode(os.read(self._fid, READ_BYTES)))
            finally:
                self._draining = False

    def _drain_own(self):
        """Take what subprocesses wrote before now; called for each print.

        What is neither in the pipe nor on its way from there (in this order:
        the watching thread marks itself before it reads) is in the buffer. A
        forked process leaves the pipe to its parent.
        """
        if self._fid < 0 or _forked:
            return
        if fcntl.ioctl(self._fid, termios.FIONREAD, NOTHING) != NOTHING or self._draining:
            self._drain()

    def write(self, string):
        """Add text, behind what subprocesses wrote to the descriptor before."""
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string)}")
        self._drain_own()
        return self._add(string)

    def _add(self, string):
        """Add text; waits for the sending thread when much is unsent."""
        if _forked or self.pub_thread is None:
            return super().write(string)
        with self._buffer_lock:
            self._buffer.write(string)
        if not self._flush_pending:
            self._schedule_flush()
        self._waiting += len(string)
        if self._waiting > HIGH_WATER:
            self._waiting = 0
            super().flush()
        return len(string)

    def flush(self):
        """Send everything, output of subprocesses that have ended included."""
        self._drain_own()
        super().flush()

    def _flush(self):
        """Send the buffer in chunks. Runs in the sending thread."""
        self._flush_pending = False
        self._subprocess_flush_pending = False
        self._waiting = 0
        data = self._flush_buffer()
        # As in the base: the thread, not the session, knows about forks.
        self.session.pid = os.getpid()
        for start in range(0, len(data), CHUNK):
            self.session.send(
                self.pub_thread,
                "stream",
                content={"name": self.name, "text": data[start:start + CHUNK]},
                parent=self.parent_header,
                ident=self.topic,
            )
