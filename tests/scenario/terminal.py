"""terminal.py - programs in a real terminal, tmux: what is typed, what stands on the screen."""
import subprocess
import time
import uuid

SECONDS = 120


class Terminal:
    """A shell in a tmux of its own, with a house's programs first in PATH."""

    def __init__(self, house, term="xterm-256color", size=(100, 40), **env):
        self.name = "cb-" + uuid.uuid4().hex[:8]
        self.prefix = house._prefix()
        self.env = {**house.env, "TMUX_TMPDIR": house.tmp, "TERM": "xterm", "HOME": house.tmp,
                    "PS1": "$ ", "PATH": house.build + ":/usr/bin:/bin", "LANG": "C.UTF-8",
                    "INPUTRC": "/dev/null", "HISTFILE": "/dev/null"}
        for name in ("LC_ALL", "LC_CTYPE", "NO_COLOR", "TMUX"):
            self.env.pop(name, None)
        settings = ["%s=%s" % pair for pair in {"TERM": term, **env}.items()]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]),
                  "env", *settings, "bash", "--noprofile", "--norc")
        self.wait("$")

    def tmux(self, *arguments, **more):
        done = subprocess.run(self.prefix + ["tmux", "-L", self.name, *arguments], env=self.env,
                              check=False, capture_output=True, text=True, timeout=SECONDS, **more)
        return done.stdout

    def screen(self):
        """All lines, those that scrolled away too; wrapped ones are joined."""
        text = self.tmux("capture-pane", "-p", "-J", "-S", "-2000")
        return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n")

    def styled(self):
        return self.tmux("capture-pane", "-p", "-e", "-J", "-S", "-2000")

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def put(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def type(self, text):
        self.put(text)
        self.keys("Enter")

    def paste(self, text, marked=True):
        self.tmux("load-buffer", "-", input=text)
        self.tmux("paste-buffer", *(["-p"] if marked else []))

    def wait(self, text, times=1):
        """Until the text stands there so often; the screen."""
        until = time.monotonic() + SECONDS
        while True:
            screen = self.screen()
            if screen.count(text) >= times:
                return screen
            assert time.monotonic() < until, "no %d x %r on the screen:\n%s" % (times, text, screen)
            time.sleep(0.05)

    def wait_end(self, text, but=None):
        """Until the text is the last thing on the screen, and that is another screen than `but`."""
        until = time.monotonic() + SECONDS
        while True:
            screen = self.screen()
            if screen.endswith(text) and screen != but:
                return
            assert time.monotonic() < until, "no %r at the end:\n%s" % (text, screen)
            time.sleep(0.05)

    def close(self):
        """The terminal goes away, as when a window is closed; waits for the server's end."""
        server = self.tmux("display-message", "-p", "#{pid}").strip()
        self.tmux("kill-server")
        until = time.monotonic() + SECONDS
        while server and lives(server) and time.monotonic() < until:
            time.sleep(0.02)


def lives(pid):
    try:
        with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
