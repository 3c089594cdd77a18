"""rows_network.py - attacks that want to talk: addresses, families of sockets, the host's doors."""
from table import ABSENT, BLOCKED, HIDDEN, REFUSED, attack


def nobody_called(scene):
    assert scene.arena.callers() == [], "the canary's sockets were reached"


attack("connects to the host's loopback", BLOCKED, """
import socket
def connect(family, address):
    with socket.socket(family) as door:
        door.settimeout(3)
        door.connect(address)
        door.sendall(b"attack")
attempt("127.0.0.1", connect, socket.AF_INET, ("127.0.0.1", HOST["port"]))
attempt("::1", connect, socket.AF_INET6, ("::1", HOST["port"]))
attempt("0.0.0.0", connect, socket.AF_INET, ("0.0.0.0", HOST["port"]))
""", outside=nobody_called, failures=REFUSED | {"ENETUNREACH", "ECONNREFUSED"})
attack("connects to the host's own and every other address", BLOCKED, """
import socket
for address in HOST["addresses"] + ["169.254.169.254", "192.168.0.1", "10.0.0.1", "8.8.8.8",
                                    "255.255.255.255", "224.0.0.1"]:
    try:
        with socket.socket() as door:
            door.settimeout(1)
            door.connect((address, HOST["port"]))
        WON.append(address)
    except OSError as error:
        LOST[address] = errno.errorcode.get(error.errno, "silence")
""", outside=nobody_called, failures=REFUSED | {"ENETUNREACH"},
       control="who answers at these addresses is not ours to ask")
attack("sends datagrams and asks for names", BLOCKED, """
import socket
def send(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.sendto(b"attack", address)
attempt("UDP", send, ("127.0.0.1", HOST["port"]))
attempt("DNS", send, ("127.0.0.53", 53))
for name in ("example.org", "localhost.localdomain", "metadata.google.internal"):
    try:
        socket.getaddrinfo(name, 80)
        WON.append(name)
    except OSError:
        LOST[name] = "EPERM"
""", outside=nobody_called)
attack("opens every family of sockets but Unix", BLOCKED, """
import socket
for family in range(2, 64):
    for kind in (1, 2, 3, 5):
        try:
            socket.socket(family, kind, 0).close()
            WON.append((family, kind))
        except OSError as error:
            LOST["%d %d" % (family, kind)] = errno.errorcode[error.errno]
""")
attack("opens raw and packet sockets", BLOCKED, """
import socket
for name, family, kind, number in (
        ("ICMP", 2, 3, 1), ("raw", 2, 3, 255), ("packet", 17, 3, 0x300), ("netlink", 16, 3, 0),
        ("audit", 16, 3, 9), ("vsock", 40, 1, 0), ("AF_ALG", 38, 5, 0), ("Bluetooth", 31, 3, 1),
        ("CAN", 29, 3, 1), ("MPTCP", 2, 1, 262), ("SCTP", 2, 1, 132), ("XDP", 44, 3, 0),
        ("key", 15, 3, 2)):
    attempt(name, socket.socket, family, kind, number)
""")
attack("connects to abstract sockets", HIDDEN, """
import socket
for name in HOST["sockets"]:
    with socket.socket(socket.AF_UNIX) as door:
        attempt(name, door.connect, "\\0" + name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        attempt(name + " datagram", door.connect, "\\0" + name)
""", outside=nobody_called, failures=REFUSED | {"ECONNREFUSED"})
attack("connects to sockets in the host's tree", HIDDEN, """
import socket
for path in HOST["doors"]:
    with socket.socket(socket.AF_UNIX) as door:
        attempt(path, door.connect, path)
""", outside=nobody_called, failures=REFUSED | ABSENT)
attack("looks for D-Bus, X11, Wayland, docker and agents", HIDDEN, """
import glob, socket
paths = ["/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock",
         "/run/podman/podman.sock", "/run/dbus/system_bus_socket", "/run/systemd/private",
         "/run/systemd/journal/socket", "/dev/log", "/run/user/%d/bus" % HOST["uid"],
         "/tmp/.X11-unix/X0", "/tmp/.ICE-unix", "/run/user/%d/wayland-0" % HOST["uid"],
         "/run/user/%d/gnupg/S.gpg-agent" % HOST["uid"], "/run/acpid.socket", "/run/snapd.socket"]
paths += glob.glob("/tmp/ssh-*") + glob.glob("/run/*") + glob.glob("/tmp/.*-unix/*")
paths += [HOST["tmp_door"]]
for path in paths:
    with socket.socket(socket.AF_UNIX) as door:
        attempt(path, door.connect, path)
for name in ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "SSH_AUTH_SOCK",
             "XAUTHORITY", "DOCKER_HOST"):
    if name in os.environ:
        WON.append(name)
""", outside=nobody_called)
attack("connects to the daemon's and other sessions' sockets", HIDDEN, """
import socket
found = [os.path.join(at, name) for folder in HOST["folders"]
         for at, _, names in os.walk(folder) for name in names]
for path in found + HOST["session_doors"]:
    with socket.socket(socket.AF_UNIX) as door:
        attempt(path, door.connect, path)
""")
attack("hands its descriptors to somebody outside", HIDDEN, """
import socket
def hand_over(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        fds = os.open("/usr", os.O_RDONLY).to_bytes(4, "little")
        door.sendmsg([b"attack"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)], 0, address)
attempt("abstract", hand_over, "\\0" + HOST["sockets"][-1])
attempt("path", hand_over, HOST["doors"][-1])
""", outside=nobody_called, failures=REFUSED | ABSENT | {"ECONNREFUSED"})
attack("sees the host's network", HIDDEN, """
LOST["interfaces"] = "nothing"
for line in read("/proc/net/dev").splitlines()[2:]:
    name, counts = line.split(":")
    if name.strip() != "lo" or any(map(int, counts.split())):
        WON.append(line)
for name in ("tcp", "tcp6", "udp", "route", "arp"):
    try:
        WON.extend((name, line) for line in read("/proc/net/" + name).splitlines()[1:])
    except OSError as error:
        LOST[name] = errno.errorcode[error.errno]
""")
