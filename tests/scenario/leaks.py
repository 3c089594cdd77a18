"""leaks.py - what a daemon may have left behind: processes, mounts, control groups, files.

The test process makes itself a subreaper, so whatever a daemon forked, however often, stays its
descendant: other daemons on the machine are never mistaken for ours.
"""
import ctypes
import os
import signal
import time

# Seconds that anything may take on a busy machine.
PATIENCE = 120
PR_SET_CHILD_SUBREAPER = 36
CGROUPS = "/sys/fs/cgroup"


def become_subreaper():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _stat(pid):
    """(comm, state, parent) of a process; None when it is gone."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    end = text.rindex(")")
    fields = text[end + 2:].split()
    return text[text.index("(") + 1:end], fields[0], int(fields[1])


def processes():
    """pid -> (comm, state, parent) of every process that can be seen."""
    every = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    return {pid: stat for pid, stat in every.items() if stat is not None}


def descendants(of=None):
    """The living processes below this one (zombies do not count), as {pid: comm}."""
    every = processes()
    children = {}
    for pid, (_, _, parent) in every.items():
        children.setdefault(parent, []).append(pid)
    found, todo = {}, list(children.get(of or os.getpid(), []))
    while todo:
        pid = todo.pop()
        todo += children.get(pid, [])
        if every[pid][1] not in "ZX":
            found[pid] = every[pid][0]
    return found


def reap(but=()):
    """Collects zombies that came to us as their subreaper."""
    for pid, (_, state, parent) in processes().items():
        if state == "Z" and parent == os.getpid() and pid not in but:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def wait_for(true, timeout=PATIENCE, pause=0.01):
    """Waits until true() is; returns its last value."""
    until = time.monotonic() + timeout
    while True:
        value = true()
        if value or time.monotonic() > until:
            return value
        time.sleep(pause)


def stray_processes(before, timeout=PATIENCE):
    """Descendants that were not there before and do not end within timeout."""
    strays = {}

    def gone():
        strays.clear()
        for _ in range(2):  # who changes parents while one looks is missed once
            strays.update(descendants())
        for pid in before:
            strays.pop(pid, None)
        return not strays
    wait_for(gone, timeout)
    return strays


def send(pid, signum):
    """A signal to a process that may be ending just now."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        pass


def kill_all(pids):
    """Ends what a failed test left, so that the next one starts clean."""
    for pid in pids:
        send(pid, signal.SIGKILL)
    wait_for(lambda: not set(descendants()) & set(pids))


def stray_cgroups(warden_pids):
    """Control groups that belong to wardens of these pids (all of them have ended)."""
    names = {"cellblock-%d" % pid for pid in warden_pids}
    found = []
    for at, folders, _ in os.walk(CGROUPS):
        found += [os.path.join(at, name) for name in folders if name in names]
    return found


def stray_mounts(below):
    """Mounts at or below the given folders in our mount namespace."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        points = [line.split()[4] for line in file]
    return [point for point in points
            if any(point == folder or point.startswith(folder + "/") for folder in below)]


def stray_files(folder, but=()):
    """Files and folders below folder, except the names given."""
    found = []
    for at, folders, names in os.walk(folder):
        found += [os.path.join(at, name) for name in folders + names]
    allowed = {os.path.join(folder, name) for name in but}
    return sorted(set(found) - allowed)
