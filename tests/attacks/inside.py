"""inside.py - what the code of every attack begins with: its hands, and how it tells.

Put before the code as it is; HOST (a dictionary of what the attacker is given to know about the
host) stands before it, tell() behind.
"""
import ctypes
import errno
import json
import os
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
WON, LOST = [], {}
REFUSALS = {"EPERM", "ENOSYS", "EACCES", "EOPNOTSUPP", "ENOTSUP"}  # of system calls


def attempt(what, do, *arguments):
    """Calls do(*arguments); its value, or None when it was refused."""
    try:
        value = do(*arguments)
    except OSError as error:
        LOST[what] = errno.errorcode.get(error.errno, type(error).__name__)
        return None
    except (MemoryError, RuntimeError) as error:
        LOST[what] = type(error).__name__
        return None
    WON.append(what)
    return value


def call(name, number, *arguments):
    """A system call. Whatever errors but those of a refusal say that the kernel's own code was
    reached: then it is won."""
    ctypes.set_errno(0)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *words)
    failure = errno.errorcode.get(ctypes.get_errno(), "?") if result == -1 else ""
    if failure in REFUSALS:
        LOST[name] = failure
    else:
        WON.append(name + " " + failure)
    return result


def look(what, do, *arguments):
    """Prints what do() returns, for the outside to search; never a victory by itself."""
    try:
        print(do(*arguments))
    except OSError as error:
        LOST[what] = errno.errorcode.get(error.errno, type(error).__name__)
    else:
        LOST[what] = "nothing"


def read(path, size=1 << 20):
    with open(path, "rb") as file:
        return file.read(size).decode(errors="replace")


def write(path, text="x"):
    with open(path, "w") as file:
        file.write(text)


def child(do, *arguments):
    """Calls do in a child; how it ended, as waitstatus_to_exitcode tells it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            do(*arguments)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child_call(name, number, *arguments):
    """call() in a child, for what would change this process; a child it clones does nothing."""
    back, into = os.pipe()

    def do():
        caller = os.getpid()
        call(name, number, *arguments)
        if os.getpid() == caller:
            os.write(into, json.dumps([WON[-1:], LOST.get(name)]).encode())
    child(do)
    os.close(into)
    won, failure = json.loads(os.read(back, 4096) or b"[[], \"no word\"]")
    os.close(back)
    WON.extend(won if failure is None else [])
    if failure is not None:
        LOST[name] = failure


def hold(what):
    """Has it, and still has it some seconds later."""
    import time
    time.sleep(HOST["patience"])
    WON.append(what)


def tell():
    sys.stdout.flush()
    os.write(1, b"\nATTACK " + json.dumps({"won": WON, "lost": LOST}).encode() + b"\n")
