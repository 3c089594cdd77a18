"""rows_secrets.py - attacks that read what is not theirs: files, environments, keys, memory."""
from table import BLOCKED, HIDDEN, REFUSED, ABSENT, attack

attack("reads /etc/shadow", HIDDEN, """
attempt("shadow", read, "/etc/shadow")
""")
attack("reads a file in its owner's home", HIDDEN, """
look("secret", read, HOST["secret"])
attempt("folder", os.listdir, os.path.dirname(HOST["secret"]))
""")
attack("lists the home folders", HIDDEN, """
for path in ("/root", "/home", "/root/.ssh", "/home/" + HOST["user"]):
    attempt(path, os.listdir, path)
""")
attack("lists the rest of the host's tree", HIDDEN, """
for path in ("/var", "/boot", "/mnt", "/media", "/opt", "/srv", "/sys", "/lost+found",
             "/etc/ssl/private", "/etc/ssh", "/var/lib", "/oldroot", "/newroot"):
    attempt(path, os.listdir, path)
""")
attack("searches all files for another session's", HIDDEN, """
LOST["walk"] = "nothing"
for top in ("/etc", "/cb", "/input", "/dev", "/run", "/work", "/tmp", "/output", HOST["folder"]):
    for at, folders, names in os.walk(top):
        WON.extend(os.path.join(at, name) for name in names if name.startswith("treasure"))
""", control="no session's files are there without a session")
attack("reads environments", HIDDEN, """
print(dict(os.environ))
for pid in filter(str.isdigit, os.listdir("/proc")):
    look(pid, read, "/proc/%s/environ" % pid)
""", failures=REFUSED | ABSENT)
attack("reads other processes' command lines", HIDDEN, """
for pid in filter(str.isdigit, os.listdir("/proc")):
    look(pid, read, "/proc/%s/cmdline" % pid)
for pid in HOST["pids"]:
    attempt("host's %d" % pid, os.listdir, "/proc/%d" % pid)
""")
attack("walks through /proc/1", BLOCKED, """
for name in ("root", "cwd", "map_files"):
    attempt(name, os.listdir, "/proc/1/%s/" % name)
for name in ("fd/0", "fd/1", "exe", "ns/mnt"):
    attempt(name, os.readlink, "/proc/1/" + name)
for name in ("mem", "maps", "environ", "stack", "syscall", "auxv"):
    attempt(name, read, "/proc/1/" + name, 16)
""", failures=REFUSED | ABSENT | {"EIO", "EINVAL"}, needs=("landlock",))
attack("leaves by /proc/self/root and ..", HIDDEN, """
for way in ("/proc/self/root", "/proc/self/cwd", "/..", "/proc/self/task/%d/root" % os.getpid()):
    look(way, read, way + "/.." * 8 + HOST["secret"])
    attempt(way, read, way + "/.." * 8 + "/etc/shadow")
""")
attack("reads the daemon's folders and keys", HIDDEN, """
for path in HOST["folders"]:
    attempt(path, os.listdir, path)
for path in HOST["keys"]:
    look(path, read, path)
""")
attack("reads descriptors it inherited", HIDDEN, """
LOST["descriptors"] = "nothing"
for fd in map(int, os.listdir("/proc/self/fd")):
    try:
        name, data = os.readlink("/proc/self/fd/%d" % fd), os.pread(fd, 4096, 0)
    except OSError:
        continue
    print(fd, name, data)
    if name.startswith("/") and not name.startswith(("/dev/", "/usr/", "/proc/")):
        WON.append(name)
""")
attack("walks out by an inherited folder", HIDDEN, """
LOST["folders"] = "nothing"
for fd in map(int, os.listdir("/proc/self/fd")):
    look(fd, lambda: os.read(os.open("../../../../../.." + HOST["secret"], 0, dir_fd=fd), 99))
    look(fd, lambda: read("/proc/self/fd/%d/../../.." % fd + HOST["secret"]))
""", failures=ABSENT | {"ENOTDIR", "EBADF"})
attack("searches its own memory for others' keys", HIDDEN, """
import re
found = set()
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        begin, end = (int(word, 16) for word in line.split()[0].split("-"))
        if " rw-p " not in line or end - begin > 64 << 20:
            continue
        try:
            memory.seek(begin)
            found |= set(re.findall(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])",
                                    memory.read(end - begin)))
        except (OSError, OverflowError):
            pass
own = get_ipython().kernel.session.key
LOST["keys"] = "nothing" if own in found else "the search is broken"
print(sorted(found - {own}))
""", control="the search finds the kernel's own key, else it counts as broken")
attack("finds out who the machine is", HIDDEN, """
LOST["identity"] = "nothing"
for name, path in (("boot id", "/proc/sys/kernel/random/boot_id"),
                   ("machine id", "/etc/machine-id"), ("D-Bus id", "/var/lib/dbus/machine-id"),
                   ("command line", "/proc/cmdline"), ("host name", "/etc/hostname"),
                   ("host name", "/proc/sys/kernel/hostname"), ("DMI", "/sys/class/dmi/id")):
    try:
        text = read(path).strip()
    except OSError as error:
        LOST[path] = errno.errorcode[error.errno]
        continue
    if text and text == HOST["identity"].get(name):
        WON.append(path)
if os.uname().nodename == HOST["identity"]["host name"]:
    WON.append("uname")
""", failures=ABSENT | REFUSED)
attack("reads the kernel's tables", HIDDEN, """
for name in ("kallsyms", "config.gz", "keys", "key-users", "timer_list", "interrupts", "diskstats",
             "partitions", "sched_debug", "kcore", "kmsg", "kpagecount", "iomem"):
    try:
        text = read("/proc/" + name, 4096)
    except OSError as error:
        LOST[name] = errno.errorcode[error.errno]
        continue
    # Zeros for whoever has no right: Linux's own way to hide addresses.
    WON.append(name) if text.replace("0", "").strip() and name != "iomem" else LOST.update(
        {name: "nothing"})
""", failures=ABSENT | REFUSED)
attack("reads the kernel's log", BLOCKED, """
call("syslog", 103, 3, ctypes.create_string_buffer(64), 64)
attempt("/dev/kmsg", read, "/dev/kmsg", 16)
attempt("/proc/kmsg", os.open, "/proc/kmsg", os.O_RDONLY | os.O_NONBLOCK)
""", failures=REFUSED | ABSENT)
attack("opens the machine's memory and devices", HIDDEN, """
for name in ("mem", "kmem", "port", "kvm", "fuse", "net/tun", "loop-control", "vhost-net", "vsock",
             "vda", "sda", "nvme0n1", "dri/card0", "snd/seq", "input/event0", "mapper/control",
             "console", "tty0", "tty1", "ttyS0", "hpet", "rtc0", "watchdog", "kmsg", "userfaultfd",
             "cpu/0/msr", "mqueue", "hugepages", "btrfs-control", "autofs", "cuse", "rfkill"):
    attempt(name, os.open, "/dev/" + name, os.O_RDONLY | os.O_NONBLOCK)
""")
attack("opens its owner's terminal", HIDDEN, """
attempt("/dev/tty", os.open, "/dev/tty", os.O_RDWR)
for fd in (0, 1, 2):
    attempt(fd, os.ttyname, fd)
""", failures={"ENXIO", "ENOTTY", "ENOENT"},
       control="whoever runs the suite may have no terminal either")
