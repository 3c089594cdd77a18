"""hints.py - one line below a traceback, where the jail is the reason of an error."""

import errno
import os
import re
import socket
import subprocess
import typing

# Where a cell's own files and the machine's programs lie.
INSIDE = ("/work", "/tmp", "/output", "/input", "/usr", "/dev", "/proc", "/cb", "/workdir")
# Where the folder is in which a person started the kernel, if the jail has it.
WORKDIR = "/workdir"
# Exceptions within exceptions that are looked at: URLError, requests, zmq.
DEPTH = 8
# Characters of a message that are looked at.
MESSAGE = 2000


class Jail(typing.NamedTuple):
    """What the sentences name."""

    profile: str
    network: str  # "none" or "loopback"
    subprocesses: bool = True
    session: str = ""
    workdir: str = "none"  # "ro" or "rw": what may be done in WORKDIR
    active_output: bool = False

    def command(self, verb):
        """What somebody types outside, about this session."""
        return f"cellblock {verb} {self.session or 'NAME'}"


def _chain(error):
    """The exception and those it came from or carries, each once."""
    found, queue = [], [error]
    while queue and len(found) < DEPTH:
        at = queue.pop(0)
        if not isinstance(at, BaseException) or any(at is one for one in found):
            continue
        found.append(at)
        queue += [at.__cause__, at.__context__, getattr(at, "reason", None)]
        queue += list(at.args)
    return found


def _last_file(error):
    """The source file of the frame that raised."""
    trace, name = error.__traceback__, ""
    while trace is not None:
        name, trace = trace.tb_frame.f_code.co_filename, trace.tb_next
    return name


# IPython's own words (%run, %load) for a file that is not there.
NOT_FOUND = re.compile(r"File `'(.*)'` not found|^'(/.*)' was not found in history")


def _missing_path(error):
    said = NOT_FOUND.search(str(error)[:MESSAGE])
    if said:
        return said.group(1) or said.group(2)
    if not isinstance(error, FileNotFoundError):
        return None
    name = error.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if isinstance(name, str):
        return name
    match = re.search(r"(/[^\s'\":]+)", str(error))
    return match.group(1) if match else None


def working_folder():
    """What may be done in the folder in which a kernel starts: "none" when it is not a person's."""
    if os.getcwd() != WORKDIR:
        return "none"
    return "ro" if os.statvfs(WORKDIR).f_flag & os.ST_RDONLY else "rw"


def _is_inside(path):
    return any(path == top or path.startswith(top + "/") for top in INSIDE)


def says_missing(path, jail):
    """The sentence about a path that is not there; None where the jail is not the reason."""
    if path.startswith(("/", "~")) and not _is_inside(path) and jail.workdir != "none":
        return f"this path is not in the jail, where the folder you started in is {WORKDIR}"
    if path.startswith(("/", "~")) and not _is_inside(path):
        name = os.path.basename(path.rstrip("/")) or "NAME"
        return (
            "this path is not in the jail: give it with --input "
            f"{path}, it appears as /input/{name}"
        )
    if path.startswith("/input/"):
        return "only what was given with --input PATH is below /input"
    if jail.workdir != "none":
        return None
    if not path.startswith("/") and not os.path.isdir(os.path.dirname(path)):
        return (
            "the jail's working folder is /work, not yours: give a file with "
            f"--input PATH, it appears as /input/{os.path.basename(path)}"
        )
    return None


def _missing_file(error, jail):
    path = _missing_path(error)
    return says_missing(path, jail) if path else None


# What libraries say that have no exception of their own for it (database drivers, libcurl).
UNREACHED = re.compile(
    "name resolution|Name or service not known|Network is unreachable|"
    "ould not resolve host|could not translate host name|Failed to establish a new connection"
)
# Programs that go out, and the word or the form of an argument by which one knows it.
OUTWARD = {
    "pip": "install|download|search",
    "pip3": "install|download|search",
    "apt": "install|update",
    "apt-get": "install|update",
    "conda": "install|create",
    "npm": "install|ci",
    "curl": r"https?:|ftp:|\S+\.\S+",
    "wget": r"https?:|ftp:|\S+\.\S+",
    "git": "clone|fetch|pull|push|ls-remote",
    "ssh": ".",
    "scp": ".",
    "ping": ".",
}


def says_no_network(jail, advice=": fetch it outside and give it with --input PATH"):
    """Why nothing outside is reached, and what to do."""
    network = "no network" if jail.network == "none" else "only a loopback network"
    return f"this jail has {network} (profile {jail.profile}){advice}"


def _goes_out(words):
    while words and ("=" in words[0] or words[0] in ("sudo", "env", "time", "exec")):
        words = words[1:]
    if words[1:2] == ["-m"]:  # python3 -m pip
        words = words[2:]
    wanted = OUTWARD.get(os.path.basename(words[0])) if words else None
    return bool(wanted) and any(re.match(wanted, word) for word in words[1:])


