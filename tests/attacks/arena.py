"""arena.py - where attacks are carried out: a daemon, a calm session beside it, canaries, a judge.

An Arena is one combination (who runs the daemon); a Scene is one attack in it. What the hostile
code says of itself is compared with what is seen from outside after every single attack: canaries
untouched, nobody called, the calm session well, the daemon the same, the attacked session usable.
"""
import json
import os
import shutil
import time

import leaks
from canary import Canary, addresses
from house import House
from table import KILLED
from wireclient import SLOW, NoAnswer

HERE = os.path.dirname(os.path.abspath(__file__))
MARK = "\nATTACK "


def preamble():
    with open(os.path.join(HERE, "inside.py"), encoding="utf-8") as file:
        return file.read()


def program(host, attack):
    """The whole cell of an attack."""
    return "import json\nHOST = json.loads(%r)\n%s\n%s\ntell()\n" % (
        json.dumps(host), preamble(), attack.code)


def told(text):
    """(won, lost) of what tell() wrote; None without it."""
    if MARK not in text:
        return None
    report = json.loads(text.rsplit(MARK, 1)[1].split("\n", 1)[0])
    return report["won"], report["lost"]


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


class Won(AssertionError):
    """The attack got something: what."""


class Arena:
    """house: a House that was not started; user: None or whose it is."""

    INPUT = "a,b\n1,2\n"
    PROJECT_LINKS = ("to-shadow", "to-secret", "to-root", "up")

    patience = 5  # seconds that a memory bomb must hold what it got
    clock = True  # cells have a wall time

    def __init__(self, house, user=None, settings=(), daemon=None):
        self.house, self.user = house, user
        self.uid = user.uid if user else os.getuid()
        self.as_root = self.uid == 0
        home = user.home if user else os.path.expanduser("~")
        self.canary = Canary(user, self.uid, home)
        self.token = self.canary.token
        try:
            self._open(settings, daemon or house.program("cellblockd"))
        except BaseException:
            self.canary.close()
            raise

    # -- making ------------------------------------------------------------------------------------

    def _open(self, settings, daemon):
        """Daemon, calm session, what is compared later."""
        house = self.house
        self.input = self._make_folder("input")
        self.input_before = self.input_stat()
        self.project = self._make_folder("project")
        self._start(settings, daemon)
        self.client = house.client()
        self.calm = house.client()
        self.new("calm")
        self.calm_runs = []
        self._calm("open('/work/treasure', 'w').write('gold'); treasure = 42")
        self.broker = house.connection()["pid"]
        self.layers = self.client.call("show", session="calm")["layers"]
        self.shared, self.number, self.peak = None, 0, self.broker_peak()
        self.keys = [house.connection()["key"], self._json(self.calm_file())["key"]]
        self.before = self.fingerprint()

    def _own(self, path, mode):
        os.chmod(path, mode)
        if os.getuid() == 0:
            os.chown(path, self.uid, -1)

    def _make_folder(self, name):
        """A folder with a private file and links that lead out."""
        folder = os.path.join(self.house.folder, name)
        os.mkdir(folder)
        path = os.path.join(folder, "data.csv")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.INPUT)
        for name, target in (("to-shadow", "/etc/shadow"), ("to-secret", self.canary.secret),
                             ("to-root", "/"), ("up", "..")):
            os.symlink(target, os.path.join(folder, name))
            os.lchown(os.path.join(folder, name), self.uid, -1)
        self._own(path, 0o600)
        self._own(folder, 0o700)
        return folder

    def give_project(self, mode):
        """The field of new_request; for rw with the word that goes before it."""
        if mode == "rw":
            found = os.stat(self.project)
            name = "workdir-%x-%x" % (found.st_dev, found.st_ino)
            path = os.path.join(self.house.runtime_dir, "grants", name)
            with open(path, "w", encoding="ascii") as file:
                file.write(name)
            self._own(path, 0o600)
        return {"path": self.project, "mode": mode}

    def project_state(self):
        found = {}
        for name in [""] + sorted(os.listdir(self.project)):
            at = os.lstat(os.path.join(self.project, name))
            found[name] = (at.st_mode, at.st_uid, at.st_size, at.st_mtime_ns, at.st_nlink)
        return found

    def clean_project(self):
        """As it was made, for the next attack."""
        shutil.rmtree(self.project)
        self._make_folder("project")

    def _start(self, settings, daemon):
        """A daemon with a secret in its environment and more behind descriptors it inherits."""
        script = os.path.join(self.house.folder, "start")
        with open(script, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\n# start - the daemon with a leaking descriptor.\n'
                       'exec 9<"%s" 8</\nexec "%s" "$@"\n' % (self.canary.secret, daemon))
        self._own(script, 0o755)
        # A kernel that lives on has to take the interrupt in time, also on a busy machine.
        self.house.start("--set", "profile.default.grace=%d s" % (5 * SLOW), *settings,
                         program=script, env={"CANARY": self.token})

    @staticmethod
    def _json(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def calm_file(self):
        return os.path.join(self.house.runtime_dir, "sessions", "calm.json")

    def host(self):
        """What the attacker is told."""
        connection = self.house.connection()
        kernel = self.client.call("show", session="calm")["pid"]
        doors, memory, runtime = self.canary.doors, self.canary.memory, self.house.runtime_dir
        return {
            "secret": self.canary.secret, "user": self.user.name if self.user else "root",
            "uid": self.uid, "folder": self.house.folder,
            "folders": [self.house.folder, runtime, self.house.state_dir, runtime + "/sessions"],
            "keys": [runtime + "/broker.json", self.calm_file()],
            "session_doors": [runtime + "/c-1", runtime + "/s-calm-1", runtime + "/ctl"],
            "pids": [self.canary.victim.pid, self.house.pid, connection["pid"], kernel,
                     os.getpid()],
            "identity": {"boot id": _read("/proc/sys/kernel/random/boot_id"),
                         "machine id": _read("/etc/machine-id"),
                         "D-Bus id": _read("/var/lib/dbus/machine-id"),
                         "command line": _read("/proc/cmdline"),
                         "host name": os.uname().nodename},
            "sockets": doors.names, "doors": doors.paths, "tmp_door": doors.tmp,
            "port": doors.port, "addresses": addresses(), "shm_file": memory.path,
            "shm_key": memory.key, "sem_key": memory.key, "input": os.path.basename(self.input),
            "patience": self.patience, "requests": self.calm_runs[-3:],
            "other_session": self.calm.session,
        }

    def new(self, name, **more):
        self.client.call("new", name=name, wait=True, **more)

    # -- seen from outside -------------------------------------------------------------------------

    def _calm(self, code):
        """A cell in the calm session; what it printed."""
        request = self.calm.send("run", {"code": code, "session": "calm"})
        reply, events = self.calm.wait(request, "run")
        self.calm_runs.append(request)
        assert reply.content["status"] == "ok", reply.content
        return "".join(event.content["text"] for event in events if event.type == "stream")

    def calm_is_well(self):
        assert self._calm("print(treasure, open('/work/treasure').read())") == "42 gold\n"
        assert self.client.call("show", session="calm")["restarts"] == 0

    def heard_by_others(self):
        """Everything that came to the calm client and that it did not ask for."""
        heard = []
        while self.calm.socket.poll(100):
            heard.append(b" ".join(self.calm.socket.recv_multipart()).decode(errors="replace"))
        return " ".join(heard)

    def callers(self):
        return self.canary.doors.callers()

    def fingerprint(self):
        return self.canary.state(), self.input_text(), self.input_stat()

    def input_text(self):
        return _read(os.path.join(self.house.folder, "input", "data.csv")) + "\n"

    def input_stat(self):
        folder = os.path.join(self.house.folder, "input")
        found = [os.stat(path) for path in (folder, os.path.join(folder, "data.csv"))]
        return [(at.st_mode, at.st_uid, at.st_size, at.st_mtime_ns, at.st_nlink) for at in found]

    def broker_peak(self):
        return int(self.status_of(self.house.connection()["pid"])["VmHWM"].split()[0]) >> 10

    def broker_grown(self):
        """MiB over its highest before this attack."""
        return self.broker_peak() - self.peak

    @staticmethod
    def status_of(pid):
        """/proc/PID/status as a dictionary."""
        lines = [line.split(":", 1) for line in _read("/proc/%d/status" % pid).splitlines()]
        return {name: value.strip() for name, value in lines}

    @staticmethod
    def space_of(pid):
        """The pid namespace of a process: the name of its jail."""
        try:
            return os.readlink("/proc/%d/ns/pid" % pid)
        except OSError:
            return None

    def processes_of_jail(self, space):
        return [pid for pid in leaks.processes() if space and self.space_of(pid) == space]

    @staticmethod
    def quota_size(pid):
        """Bytes of the file system behind /work, as Linux tells it."""
        found = os.statvfs("/proc/%d/root/work" % pid)
        return found.f_blocks * found.f_frsize

    def run_folder(self, scene):
        return os.path.join(self.house.state_dir, "runs", scene.result["run"])

    @staticmethod
    def wait(true, seconds=100 * SLOW):
        return leaks.wait_for(true, seconds)

    def facts(self):
        """The combination as JSON: who, on which machine, with which layers."""
        release = [line.split("=", 1)[1].strip('"') for line in _read("/etc/os-release").split("\n")
                   if line.startswith("PRETTY_NAME=")] or ["?"]
        return json.dumps({
            "who": "root" if self.as_root else "ordinary user", "system": release[0],
            "kernel": os.uname().release, "date": time.strftime("%Y-%m-%d"),
            "processors": len(os.sched_getaffinity(0)), "layers": self.layers}, sort_keys=True)

    def missing(self, attack):
        """Why this combination cannot have the attack; None when it can."""
        if "cgroup" in attack.needs and self.layers["cgroup"] == "none":
            return "no control group, which alone holds it"
        if "landlock" in attack.needs and not self.layers["landlock"]:
            return "no Landlock, which alone stops it"
        return None

    def carry_out(self, attack):
        scene = Scene(self, attack)
        try:
            scene.play()
            scene.judge()
        finally:
            scene.leave()
        return scene

    def forget(self):
        """After an attack that won: what it changed is what there is now."""
        self.callers()
        self.before, self.input_before = self.fingerprint(), self.input_stat()
        sessions = self.client.call("list")["sessions"]
        if not any(row["name"] == self.shared and row["state"] == "idle" for row in sessions):
            self.shared = None

    def close(self):
        """Ends everything; what was left behind."""
        self.canary.close()
        return self.house.close()


def open_arena(build, user=None, **more):
    """An arena; its house is closed again when it cannot be made."""
    house = House(build, user)
    try:
        return Arena(house, user, **more)
    except BaseException:
        print(house.log())
        house.close()
        raise


class Scene:
    """One attack. Members once it was played: session, pid, result, events, text."""

    def __init__(self, arena, attack):
        self.arena, self.attack = arena, attack
        self.result = self.report = None
        self.events, self.text = [], ""
        arena.peak = arena.broker_peak()
        self.session = self._enter()
        shown = self.show()
        self.pid, self.uid, self.restarts = shown["pid"], shown["uid"], shown["restarts"]
        self.space = arena.space_of(self.pid)

    def _enter(self):
        """A session of its own, or the one that all harmless attacks share."""
        arena, attack = self.arena, self.attack
        if not attack.alone and arena.shared:
            return arena.shared
        arena.number += 1
        name = "attacked-%d" % arena.number
        more = {"inputs": attack.inputs(arena)} if attack.inputs else {}
        if attack.workdir:
            more["workdir"] = arena.give_project(attack.workdir)
        arena.new(name, **more)
        if not attack.alone:
            arena.shared = name
        return name

    # -- for the rows ------------------------------------------------------------------------------

    def show(self):
        return self.arena.client.call("show", session=self.session)

    def files(self):
        """{path: size} of the session's files."""
        found = self.arena.client.call("files", session=self.session)["files"]
        return {file["path"]: file["size"] for file in found}

    def connection_file(self, name=None):
        return os.path.join(self.arena.house.runtime_dir, "sessions",
                            (name or self.session) + ".json")

    def stop(self):
        self.arena.client.call("stop", session=self.session)

    @staticmethod
    def assert_equal(got, wanted):
        assert got == wanted, got

    def assert_printed(self, text, at_most):
        assert self.text.count(text) <= at_most, "%d times" % self.text.count(text)

    # -- the play ----------------------------------------------------------------------------------

    def play(self):
        if self.attack.prepare:
            self.attack.prepare(self)
        if not self.attack.code:
            return
        self._run(self.attack.seconds * SLOW)
        # On a busy machine the time may be over before the code has come so far that nothing but a
        # kill ends it: then it has more of it.
        if (self.attack.ends == KILLED and self.result["status"] == "timeout"
                and self.show()["restarts"] == self.restarts):
            self._run((self.attack.seconds + 40) * SLOW)

    def _run(self, seconds):
        client = self.arena.client
        clock = {"timeout_s": seconds} if self.arena.clock else {}
        self.request = client.send("run", {
            "code": program(self.arena.host(), self.attack), "session": self.session, **clock})
        try:
            reply, self.events = client.wait(self.request, "run",
                                             seconds + (100 * SLOW if clock else 5))
        except NoAnswer:
            raise Won("it has not ended") from None
        self.result = reply.content
        self.text = "".join(str(event.content.get("text")) for event in self.events
                            if event.type == "stream")
        self.report = told(self.text)

    def judge(self):
        """AssertionError when the attack ended in another way than its row says."""
        everything = json.dumps([self.result, [event.content for event in self.events]])
        won, _ = self.report or ([], {})
        if any(secret in everything for secret in [self.arena.token] + self.arena.keys):
            raise Won("it read and showed a secret")
        if won:
            raise Won("it got: %s" % won)
        if self.attack.code:
            self._judge_result()
            self._judge_kernel()
        try:
            if self.attack.outside:
                self.attack.outside(self)
            self._judge_host()
        except AssertionError as error:
            raise Won("seen from outside: %s" % error) from error

    def _judge_result(self):
        status, error = self.result["status"], self.result.get("error")
        _, lost = self.report or ([], {})
        assert status in self.attack.status, "%s: %s" % (status, error)
        limit = (self.result.get("limit") or {}).get("name")
        assert limit == self.attack.limit or self.attack.limit is None, "limit %s" % limit
        if status == "ok":
            assert self.report is not None, "the code did not say how it ended:\n" + self.text
            assert lost, "it tried nothing"
        others = {name: word for name, word in lost.items() if word not in self.attack.failures}
        assert not others, "it failed for a reason of its own: %s" % others

    def _judge_kernel(self):
        """Dead or alive as the class says, and usable by the next one in any case."""
        if self.attack.ends == KILLED:
            gone = self.arena.wait(lambda: self.pid not in self.arena.processes_of_jail(self.space))
            assert gone, "the kernel's process is still there"
        result, events = self.arena.calm.run("print(6 * 7)", session=self.session)
        assert result["status"] == "ok", result
        assert any("42" in event.content["text"] for event in events if event.type == "stream")
        shown = self.show()
        if self.attack.ends == KILLED:
            assert shown["restarts"] > self.restarts and shown["pid"] != self.pid
        else:
            assert (shown["pid"], shown["restarts"]) == (self.pid, self.restarts), "it died"

    def _judge_host(self):
        arena = self.arena
        assert arena.callers() == [], "a socket of the host was reached"
        assert arena.fingerprint() == arena.before, "the host was changed"
        assert arena.house.daemon.poll() is None, "the daemon ended"
        assert arena.house.connection()["pid"] == arena.broker, "the broker was replaced"
        arena.calm_is_well()

    def leave(self):
        if self.attack.alone and any(row["name"] == self.session for row in
                                     self.arena.client.call("list")["sessions"]):
            self.stop()