attack("reads what the host shares in memory", HIDDEN, """
look("/dev/shm", lambda: [os.listdir("/dev/shm"), read(HOST["shm_file"])])
look("System V", read, "/proc/sysvipc/shm")
if str(HOST["shm_key"]) in read("/proc/sysvipc/shm").split():
    WON.append("System V memory")
""")
attack("takes the host's semaphore", HIDDEN, """
class Step(ctypes.Structure):
    _fields_ = [("number", ctypes.c_ushort), ("by", ctypes.c_short), ("flags", ctypes.c_short)]
number = LIBC.semget(HOST["sem_key"], 1, 0)
if number < 0:
    LOST["semaphore"] = errno.errorcode[ctypes.get_errno()]
else:
    WON.append("semaphore")
    LIBC.semop(number, ctypes.byref(Step(0, 1, 0)), 1)
""")
attack("sees the control groups of the host", HIDDEN, """
LOST["groups"] = "nothing"
for line in read("/proc/self/cgroup").splitlines():
    if "cellblock" in line or ".scope" in line or ".." in line:
        WON.append(line)
attempt("/sys/fs/cgroup", os.listdir, "/sys/fs/cgroup")
""", control="the suite's own group has no name to find")
attack("finds the host's sockets by name", HIDDEN, """
LOST["names"] = "nothing"
text = read("/proc/net/unix")
WON.extend(name for name in HOST["sockets"] if name in text)
""")
