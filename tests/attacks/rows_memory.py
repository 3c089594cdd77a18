"""rows_memory.py - attacks that take memory, disk, files and descriptors until nothing is left.

Each asks for somewhat more than its share and then says that it won, so that a jail that fails
costs the machine no more than that.
"""
from table import FULL, KILLED, LIMITED, attack

MIB = 1 << 20
MEMORY = 512 * MIB
OVER = 640  # MiB that a memory bomb asks for


def memory_was_bounded(scene):
    """The account of the group: no more than its limit was ever in it. Where the warden looks from
    time to time instead, there may be more, but not for long: hold() would have won."""
    peak = scene.result["usage"].get("peak_memory_bytes")
    if scene.arena.layers["cgroup"] != "none":
        assert peak <= MEMORY + 16 * MIB, "a peak of %d MiB" % (peak >> 20)


BOMB = {"alone": True, "status": {"limit"}, "limit": "memory", "needs": ("memory",),
        "outside": memory_was_bounded, "seconds": 100}

attack("memory: the heap", KILLED, """
hog = []
for step in range(%d // 16):
    hog.append(bytearray(b"x" * (16 << 20)))
hold("%d MiB")
""" % (OVER, OVER), **BOMB)
attack("memory: small objects", KILLED, """
hog = [bytes(200) for _ in range(3_000_000)]
hold("three million small ones")
""", **BOMB)
attack("memory: mmap, private and shared", KILLED, """
import mmap
hog = []
for step in range(%d // 32):
    for flags in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
        page = mmap.mmap(-1, 16 << 20, flags=flags | mmap.MAP_ANONYMOUS)
        for at in range(0, 16 << 20, 4096):
            page[at] = 1
        hog.append(page)
hold("%d MiB")
""" % (OVER, OVER), **BOMB)
attack("memory: many processes, a little each", KILLED, """
import time
for number in range(20):
    if os.fork() == 0:
        hog = b"x" * (%d // 20 << 20)
        time.sleep(20)
        os._exit(0)
hold("20 processes")
""" % OVER, **BOMB)
attack("memory: numpy and C", KILLED, """
LIBC.malloc.restype, LIBC.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
LIBC.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
for step in range(%d // 16):
    page = LIBC.malloc(16 << 20)
    LIBC.memset(page, 1, 16 << 20)
hold("%d MiB")
""" % (OVER, OVER), **BOMB)
attack("memory: files, then the heap", KILLED, """
with open("/dev/shm/hog", "wb") as file:
    for step in range(200):
        file.write(bytes(1 << 20))
hog = [b"x" * (16 << 20) for _ in range((%d - 200) // 16)]
hold("%d MiB")
""" % (OVER, OVER), **BOMB)
attack("memory: stacks and page tables", KILLED, """
import mmap, threading
threading.stack_size(64 << 20)
def deep():
    (ctypes.c_char * (48 << 20))()
hog = []
for step in range(%d // 16):
    page = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(page)), 1, 16 << 20)
    hog.append(page)
hold("%d MiB")
""" % (OVER, OVER), **BOMB)

