"""side.py - where a suite of others runs: with the plain kernel, or with ours under its name.

Each side has folders of its own for everything that Jupyter and IPython keep, a work folder with
the temporary files below it, and no variable of the caller's.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "scenario"))

import house  # noqa: E402
import leaks  # noqa: E402

# Seconds in which plain kernels may end that a suite has left; what is left then is none of ours.
PLAIN_PATIENCE = 5

# What the suites need and the default profile does not give: widgets, a debugger; and what a busy
# machine needs.
SETTINGS = """\
[broker]
start_limit = 120 s
[profile default]
active_output = full
loopback = on
"""


class Side:
    """The plain kernel: Debian's kernelspec python3."""

    def __init__(self, name="plain"):
        self.name = name
        leaks.become_subreaper()
        self.before = leaks.descendants()
        self.other = None  # the side that runs beside this one
        self.folder = tempfile.mkdtemp(prefix="cb-jupyter-", dir="/tmp")
        self.work = self._make("work")
        home = self._make("home")
        # As on every machine where IPython ran once; a jailed kernel makes none.
        os.makedirs(home + "/ipython/profile_default")
        self.env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": home,
            "TMPDIR": self._make("work/tmp"), "XDG_RUNTIME_DIR": self._make("run"),
            "JUPYTER_RUNTIME_DIR": self._make("run/jupyter"), "IPYTHONDIR": home + "/ipython",
            "JUPYTER_DATA_DIR": home + "/data", "JUPYTER_CONFIG_DIR": home + "/config",
            "PYTHONDONTWRITEBYTECODE": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}

    def _make(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o700)
        return path

    def run(self, command, log, seconds):
        """Runs a command in the work folder with its words in a log; its exit status, None when
        it had to be ended."""
        with open(log, "ab") as words:
            words.write(("$ %s\n" % " ".join(command)).encode())
            words.flush()
            process = subprocess.Popen(command, cwd=self.work, env=self.env,
                                       stdin=subprocess.DEVNULL, stdout=words,
                                       stderr=subprocess.STDOUT)
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                leaks.kill_all([process.pid])
                process.wait()
                words.write(("\nended after %d s\n" % seconds).encode())
                return None

    def known_processes(self):
        """Those that may live on after a suite."""
        return set(self.before)

    def left(self):
        """What still lives after a suite; nobody promised that plain kernels end."""
        beside = self.other.known_processes() if self.other else set()
        strays = leaks.stray_processes({*self.before, *beside}, PLAIN_PATIENCE)
        leaks.kill_all(strays)
        return []

    def log(self):
        return ""

    def close(self):
        left = self.left()
        leaks.reap()
        shutil.rmtree(self.folder, ignore_errors=True)
        return left


class Ours(Side):
    """A kernelspec of ours, installed under the name python3 where it is found first."""

    def __init__(self, build):
        super().__init__("ours")
        self.house = house.House(build)
        self._write_settings()
        self.house.start()
        self.env.update({name: self.house.env[name] for name in (
            "CELLBLOCK_RUNTIME_DIR", "CELLBLOCK_STATE_DIR", "XDG_CONFIG_HOME")})
        self._install()

    def _write_settings(self):
        path = os.path.join(self.house.config_home, "cellblock", "cellblock.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SETTINGS)

    def _install(self):
        prefix = self._make("prefix")
        done = self.house.cellblock("kernelspec", "install", "--prefix", prefix, "--name",
                                    "python3", "--active-output", "full", "--workdir", "rw")
        if done.returncode != 0:
            raise SystemExit("check-jupyter: cellblock kernelspec install: " + done.stderr)
        path = os.path.join(prefix, "share", "jupyter")
        with open(os.path.join(path, "kernels", "python3", "kernel.json"),
                  encoding="utf-8") as file:
            assert "cellblock" in json.load(file)["argv"][0]
        self.env["JUPYTER_PATH"] = path

    def sessions(self):
        return self.house.json("ls")["sessions"]

    def _shims(self):
        return [pid for pid in leaks.descendants() if pid not in self.known_processes()]

    def known_processes(self):
        """The daemon with all it has started, and who was there before."""
        return {*self.before, self.house.pid, *leaks.descendants(self.house.pid)}

    def left(self):
        """Every session whose frontend is gone, and every shim, must be gone."""
        leaks.wait_for(lambda: not self.sessions() and not self._shims(), leaks.PATIENCE, 0.2)
        every = leaks.descendants()
        strays = self._shims()
        left = ["session " + session["name"] for session in self.sessions()]
        left += ["process %d %s" % (pid, every.get(pid, "")) for pid in strays]
        leaks.kill_all(strays)
        return left

    def log(self):
        return self.house.log()

    def close(self):
        left = self.left() + self.house.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return left
