"""control.py - carries out an attack without a jail, to show that its code can win.

As a module: play(attack, arena) -> (won, what it said). The attack runs as root with all rights in
Linux's eyes, but on a root folder of its own (an overlay over the host's, thrown away afterwards),
with a /dev of harmless nodes and in a pid namespace: what it destroys is not the machine's.
As a program it is the first process of that namespace.
"""
import json
import os
import subprocess
import sys
import tempfile

SECONDS = 240
NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
         "tty": (5, 0), "mem": (1, 1), "kmsg": (1, 11), "loop-control": (10, 237)}
OWN = ("work", "output", "dev/shm")  # writable and bounded, as the jail's are


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True, stdout=subprocess.DEVNULL)


def build_root(base, shown):
    """An overlay over /, with what the attacker is to find; its path."""
    mount("-t", "tmpfs", "-o", "size=2g", "base", base)
    upper, work, root = (os.path.join(base, name) for name in ("upper", "work", "root"))
    for path in (upper, work, root):
        os.mkdir(path)
    mount("-t", "overlay", "-o", "lowerdir=/,upperdir=%s,workdir=%s" % (upper, work), "root", root)
    mount("-t", "proc", "proc", root + "/proc")
    mount("--bind", "/sys", root + "/sys")
    mount("-t", "tmpfs", "-o", "size=64m", "dev", root + "/dev")
    for name, (major, minor) in NODES.items():
        os.mknod(os.path.join(root, "dev", name), 0o20666, os.makedev(major, minor))
    os.symlink("/proc/self/fd", root + "/dev/fd")
    os.mkdir(root + "/dev/pts")
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666", "pts", root + "/dev/pts")
    os.symlink("pts/ptmx", root + "/dev/ptmx")
    for name in OWN:
        os.makedirs(os.path.join(root, name), exist_ok=True)
        mount("-t", "tmpfs", "-o", "size=400m,nr_inodes=100k", "own", os.path.join(root, name))
    for path in shown:
        target = root + path
        if not os.path.exists(target):  # behind a tmpfs of ours, never a folder
            open(target, "a", encoding="ascii").close()
        mount("--bind", path, target)
    return root


def first_process():
    """Enters the root, starts a victim and the attack, waits for the attack."""
    order = json.load(sys.stdin)
    root = build_root(order["base"], order["shown"])
    os.chroot(root)
    os.chdir("/work")
    victim = subprocess.Popen(["/bin/sh", "-c", "sleep 1000; : " + order["token"]])
    code = order["code"].replace("VICTIM", str(victim.pid))
    with open("/work/.attack.py", "w", encoding="utf-8") as file:
        file.write(code)
    subprocess.run(["/usr/bin/python3", "-IB", "/work/.attack.py"], stdin=subprocess.DEVNULL,
                   check=False, close_fds=False)


def play(attack, arena):
    """(whether it won, everything it said); None for "won" where this Linux has no such call."""
    from arena import program, told
    host = dict(arena.host(), pids="VICTIM", patience=0)
    code = program(host, attack).replace('"VICTIM"', "[VICTIM]")
    shown = [arena.canary.folder, arena.canary.doors.tmp, arena.house.folder,
             arena.canary.memory.path]
    with tempfile.TemporaryDirectory(prefix="cb-control-", dir="/tmp") as base:
        order = {"base": base, "shown": shown, "code": code, "token": arena.token}
        leaking = [os.open(path, os.O_RDONLY) for path in (arena.canary.secret, "/")]
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
             "/usr/bin/python3", "-B", os.path.abspath(__file__)], input=json.dumps(order),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            pass_fds=leaking, timeout=SECONDS, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                 "CANARY": arena.token})
        for fd in leaking:
            os.close(fd)
    arena.callers()
    report = told(done.stdout)
    won = bool(report and report[0]) or arena.token in done.stdout
    if report and not won and set(report[1].values()) == {"ENOSYS"}:
        won = None
    return won, done.stdout


if __name__ == "__main__":
    first_process()