attack("memory: pipes", LIMITED, """
import fcntl
total, LOST["pipes"] = 0, "%d MiB"
try:
    while total < 300 << 20:
        read_end, write_end = os.pipe()
        for size in (1 << 20, 1 << 16):
            try:
                fcntl.fcntl(write_end, 1031, size)
                break
            except OSError:
                pass
        os.set_blocking(write_end, False)
        while True:
            try:
                total += os.write(write_end, bytes(1 << 16))
            except BlockingIOError:
                break
    WON.append("%d MiB in pipes" % (total >> 20))
except OSError as error:
    LOST["pipes"] = errno.errorcode[error.errno]
""", alone=True, outside=memory_was_bounded, seconds=100)
attack("memory: sockets of many processes", KILLED, """
import socket, time
total, report = 0, socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for number in range(8):
    if os.fork() == 0:
        hog, mine = [], 0
        while mine < 100 << 20:
            hog.append(socket.socketpair())
            for door in hog[-1]:
                door.setblocking(False)
                door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
                try:
                    while True:
                        mine += door.send(bytes(1 << 16))
                except BlockingIOError:
                    pass
        report[1].send(b"x")
        time.sleep(20)
        os._exit(0)
for number in range(8):
    report[0].recv(1)
hold("800 MiB in sockets")
""", **BOMB)
attack("memory: mappings of many processes", KILLED, """
import mmap
LIBC.mmap.restype = ctypes.c_void_p
page, count = 4096, 60000
at = LIBC.mmap(None, ctypes.c_size_t(count * page), 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
for number in range(0, count, 2):
    LIBC.mprotect(ctypes.c_void_p(at + number * page), ctypes.c_size_t(page), mmap.PROT_READ)
theirs, ours = os.pipe()
for number in range(48):
    if os.fork() == 0:
        os.close(ours)
        os.read(theirs, 1)
        os._exit(0)
heap = b"x" * (300 << 20)
hold("%d mappings in each of 48 processes, and 300 MiB" % count)
os.close(ours)
""", **{**BOMB, "needs": ("cgroup",)})
attack("memory: page tables without pages", KILLED, """
LIBC.mmap.restype = ctypes.c_void_p
size = 1 << 40
at = LIBC.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))
for step in range(0, size, 2 << 20):
    ctypes.string_at(at + step, 1)
hold("2 GiB of page tables")
""", **BOMB)
attack("memory: locked", LIMITED, """
import mmap
page = mmap.mmap(-1, 4 << 20)
address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(page)))
if LIBC.mlock(address, ctypes.c_size_t(4 << 20)):
    LOST["mlock"] = errno.errorcode[ctypes.get_errno()]
else:
    WON.append("mlock")
if LIBC.mlockall(3):
    LOST["mlockall"] = errno.errorcode[ctypes.get_errno()]
else:
    LIBC.munlockall()
    WON.append("mlockall")
""", failures=FULL | {"EPERM"})

FILL = """
LOST["%(at)s"] = "nothing"
written = 0
try:
    with open("%(at)s/hog", "wb", 0) as file:
        while written < 300 << 20:
            written += file.write(bytes(1 << 20))
    WON.append("%%d MiB" %% (written >> 20))
except OSError as error:
    LOST["%(at)s"] = errno.errorcode[error.errno]
finally:
    os.path.exists("%(at)s/hog") and os.remove("%(at)s/hog")
"""
MANY = """
for at in ("/work", "/tmp", "/output", "/dev/shm"):
    made = []
    try:
        os.mkdir(at + "/hog")
        for number in range(5000):
            made.append("%s/hog/%d" % (at, number))
            {how}
        WON.append("5000 in " + at)
    except OSError as error:
        LOST[at] = errno.errorcode[error.errno]
    for path in made:
        try:
            os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.remove(path)
        except OSError:
            pass
    os.path.isdir(at + "/hog") and os.rmdir(at + "/hog")
"""


def disk_was_bounded(scene):
    size = scene.arena.quota_size(scene.pid)
    assert size <= 257 * MIB, "a disk of %d MiB" % (size >> 20)


for place in ("/work", "/tmp", "/output", "/dev/shm"):
    attack("disk: fills " + place, LIMITED, FILL % {"at": place}, seconds=100,
           outside=disk_was_bounded)
attack("disk: fills all places together", LIMITED, """
written, places = 0, ["/work", "/tmp", "/output", "/dev/shm"]
try:
    for at in places:
        with open(at + "/hog-all", "wb", 0) as file:
            for step in range(80):
                written += file.write(bytes(1 << 20))
    WON.append("%d MiB" % (written >> 20))
except OSError as error:
    LOST["all"] = errno.errorcode[error.errno]
for at in places:
    os.path.exists(at + "/hog-all") and os.remove(at + "/hog-all")
""", seconds=100, outside=disk_was_bounded)
for kind, how in (("files", 'open(made[-1], "x").close()'), ("folders", "os.mkdir(made[-1])"),
                  ("links", 'os.symlink("x", made[-1])'), ("pipes", "os.mkfifo(made[-1])")):
    attack("disk: as many %s as go" % kind, LIMITED, MANY.format(how=how), seconds=100)
