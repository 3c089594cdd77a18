"""rows_calls.py - attacks by system calls that no notebook needs (numbers of x86-64).

Each is called so that Linux checks the right first and finds the arguments useless afterwards: who
gets past the refusal gets EINVAL, EFAULT or the like, and nothing happens to the machine.
"""
from table import BLOCKED, attack

CALLS = {
    "mounts": [
        ("mount", 165, "none", "/tmp", "tmpfs", 0, 0), ("umount2", 166, "/tmp", 2),
        ("bind", 165, "/usr", "/tmp", 0, 4096, 0), ("remount", 165, 0, "/usr", 0, 32 | 4096, 0)],
    "changes its root by pivot_root and chroot": [
        ("pivot_root", 155, 0, 0), ("chroot", 161, "/proc")],
    "mounts by the new calls": [
        ("open_tree", 428, -100, "/usr", 1), ("move_mount", 429, -1, 0, -1, 0, 0),
        ("fsopen", 430, "tmpfs", 0), ("fsconfig", 431, -1, 0, 0, 0, 0), ("fsmount", 432, -1, 0, 0),
        ("fspick", 433, -100, "/usr", 0), ("mount_setattr", 442, -100, "/usr", 0, 0, 0)],
    "makes namespaces by unshare": [
        ("unshare " + name, 272, flag) for name, flag in (
            ("user", 0x10000000), ("mount", 0x20000), ("pid", 0x20000000), ("net", 0x40000000),
            ("ipc", 0x8000000), ("uts", 0x4000000), ("cgroup", 0x2000000), ("time", 0x80))],
    "enters namespaces by setns": [("setns", 308, -1, 0), ("setns of all", 308, -1, 0x7e020000)],
    "runs programs in the kernel by bpf": [("bpf", 321, 0, 0, 0), ("bpf load", 321, 5, 0, 0)],
    "watches the machine by perf_event_open": [("perf_event_open", 298, 0, 0, -1, -1, 0)],
    "uses keyrings": [
        ("keyctl", 250, 0, -3, 0), ("add_key", 248, "user", "attack", 0, 0, -3),
        ("request_key", 249, "user", "attack", 0, 0)],
    "does its calls by io_uring": [
        ("io_uring_setup", 425, 1, 0), ("io_uring_enter", 426, -1, 0, 0, 0, 0, 0),
        ("io_uring_register", 427, -1, 0, 0, 0)],
    "holds the kernel up by userfaultfd": [("userfaultfd", 323, 0x80000)],
    "boots another kernel by kexec": [
        ("kexec_load", 246, 0, 1 << 20, 0, 0), ("kexec_file_load", 320, -1, -1, 0, 0, 1 << 20)],
    "loads and unloads modules": [
        ("init_module", 175, 0, 0, ""), ("finit_module", 313, -1, "", 0),
        ("delete_module", 176, "no_such_module", 0)],
    "reboots": [("reboot", 169, 0, 0, 0, 0)],
    "changes where memory is swapped": [
        ("swapon", 167, "/nowhere", 0), ("swapoff", 168, "/nowhere")],
    "renames the machine": [
        ("sethostname", 170, 0, -1), ("setdomainname", 171, 0, -1)],
    "gets at the ports of the machine": [("iopl", 172, 4), ("ioperm", 173, 1 << 20, 1, 1)],
    "makes segments of its own by modify_ldt": [("modify_ldt", 154, 1, 0, 0)],
    "turns on accounting and quotas": [("acct", 163, "/"), ("quotactl", 179, -1, "/none", 0, 0)],
    "traces processes": [
        ("ptrace seize 1", 101, 0x4206, 1, 0, 0x1000), ("ptrace traceme", 101, 0, 0, 0, 0)],
    "reads and writes others' memory": [
        ("process_vm_readv", 310, 1, 0, 0, 0, 0, 1), ("process_vm_writev", 311, 1, 0, 0, 0, 0, 1)],
    "takes others' descriptors": [("pidfd_getfd", 438, -1, 0, 0)],
    "compares others' resources by kcmp": [("kcmp", 312, 1, 1, 99, 0, 0)],
    "moves memory between nodes": [
        ("mbind", 237, 1, 4096, 0, 0, 0, 0), ("migrate_pages", 256, 0, 0, 0, 0),
        ("move_pages", 279, 0, 1, 0, 0, 0, 0), ("set_mempolicy", 238, 99, 0, 0)],
    "uses System V memory and queues": [
        ("shmget", 29, 0, 0, 0o600), ("msgget", 68, 1, 0), ("shmat", 30, -1, 0, 0),
        ("mq_open", 240, "/", 0, 0, 0)],
    "turns protections off by personality": [("personality", 135, 0x0040000)],
    "loads filters and other prctl": [
        ("seccomp", 317, 9, 0, 0), ("prctl seccomp", 157, 22, 9, 0, 0, 0),
        ("prctl keep caps", 157, 8, 2, 0, 0, 0), ("prctl mm", 157, 35, 99, 0, 0, 0),
        ("prctl bounding set", 157, 24, 99, 0, 0, 0), ("prctl ptracer", 157, 0x59616d61, -2, 0),
        ("prctl syscall dispatch", 157, 59, 99, 0, 0, 0)],
    "calls what was invented later": [
        ("number %d" % number, number, 0, 0, 0, 0, 0, 0) for number in (451, 462, 470)],
    "uses leftovers of old kernels": [
        ("uselib", 134, "/"), ("sysfs", 139, 99, 0), ("lookup_dcookie", 212, 0, 0, 0),
        ("ustat", 136, 0, 0), ("nfsservctl", 180, 0, 0, 0), ("vhangup", 153)],
}

