"""rows_time.py - attacks that take time: busy, asleep, deaf to the interrupt, behind one's back."""
from table import KILLED, LIMITED, attack

CONTROL = "an endless program is endless"
LATE = {"status": {"timeout"}, "seconds": 1, "control": CONTROL, "alone": True}

attack("loops for ever", LIMITED, "while True: pass", **LATE)
attack("sleeps for ever", LIMITED, "import time\ntime.sleep(10**6)", **LATE)
attack("waits for ever", LIMITED, "import threading\nthreading.Event().wait()", **LATE)
attack("reads what never comes", LIMITED, "os.read(os.pipe()[0], 1)", **LATE)
attack("swallows KeyboardInterrupt", KILLED, """
def swallow(depth):
    while True:
        try:
            if depth == 0:
                while True: pass
            swallow(depth - 1)
        except BaseException:
            pass
swallow(50)
""", **LATE)
attack("ignores SIGINT", KILLED, """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True: pass
""", **LATE)
attack("blocks all signals", LIMITED, """
import signal
signal.pthread_sigmask(signal.SIG_SETMASK, range(1, 65))
while True: pass
""", **LATE)
attack("computes in C", KILLED, "sum(range(10**15))", **LATE)
attack("sleeps in C", LIMITED, """
while True:
    LIBC.poll(None, 0, 10**6)
""", **LATE)
attack("stops itself", KILLED, """
import signal
os.kill(os.getpid(), signal.SIGSTOP)
""", **LATE)
attack("matches a regular expression for years", LIMITED, """
import re
re.match("(a+)+$", "a" * 64 + "b")
""", **LATE)
attack("holds the interpreter's lock", LIMITED, """
import ctypes
ctypes.PyDLL(None).sleep(10**6)
""", **LATE)


def one_cpu(scene):
    used, wall = scene.result["usage"].get("cpu_s"), scene.result["usage"]["wall_s"]
    assert used is None or used <= 1.25 * wall + 0.5, "%.1f s of CPU in %.1f s" % (used, wall)


attack("uses more processors than its share", LIMITED, """
import time
until = time.monotonic() + 2
for number in range(4):
    if os.fork() == 0:
        while time.monotonic() < until:
            pass
        os._exit(0)
for number in range(4):
    os.wait()
LOST["processors"] = "nothing"
""", failures={"nothing"}, outside=one_cpu, needs=("cgroup",), control="as many as the machine has")


def nothing_runs_on(scene):
    assert scene.arena.processes_of_jail(scene.space), "the jail is gone too early"
    scene.stop()
    assert scene.arena.wait(lambda: not scene.arena.processes_of_jail(scene.space)), "it runs on"


attack("leaves daemons behind", LIMITED, """
import signal, time
LOST["daemon"] = "nothing"
sys.stdout.flush()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        os.closerange(0, 600)
        time.sleep(600)
    os._exit(0)
os.wait()
""", alone=True, failures={"nothing"}, outside=nothing_runs_on, control=CONTROL)
attack("goes on behind the cell's back", LIMITED, """
import threading, time
def behind():
    until = time.monotonic() + 20
    while time.monotonic() < until:
        print("x" * 100000)
threading.Thread(target=behind, daemon=True).start()
LOST["thread"] = "nothing"
""", alone=True, failures={"nothing"}, control=CONTROL)
