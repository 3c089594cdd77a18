"""browser.py - a Chromium without a window, driven by its own protocol over a pipe.

  with Browser(folder) as browser:
      page = browser.open("http://127.0.0.1:8888/")
      page.wait("document.readyState == 'complete'")
      page.evaluate("1 + 1")
"""
import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time

PROGRAM = shutil.which("chromium")
SECONDS = 300
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--disable-breakpad", "--disable-crash-reporter", "--no-proxy-server",
         "--disable-features=Translate,MediaRouter,OptimizationHints", "--mute-audio",
         "--password-store=basic", "--window-size=1000,1200", "--remote-debugging-pipe"]


class Browser:
    def __init__(self, folder):
        env = {**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_CACHE_HOME": folder,
               "XDG_RUNTIME_DIR": folder, "TMPDIR": folder}
        theirs_in, self.out = os.pipe()
        self.back, theirs_out = os.pipe()
        # The browser reads commands from descriptor 3 and answers on 4.
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (theirs_in, theirs_out)]

        def give():
            os.dup2(theirs[0], 3)
            os.dup2(theirs[1], 4)
        with open(os.path.join(folder, "chromium.log"), "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--user-data-dir=" + os.path.join(folder, "chromium"), *FLAGS,
                 "about:blank"], preexec_fn=give, pass_fds=[3, 4], env=env,
                start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for fd in (theirs_in, theirs_out, *theirs):
            os.close(fd)
        self.text, self.count = b"", 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.call("Browser.close", seconds=10)
        except (AssertionError, OSError):
            pass
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)
        os.close(self.out)
        os.close(self.back)

    def _message(self, until):
        while b"\0" not in self.text:
            left = max(until - time.monotonic(), 0)
            assert select.select([self.back], [], [], left)[0], "the browser does not answer"
            part = os.read(self.back, 1 << 20)
            assert part, "the browser has ended"
            self.text += part
        one, self.text = self.text.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, session=None, seconds=SECONDS, **parameters):
        self.count += 1
        command = {"id": self.count, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        until = time.monotonic() + seconds
        while True:
            message = self._message(until)
            if message.get("id") == self.count:
                assert "error" not in message, "%s: %s" % (method, message["error"])
                return message["result"]

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        page.call("Page.navigate", url=url)
        return page


class Page:
    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def evaluate(self, script):
        """The value of an expression, a promise's when it is one."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True,
                          returnByValue=True)
        assert "exceptionDetails" not in found, (script, found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, script, seconds=SECONDS):
        """Until the expression is true; one that cannot be evaluated yet is not."""
        until = time.monotonic() + seconds
        while True:
            value = self.evaluate("(() => { try { return %s } catch (e) { return false } })()"
                                  % script)
            if value:
                return value
            assert time.monotonic() < until, "it never came true: " + script
            time.sleep(0.05)

    def click(self, script):
        """Where the middle of the element is that the expression gives."""
        found = self.evaluate(
            "(() => { const one = %s; one.scrollIntoView({block: 'center'}); "
            "const box = one.getBoundingClientRect(); "
            "return {x: box.x + box.width / 2, y: box.y + box.height / 2} })()" % script)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **found)

    def keep(self, build, name, height=900):
        """A picture of what a test saw, for people: screenshots/NAME.png in the build tree."""
        folder = os.path.join(build, "screenshots")
        os.makedirs(folder, exist_ok=True)
        self.call("Emulation.setDeviceMetricsOverride", width=1000, height=height,
                  deviceScaleFactor=1, mobile=False)
        self.wait("document.documentElement.clientHeight == %d" % height)
        self.screenshot(os.path.join(folder, name + ".png"))

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))