# What no attacker of ours may do without a jail, or what unjailed root is refused as well.
UNSAFE = {
    "calls what was invented later": "calls that this Linux does not know",
    "reboots": "",
}


def code_of(calls):
    """call() for each row; texts become pointers."""
    lines = []
    for name, number, *arguments in calls:
        words = ["ctypes.c_char_p(%r)" % word.encode() if isinstance(word, str) else repr(word)
                 for word in arguments]
        line = "call(%s)" % ", ".join([repr(name), str(number)] + words)
        lines.append("child_call(%s)" % line[5:-1] if name in IN_A_CHILD else line)
    return "\n".join(lines)


# These change the process that calls them when they succeed.
IN_A_CHILD = {"ptrace traceme", "vhangup", "chroot", "personality"} | {
    name for name, *_ in CALLS["makes namespaces by unshare"]}

# A user namespace too many is ENOSPC (user.max_user_namespaces).
for title, table in CALLS.items():
    attack(title, BLOCKED, 'REFUSALS.add("ENOSPC")\n' + code_of(table),
           **({"control": UNSAFE[title]} if UNSAFE.get(title) else {}))

attack("clones into new namespaces", BLOCKED, """
REFUSALS.add("ENOSPC")
flags = (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000)
for flag in flags:
    child_call("clone %#x" % flag, 56, flag | 17, 0, 0, 0, 0)
words = ctypes.create_string_buffer((0x10000000).to_bytes(8, "little") + bytes(80))
child_call("clone3", 435, words, 88)
""")
attack("sets the clocks", BLOCKED, """
import struct
# Modes whose value is what the clock has: nothing changes where it succeeds.
timex = ctypes.create_string_buffer(struct.pack("=Iixxxxq", 0x0100, 0, 0)[:16] + bytes(192))
call("adjtimex", 159, timex)
call("clock_adjtime", 305, 0, timex)
now = ctypes.create_string_buffer(16)
LIBC.clock_gettime(0, now)
call("clock_settime", 227, 0, now)
call("settimeofday", 164, 0, ctypes.create_string_buffer(8))
""", control="would set this machine's clock")
attack("types into its owner's terminal", BLOCKED, """
master, slave = os.openpty()
for name, number, data in (("TIOCSTI", 0x5412, b"x"), ("TIOCLINUX", 0x541c, b"\\x02"),
                           ("TIOCSTI, high bits", 0x5412 | 1 << 32, b"x"),
                           ("TIOCSETD", 0x5423, b"\\x05\\0\\0\\0"), ("TIOCCONS", 0x541d, b"")):
    for fd in (0, 1, 2, slave):
        call("%s %d" % (name, fd), 16, fd, number, data)
""")
attack("calls by the i386 and x32 doors", BLOCKED, '''
import subprocess
program = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex(%r))
number = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
raise SystemExit(7 if number > 0 else 8)
"""
for name, text in (("int 0x80", "b814000000cd80c3"), ("x32", "b8270000400f05c3"),
                   ("unshare by int 0x80", "b836010000bb00000010cd8083f801d1d0c3")):
    ended = subprocess.run([sys.executable, "-c", program % text]).returncode
    LOST[name] = "SIGSYS" if ended == -31 else "%d" % ended
    if ended == 7:
        WON.append(name)
''', failures={"SIGSYS"})
attack("calls by machine code of its own", BLOCKED, '''
import mmap
page = mmap.mmap(-1, 4096, prot=7)
def run(text, *arguments):
    page.seek(0)
    page.write(bytes.fromhex(text))
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)()
# mov eax, NUMBER; xor edi, edi; xor esi, esi; syscall; ret
for name, number in (("userfaultfd", 323), ("keyctl", 250), ("memfd_secret", 447), ("bpf", 321)):
    result = run("b8" + number.to_bytes(4, "little").hex() + "31ff31f60f05c3")
    if result in (-1, -38, -13):
        LOST[name] = errno.errorcode[-result]
    else:
        WON.append(name)
''')
attack("hides memory in memfd", BLOCKED, """
call("memfd_create", 319, ctypes.c_char_p(b"attack"), 0)
call("memfd_secret", 447, 0)
""")
attack("attaches filters to sockets", BLOCKED, """
import socket
door = socket.socket(socket.AF_UNIX)
program = ctypes.create_string_buffer(bytes([6, 0, 0, 0, 1, 0, 0, 0]))  # return 1
pointer = ctypes.create_string_buffer(
    (1).to_bytes(8, "little") + ctypes.addressof(program).to_bytes(8, "little"))
for name, option in (("filter", 26), ("filter, high bits", 1 << 32 | 26), ("bpf", 50),
                     ("reuseport", 51), ("reuseport bpf", 52)):
    call(name, 54, door.fileno(), 1, option, pointer, 16)
""")
