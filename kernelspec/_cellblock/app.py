"""app.py - ipykernel on sockets that were handed in, without TCP and files.

The debugger needs TCP between its own parts: it is there where the jail has a
loopback network, and kernel_info says whether it is. launcher.py imports this
module between lighter.begin() and lighter.end().
"""

import logging
import os
import sys

import zmq
from ipykernel.control import ControlThread
from ipykernel.debugger import _is_debugpy_available
from ipykernel.heartbeat import Heartbeat
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config

from . import hints, interrupts, magics, packing
from .connection import CHANNELS, read_connection
from .streams import CellIOPub

# Where the debugger's thread reaches the shell channel within this process.
DEBUGGER_DOOR = "inproc://cellblock-debugger"


def bind_to(sock, fd):
    """Let libzmq accept on the listening socket fd; the name is never used.

    No high-water mark: libzmq would drop messages at it without a word. What
    waits of output is bounded by who sends it (streams.py), the rest by the
    jail's memory.
    """
    sock.setsockopt(zmq.SNDHWM, 0)
    sock.setsockopt(zmq.USE_FD, fd)
    sock.bind(f"ipc://cellblock-{fd}")


class CellHeartbeat(Heartbeat):
    """The echo thread on a handed-in socket; its port is the descriptor."""

    def _bind_socket(self):
        bind_to(self.socket, self.port)


class CellKernel(IPythonKernel):
    """IPythonKernel that tells whether it can be debugged."""

    @property
    def kernel_info(self):
        """Content of kernel_info_reply."""
        return {**super().kernel_info, "debugger": _is_debugpy_available}


class CellApp(IPKernelApp):
    """IPKernelApp whose ports are descriptors of listening Unix sockets."""

    def use(self, connection):
        """Take key and sockets; before initialize()."""
        self.transport = "ipc"
        self.ip = "cellblock"
        for channel, fd in connection.fds.items():
            setattr(self, channel + "_port", fd)
        self.session.key = connection.key
        self.session.signature_scheme = connection.signature_scheme
        self.session.pack = packing.pack
        if connection.session:
            self.session.session = connection.session

    def init_profile_dir(self):
        """A folder of the host that a frontend names is not in the jail: the usual one then."""
        named = self.config.ProfileDir.get("location")
        if named is not None and not os.path.isdir(str(named)):
            del self.config.ProfileDir["location"]
            print(f"cellblock: IPython's profile {named} is not in the jail", file=sys.stderr)
        super().init_profile_dir()

    def init_connection_file(self):
        """There is none."""

    write_connection_file = cleanup_connection_file = init_connection_file

    def log_connection_info(self):
        """Tell nobody how to connect; connect_reply has the ports of the session's file."""
        channels = ("shell", "iopub", "stdin", "hb", "control")
        self._ports = {name: CHANNELS.index(name) + 1 for name in channels}

    def _bind_socket(self, s, port):
        bind_to(s, port)
        return port

    def init_control(self, context):
        """The control channel and the debugger's sockets, connected when it is started."""
        self.control_socket = context.socket(zmq.ROUTER)
        self.control_socket.linger = 1000
        self.control_socket.router_handover = 1
        self._bind_socket(self.control_socket, self.control_port)
        self.debugpy_socket = context.socket(zmq.STREAM)
        self.debugpy_socket.linger = 0
        self.debug_shell_socket = context.socket(zmq.DEALER)
        self.debug_shell_socket.linger = 0
        if _is_debugpy_available:
            self.shell_socket.bind(DEBUGGER_DOOR)
            self.debug_shell_socket.connect(DEBUGGER_DOOR)
            # Python's own modules are frozen: said on standard error at every start otherwise.
            os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        self.control_thread = ControlThread(daemon=True)

    def init_iopub(self, context):
        """The iopub channel with the mended sending thread."""
        self.iopub_socket = context.socket(zmq.PUB)
        self.iopub_socket.linger = 1000
        self._bind_socket(self.iopub_socket, self.iopub_port)
        self.configure_tornado_logger()
        self.iopub_thread = CellIOPub(self.iopub_socket, pipe=True)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket

    def init_heartbeat(self):
        """The heartbeat, in a context of its own as in ipykernel."""
        self.heartbeat = CellHeartbeat(zmq.Context(), (self.transport, self.ip, self.hb_port))
        self.heartbeat.start()


def start(profile, network, seccomp=None, arguments=()):
    """Read the connection, build the kernel, serve until it is shut down."""
    connection = read_connection()
    # A process group of its own: an interrupt reaches subprocesses as well.
    if os.getpgrp() != os.getpid():
        os.setsid()
    config = Config()
    # Programs look for the section IPKernelApp to know that they are in a kernel.
    config.IPKernelApp.outstream_class = "_cellblock.streams.CellStream"
    config.IPKernelApp.log_level = logging.ERROR  # the missing debugger is no news
    config.HistoryManager.hist_file = ":memory:"
    app = CellApp.instance(config=config, kernel_class=CellKernel)
    app.use(connection)
    app.initialize(list(arguments))
    session = connection.session.rpartition("-")[0]
    folder = hints.working_folder()
    programs, active = seccomp is None, connection.active_output
    jail = hints.Jail(profile, network, programs, session, folder, active)
    hints.install(app.shell, jail)
    magics.install(app.shell, jail)
    interrupts.install(app.kernel)
    if seccomp is not None:
        from . import threads

        threads.confine(seccomp)
    app.start()