def goes_out(command):
    """Whether a command line (text or words) is one that wants the network."""
    if isinstance(command, bytes):  # %%bash
        command = command.decode(errors="replace")
    if isinstance(command, str):
        return any(_goes_out(part.split()) for part in re.split("[;&|\n]", command))
    return _goes_out([str(word) for word in command])


def _no_network(error, jail):
    if isinstance(error, subprocess.CalledProcessError):
        return says_no_network(jail) if goes_out(error.cmd) else None
    refused = isinstance(error, PermissionError) and _last_file(error) == socket.__file__
    unreachable = isinstance(error, OSError) and error.errno in (
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
    )
    lost = isinstance(error, (socket.gaierror, socket.herror))
    if refused or unreachable or lost or UNREACHED.search(str(error)[:MESSAGE]):
        return says_no_network(jail)
    return None


STARTERS = re.compile(r"fork|exec[lv]|spawn|posix_spawn|forkpty|_fork_exec|system|popen")


def _starts_a_program(error):
    """Whether the frame that raised is one that makes processes."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    code = trace.tb_frame.f_code
    return any(STARTERS.match(name) for name in code.co_names)


def says_no_programs(jail):
    """Why nothing is started, and what would allow it."""
    return (
        "this jail starts no other programs and processes, only threads "
        f"(profile {jail.profile} has subprocesses = off)"
    )


def _no_subprocess(error, jail):
    if jail.subprocesses or not isinstance(error, PermissionError) or error.errno != errno.EPERM:
        return None
    if error.filename is None and _starts_a_program(error):
        return says_no_programs(jail)
    return None


def _read_only_folder(error, jail):
    if jail.workdir != "ro" or not isinstance(error, OSError):
        return None
    if error.errno not in (errno.EROFS, errno.EACCES):
        return None
    name = error.filename
    if not isinstance(name, (str, bytes)):
        return None
    path = os.path.abspath(os.fsdecode(name))
    if path != WORKDIR and not path.startswith(WORKDIR + "/"):
        return None
    return (
        "the folder you started in can only be read in the jail: write to /work or /output, "
        "or start the kernel with --workdir rw"
    )


def _full(error, jail):
    if not isinstance(error, OSError):
        return None
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the disk limit of this jail is reached (profile {jail.profile})"
    if error.errno == errno.EROFS:
        return "only /work, /tmp and /output can be written in the jail"
    if error.errno == errno.EMFILE:
        return f"the limit of open files of this jail is reached (profile {jail.profile})"
    if isinstance(error, BlockingIOError) and _last_file(error).endswith("subprocess.py"):
        return f"the process limit of this jail is reached (profile {jail.profile})"
    return None


def _no_thread(error, jail):
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return f"the process limit of this jail is reached (profile {jail.profile})"
    return None


def _missing_module(error, jail):
    if not isinstance(error, ModuleNotFoundError) or not error.name or "." in error.name:
        return None
    others = "others come as wheels with --input PATH: %pip install /input/NAME.whl"
    if jail.workdir != "none":
        others = f"others come as wheels: %pip install {WORKDIR}/NAME.whl"
    if not jail.subprocesses:
        others = "a cell cannot install others"
    return f"the jail has the Python packages that this machine has below /usr; {others}"


def _no_conda(error, _jail):
    if isinstance(error, ValueError) and "to be a conda environment" in str(error):
        return "conda is not in this jail: its Python is the machine's own, below /usr"
    return None


RULES = (
    _missing_file,
    _no_network,
    _no_subprocess,
    _read_only_folder,
    _full,
    _no_thread,
    _no_conda,
)


def hint(error, jail):
    """The line for an exception, or None when the jail has no part in it."""
    line = _missing_module(error, jail)  # not those that a program caught and went on
    if line:
        return line
    for one in _chain(error):
        for rule in RULES:
            line = rule(one, jail)
            if line:
                return line
    return None


class _Spare:
    """Descriptors kept back, so that an error can be shown when a cell used up all others."""

    COUNT = 4

    def __init__(self):
        self._fds = []
        self.take()

    def take(self):
        """Keep as many as there are."""
        try:
            while len(self._fds) < self.COUNT:
                self._fds.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            pass

    def give(self):
        """Free them."""
        while self._fds:
            os.close(self._fds.pop())


def install(shell, jail):
    """Let the shell show every error, and end its traceback with the hint.

    The instance is changed, not the class: programs recognise the shell by
    its class's name.
    """
    format_and_show, show, spare = shell.showtraceback, shell._showtraceback, _Spare()

    def show_with_hint(etype, evalue, stb):
        try:
            line = hint(evalue, jail)
        except Exception:  # never hide the error behind one of ours
            line = None
        show(etype, evalue, list(stb) + [f"cellblock: {line}"] if line else stb)

    def show_always(*args, **kwargs):
        spare.give()
        try:
            format_and_show(*args, **kwargs)
        finally:
            spare.take()

    shell._showtraceback = show_with_hint
    shell.showtraceback = show_always
