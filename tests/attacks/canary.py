"""canary.py - what on the host is watched while a cell attacks: files, sockets, a process, memory.

Everything carries one random token: whoever shows it has read what was not for him. Sockets count
their callers; the rest must look afterwards as before.
"""
import ctypes
import os
import secrets
import select
import shutil
import socket
import subprocess
import tempfile

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
IPC_CREAT, IPC_RMID = 0o1000, 0


class Doors:
    """Listening sockets, and who called."""

    def __init__(self, folder, token):
        self.names, self.paths, self.sockets = [], [], {}
        for kind, word in ((socket.SOCK_STREAM, "stream"), (socket.SOCK_DGRAM, "datagram")):
            name = "cb-canary-%s-%s" % (token[:8], word)
            self.names.append(name)
            self.paths.append(os.path.join(folder, "door-" + word))
            for address in ("\0" + name, self.paths[-1]):
                self._open(socket.socket(socket.AF_UNIX, kind), address)
            os.chmod(self.paths[-1], 0o666)
        self.tmp = "/tmp/" + self.names[0]
        self._open(socket.socket(socket.AF_UNIX), self.tmp)
        os.chmod(self.tmp, 0o666)
        inside = socket.socket(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET)
        if inside.family == socket.AF_INET6:
            inside.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._open(inside, ("", 0))
        self.port = inside.getsockname()[1]
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._open(datagrams, ("", self.port))

    def _open(self, door, address):
        door.bind(address)
        if door.type == socket.SOCK_STREAM:
            door.listen(16)
        door.setblocking(False)
        self.sockets[door] = address

    def callers(self):
        """The addresses somebody called since the last time."""
        called = []
        for door in select.select(list(self.sockets), [], [], 0)[0]:
            called.append(self.sockets[door])
            while True:
                try:
                    door.accept()[0].close() if door.type == socket.SOCK_STREAM else door.recv(9)
                except BlockingIOError:
                    break
        return called

    def close(self):
        for door in self.sockets:
            door.close()
        os.unlink(self.tmp)


class Memory:
    """A System V segment, a semaphore and a file in /dev/shm that everybody may use."""

    def __init__(self, token):
        self.key = int(token[:7], 16) + 1
        self.segment = LIBC.shmget(self.key, 4096, IPC_CREAT | 0o666)
        self.semaphore = LIBC.semget(self.key, 1, IPC_CREAT | 0o666)
        if self.segment < 0 or self.semaphore < 0:
            LIBC.shmctl(self.segment, IPC_RMID, None)
            raise OSError("System V memory or semaphores are used up on this machine (ipcs)")
        self.address = LIBC.shmat(self.segment, None, 0)
        ctypes.memmove(self.address, token.encode(), len(token))
        self.path = "/dev/shm/cb-canary-" + token[:8]
        with open(self.path, "w", encoding="ascii") as file:
            file.write(token)
        os.chmod(self.path, 0o666)

    def state(self):
        with open(self.path, encoding="ascii") as file:
            return (ctypes.string_at(self.address, 64), LIBC.semctl(self.semaphore, 0, 12),
                    file.read())

    def close(self):
        LIBC.shmdt(ctypes.c_void_p(self.address))
        LIBC.shmctl(self.segment, IPC_RMID, None)
        LIBC.semctl(self.semaphore, 0, IPC_RMID)
        os.unlink(self.path)


def addresses():
    """The machine's own, without asking anybody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        try:
            door.connect(("192.0.2.1", 9))
            return [door.getsockname()[0]]
        except OSError:
            return []


class Canary:
    """All of it. Members: token, secret (a path), doors, memory, victim (a process)."""

    def __init__(self, user, uid, home):
        self.token = secrets.token_hex(32)
        self.folder = tempfile.mkdtemp(prefix="cb-canary-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.home = tempfile.mkdtemp(prefix=".cb-canary-", dir=home)
        self.secret = self._file(self.home, "secret", 0o600)
        self.open = self._file(self.folder, "writable", 0o666)
        os.chown(self.home, uid, -1)
        os.chown(self.secret, uid, -1)
        self.doors = Doors(self.folder, self.token)
        self.memory = Memory(self.token)
        prefix = user.prefix if user else []
        self.victim = subprocess.Popen(
            prefix + ["/bin/sh", "-c", "sleep 3600; : " + self.token], stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "CANARY": self.token}, start_new_session=True)

    def _file(self, folder, name, mode):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(self.token + "\n")
        os.chmod(path, mode)
        return path

    def state(self):
        """What must not change."""
        with open("/proc/sys/kernel/core_pattern", encoding="ascii") as pattern, \
                open(self.secret, encoding="ascii") as secret, \
                open(self.open, encoding="ascii") as writable:
            return (os.uname().nodename, pattern.read(), secret.read(), writable.read(),
                    self.memory.state(), self.victim.poll(), sorted(os.listdir("/")),
                    oct(os.stat("/usr/bin/id").st_mode), os.path.lexists("/usr/cb-attack"))

    def close(self):
        self.doors.close()
        self.memory.close()
        os.killpg(self.victim.pid, 9)
        self.victim.wait()
        shutil.rmtree(self.folder)
        shutil.rmtree(self.home)
