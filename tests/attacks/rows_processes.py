"""rows_processes.py - attacks by processes: more of them, and the death of others."""
from table import ABSENT, BLOCKED, KILLED, LIMITED, REFUSED, attack


def few_processes(scene):
    count = len(scene.arena.processes_of_jail(scene.space))
    assert count <= 64, "%d processes in the jail" % count


attack("forks as often as it can", LIMITED, """
import time
made, LOST["fork"] = 0, "nothing"
try:
    for made in range(400):
        if os.fork() == 0:
            time.sleep(15)
            os._exit(0)
    WON.append("400 processes")
except OSError as error:
    LOST["fork"] = errno.errorcode[error.errno]
""", alone=True, outside=few_processes)
attack("forks, and its children fork", LIMITED, """
import time
sys.stdout.flush()
me, back, failure, said = os.getpid(), os.pipe(), 0, b""
try:
    for step in range(9):
        os.fork()
except OSError as error:
    failure = error.errno
os.write(back[1], b"%d\\n" % failure)
if os.getpid() != me:
    time.sleep(15)
    os._exit(0)
os.close(back[1])
while not said.strip(b"0\\n") and said.count(b"\\n") < 512:
    said += os.read(back[0], 4096) or b"0\\n" * 512
failure = max(map(int, said.split()))
if failure:
    LOST["fork"] = errno.errorcode[failure]
else:
    WON.append("512 processes")
""", alone=True, outside=few_processes)
attack("starts threads as often as it can", LIMITED, """
import threading
end, made = threading.Event(), []
try:
    for number in range(400):
        made.append(threading.Thread(target=end.wait, args=(60,)))
        made[-1].start()
    WON.append("400 threads")
except RuntimeError:
    LOST["thread"] = "EAGAIN"
end.set()
""", alone=True, outside=few_processes)
attack("starts programs as often as it can", LIMITED, """
import subprocess
made = []
try:
    for number in range(400):
        made.append(subprocess.Popen(["/usr/bin/sleep", "15"]))
    WON.append("400 programs")
except OSError as error:
    LOST["Popen"] = errno.errorcode[error.errno]
for program in made:
    program.kill()
    program.wait()
""", alone=True, outside=few_processes, seconds=100)
attack("the fork bomb of the shells", LIMITED, """
import subprocess
try:
    done = subprocess.run(["/bin/sh", "-c", "b() { d=$(($1 - 1)); [ $d -gt 0 ] || exec sleep 3; "
                           "b $d & b $d; }; b 9"], capture_output=True, timeout=8)
    LOST["bomb"] = "EAGAIN" if b"ork" in done.stderr else "nothing"
except (OSError, subprocess.TimeoutExpired) as error:
    LOST["bomb"] = "EAGAIN"
if LOST["bomb"] == "nothing":
    WON.append("512 shells")
""", alone=True, outside=few_processes, seconds=100)

attack("kills process 1", BLOCKED, """
import signal, time
for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGSEGV):
    attempt(number.name, os.kill, 1, number)
    if number.name in WON and os.path.exists("/proc/1/stat"):
        if read("/proc/1/stat").rsplit(")", 1)[1].split()[0] not in "TZ":
            WON.remove(number.name)
            LOST[number.name] = "EPERM"
attempt("pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL))
if os.path.exists("/proc/1") and "pidfd" in WON:
    WON.remove("pidfd")
    LOST["pidfd"] = "EPERM"
""", control="it would be this machine's or the suite's own")
attack("kills what it can name", BLOCKED, """
import signal
for pid in HOST["pids"]:
    attempt(str(pid), os.kill, pid, signal.SIGKILL)
attempt("group", os.killpg, HOST["pids"][0], signal.SIGKILL)
""", failures={"ESRCH", "EPERM"})
attack("kills every process", KILLED, """
import signal
for pid in list(range(2, 40000)) + HOST["pids"]:
    if pid != os.getpid():
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
try:
    os.kill(-1, signal.SIGKILL)
except OSError:
    pass
os.kill(os.getpid(), signal.SIGKILL)
""", status={"died"}, control="it would end the suite")
attack("ends by exit", KILLED, "os._exit(0)", status={"died"}, control="a program may end")
attack("ends by a crash", KILLED, "ctypes.string_at(0)", status={"died"},
       control="a program may crash")
attack("ends by abort", KILLED, "os.abort()", status={"died"}, control="a program may end")
attack("makes its priority the highest", BLOCKED, """
attempt("nice", os.nice, -10)
attempt("real time", os.sched_setscheduler, 0, os.SCHED_RR, os.sched_param(50))
call("deadline", 314, 0, ctypes.create_string_buffer(
    (48).to_bytes(4, "little") + (6).to_bytes(4, "little") + bytes(16)
    + (1 << 20).to_bytes(8, "little") * 3), 0)
attempt("I/O", lambda: call("ioprio_set", 251, 1, 0, 1 << 13))
WON[:] = [name for name in WON if name != "I/O"]
""")
attack("looks at processes outside of its own", BLOCKED, """
for pid in HOST["pids"]:
    attempt("stat %d" % pid, read, "/proc/%d/stat" % pid)
    attempt("getsid %d" % pid, os.getsid, pid)
    attempt("affinity %d" % pid, os.sched_getaffinity, pid)
    attempt("pidfd %d" % pid, os.pidfd_open, pid)
attempt("parent", lambda: os.stat("/proc/%d" % os.getppid()) if os.getppid() > 1 else os.listdir(
    "/proc/0"))
""", failures=REFUSED | ABSENT | {"ESRCH"})