attack("disk: hard links", LIMITED, """
open("/work/one", "w").close()
made = 0
try:
    for made in range(20000):
        os.link("/work/one", "/work/link-%d" % made)
    WON.append("20000 links")
except OSError as error:
    LOST["links"] = errno.errorcode[error.errno]
for number in range(made + 1):
    try:
        os.remove("/work/link-%d" % number)
    except OSError:
        pass
os.remove("/work/one")
""", seconds=100)
attack("disk: files larger than any disk", LIMITED, """
fd = os.open("/work/sparse", os.O_RDWR | os.O_CREAT)
attempt("truncate", os.ftruncate, fd, 1 << 50)
attempt("fallocate", os.posix_fallocate, fd, 0, 1 << 40)
attempt("write far away", os.pwrite, fd, b"x", 10 << 30)
attempt("ten gigabytes", os.truncate, "/work/sparse", 10 << 30)
os.close(fd)
os.remove("/work/sparse")
""")
attack("disk: a deep tree and long names", LIMITED, """
depth, at = 0, os.getcwd()
try:
    for depth in range(4200):
        os.mkdir("n" * 200)
        os.chdir("n" * 200)
    WON.append("4200 deep")
except OSError as error:
    LOST["depth"] = errno.errorcode[error.errno]
while depth > 0:
    os.chdir("..")
    os.rmdir("n" * 200)
    depth -= 1
os.chdir(at)
os.path.isdir("n" * 200) and os.rmdir("n" * 200)
""", seconds=100)
attack("descriptors: as many as go", LIMITED, """
made = []
try:
    for number in range(4096):
        made.append(os.open("/dev/null", os.O_RDONLY))
    WON.append("4096 descriptors")
except OSError as error:
    LOST["open"] = errno.errorcode[error.errno]
for fd in made:
    os.close(fd)
""")
attack("descriptors: hidden in sockets", LIMITED, """
import socket
hog, sent = [], 0
try:
    while sent < 100:
        hog.append(socket.socketpair())
        hog[-1][0].setblocking(False)
        try:
            for sent in range(sent + 1, 101):
                socket.send_fds(hog[-1][0], [b"x"], [0] * 200)
        except BlockingIOError:
            pass
    WON.append("%d descriptors in flight" % (sent * 200))
except OSError as error:
    LOST["in flight"] = errno.errorcode[error.errno]
for left, right in hog:
    left.close(), right.close()
""", failures=FULL | {"ETOOMANYREFS"})
attack("signals: as many as wait", LIMITED, """
import signal
import threading
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
own = threading.get_native_id()
info = ctypes.create_string_buffer((signal.SIGRTMIN).to_bytes(4, "little") + bytes(4)
                                   + (-1).to_bytes(4, "little", signed=True) + bytes(116))
sent = 0
while sent < 5000 and LIBC.syscall(
        297, os.getpid(), own, int(signal.SIGRTMIN), info) == 0:
    sent += 1
LOST["queue"] = errno.errorcode.get(ctypes.get_errno(), "nothing")
if sent >= 5000:
    WON.append("5000 signals")
""", alone=True)
attack("timers: as many as go", LIMITED, """
made, timer = 0, ctypes.c_int()
while made < 5000 and LIBC.syscall(222, 1, None, ctypes.byref(timer)) == 0:
    made += 1
LOST["timers"] = errno.errorcode.get(ctypes.get_errno(), "nothing")
if made >= 5000:
    WON.append("5000 timers")
""", alone=True)
attack("semaphores: as many as go", LIMITED, """
made = 0
while made < 40000:
    number = LIBC.semget(0, 1, 0o600)
    if number < 0:
        break
    made += 1
LOST["semaphores"] = errno.errorcode.get(ctypes.get_errno(), "nothing")
if made >= 40000:
    WON.append("40000 semaphores")
""", alone=True, control="Linux bounds them for each namespace (SEMMNI)")
