"""house.py - a private cellblock: own runtime and state folder, daemon, command line, clients.

What is left when it is closed is counted (leaks.py); sanitizer reports in its log are failures.
"""
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import leaks
import wireclient

# On a busy machine everything may take long.
START_SECONDS = wireclient.PATIENCE
STOP_SECONDS = wireclient.PATIENCE

# What a cell may take where a test says nothing else: the default of 10 s is short for a machine
# that is as busy as tests make it.
WALL_SECONDS = int(120 * wireclient.SLOW)
# A kernel has nearly as long for its start as clients wait for one.
KERNEL_SECONDS = int(wireclient.PATIENCE) - 10
SETTINGS = "[broker]\nstart_limit = %d s\n[profile default]\nwall = %d s\n" % (
    KERNEL_SECONDS, WALL_SECONDS)

# Words in a log or on stderr that are always a bug of ours.
BUGS = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehavior|runtime error:|"
                  r"Assertion .* failed|stack smashing|double free|corrupted size")

# Files that may stay in the runtime folder: locks without contents.
LOCKS = ("lock", "start.lock")


class StartFailed(AssertionError):
    """cellblockd said why it cannot start; the sentence is the exception's text."""


class House:
    """Everything below one pair of folders. user None: who runs the tests."""

    def __init__(self, build, user=None):
        self.build, self.user = build, user
        self.folder = user.folder("cb-") if user else tempfile.mkdtemp(prefix="cb-", dir="/tmp")
        self.runtime_dir = os.path.join(self.folder, "r")
        self.state_dir = os.path.join(self.folder, "s")
        self.tmp = self._private_folder("t")
        self.config_home = self._own_settings()
        self.log_path = os.path.join(self.folder, "foreground.log")
        self.before = leaks.descendants()
        self.daemon = None
        self.patience = leaks.PATIENCE  # with processes that should have ended
        self.wardens = set()
        self.clients = []
        self.env = self._environment()

    def _private_folder(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o700)
        if self.user:
            os.chown(path, self.user.uid, self.user.gid)
        return path

    def _own_settings(self):
        """$XDG_CONFIG_HOME: also, nothing of the configuration of who runs the tests is read."""
        folder = os.path.join(self.folder, "c", "cellblock")
        os.makedirs(folder, mode=0o755)
        self.settings = os.path.join(folder, "cellblock.conf")
        with open(self.settings, "w", encoding="utf-8") as file:
            file.write(SETTINGS)
        os.chmod(file.name, 0o644)
        return os.path.dirname(folder)

    def forget_settings(self):
        """Leaves the defaults of the product: for tests of those."""
        shutil.rmtree(os.path.join(self.config_home, "cellblock"))
        return self

    def _environment(self):
        keep = ("PATH", "LANG", "HOME", "USER", "LOGNAME", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                "LSAN_OPTIONS")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        if self.user:
            env.update(self.user.environment())
        env.update(CELLBLOCK_RUNTIME_DIR=self.runtime_dir, CELLBLOCK_STATE_DIR=self.state_dir,
                   XDG_CONFIG_HOME=self.config_home, TMPDIR=self.tmp)
        return env

    def program(self, name):
        return os.path.join(self.build, name)

    def _prefix(self):
        return self.user.prefix if self.user else []

    # -- the daemon ------------------------------------------------------------------------

    def start(self, *arguments, program="cellblockd", env=None):
        """Starts the daemon in the foreground and waits until it is ready; StartFailed with its
        sentence when it cannot."""
        ready, tell = os.pipe()
        command = [self.program(program), "--foreground", "--ready-fd", str(tell), *arguments]
        with open(self.log_path, "ab") as log:
            self.daemon = subprocess.Popen(
                self._prefix() + command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**self.env, **(env or {})}, pass_fds=[tell], cwd="/")
        os.close(tell)
        try:
            answer = self._ready(ready)
        finally:
            os.close(ready)
        if answer != "ok":
            self.daemon.wait(STOP_SECONDS)
            raise StartFailed(answer or "ended with %d without a word; its log:\n%s"
                              % (self.daemon.returncode, self.log()))
        self.wardens.add(self.daemon.pid)
        return self

    @staticmethod
    def _ready(descriptor):
        text, until = b"", time.monotonic() + START_SECONDS
        while True:
            if not select.select([descriptor], [], [], max(until - time.monotonic(), 0))[0]:
                raise StartFailed("not ready within %d s" % START_SECONDS)
            part = os.read(descriptor, 4096)
            if not part:
                return text.decode().strip()
            text += part

    @property
    def pid(self):
        return self.daemon.pid

    def connection(self):
        """broker.json, read again each time."""
        return wireclient.load_connection(os.path.join(self.runtime_dir, "broker.json"))

    def stop(self, signum=signal.SIGTERM):
        """Ends the daemon this object started; its exit status."""
        if self.daemon.poll() is None:
            self.daemon.send_signal(signum)
        try:
            return self.daemon.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError("cellblockd did not end within %d s" % STOP_SECONDS) from None

    def log(self):
        """Everything a daemon of this house has written, in the foreground or in its file."""
        text = ""
        for path in (self.log_path, os.path.join(self.state_dir, "cellblockd.log")):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    # -- those who talk to it --------------------------------------------------------------

    def client(self):
        """A client of the control API; closed with the house."""
        client = wireclient.Client(self.connection())
        self.clients.append(client)
        return client

    def cellblock(self, *arguments, stdin="", timeout=240 * wireclient.SLOW, env=None, cwd="/"):
        """Runs the command line; .returncode, .stdout and .stderr as text. It starts a daemon by
        itself when none runs, as it does for people."""
        done = subprocess.run(
            self._prefix() + [self.program("cellblock"), *arguments], input=stdin, text=True,
            capture_output=True, timeout=timeout, check=False, env={**self.env, **(env or {})},
            cwd=cwd, errors="replace")
        assert not BUGS.search(done.stderr), done.stderr
        return done

    def popen(self, *arguments, **more):
        """The command line as a subprocess.Popen with pipes; the test ends it."""
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("env", self.env)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self._prefix() + [self.program("cellblock"), *arguments],
                                text=True, cwd="/", **more)

    def json(self, *arguments, **more):
        """What `cellblock ... -o json` prints, as an object."""
        done = self.cellblock(*arguments, "-o", "json", **more)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    # -- the end -----------------------------------------------------------------------------

    def _end_daemons(self):
        """Daemons that commands started are ended like the one we started."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.stop()
        try:
            self.wardens.add(self.connection()["warden_pid"])
        except (OSError, ValueError, KeyError):
            pass
        ours = leaks.descendants()
        for pid in self.wardens:
            if pid in ours and pid not in self.before:
                leaks.send(pid, signal.SIGTERM)
        leaks.wait_for(lambda: not self.wardens & set(leaks.descendants()), STOP_SECONDS)

    def close(self):
        """Ends everything and removes the folders; the list of what was left behind."""
        for client in self.clients:
            client.close()
        left = []
        try:
            self._end_daemons()
        except AssertionError as error:
            left.append(str(error))
        strays = leaks.stray_processes(self.before, self.patience)
        left += ["process %d %s" % stray for stray in strays.items()]
        leaks.kill_all(strays)
        leaks.reap(but={self.daemon.pid} if self.daemon else ())
        left += ["cgroup " + name for name in leaks.stray_cgroups(self.wardens)]
        left += ["mount " + point for point in leaks.stray_mounts([self.folder])]
        left += ["file " + path for path in leaks.stray_files(self.runtime_dir, LOCKS)]
        left += ["file " + path for path in leaks.stray_files(self.tmp)]
        left += ["bug in the log: " + line for line in self.log().splitlines()
                 if BUGS.search(line)]
        shutil.rmtree(self.folder, ignore_errors=True)
        return left
