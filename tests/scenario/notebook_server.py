"""notebook_server.py - Debian's Jupyter Notebook (6.4), whose kernels are sessions of a cellblock.

A kernelspec names a connection file; a provisioner of ours hands it out instead of starting
anything, which is what `jupyter console --existing` does.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

TOKEN = "a-token-for-a-test"
SECONDS = 120

PROVISIONER = '''
import json
from jupyter_client.provisioning import KernelProvisionerBase

class Existing(KernelProvisionerBase):
    path = ""
    living = False

    @property
    def has_process(self):
        return self.living

    async def poll(self):
        return None if self.living else 0

    async def wait(self):
        return 0

    async def send_signal(self, signum):
        pass

    async def kill(self, restart=False):
        self.living = False

    async def terminate(self, restart=False):
        self.living = False

    async def shutdown_requested(self, restart=False):
        self.living = False

    async def cleanup(self, restart=False):
        pass

    async def pre_launch(self, **kwargs):
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd, **kwargs):
        with open(self.kernel_spec.env["CONNECTION_FILE"]) as file:
            info = json.load(file)
        info["key"] = info["key"].encode()
        self.living = True
        return info
'''


def free_port():
    """One that is free now; when it is taken meanwhile the server takes the next."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


class NotebookServer:
    def __init__(self, folder, kernels, env=None):
        """kernels: {name of a kernelspec: path of a connection file}. env: in place of ours."""
        self.folder, self.url = folder, None
        self._write("lib/existing_provisioner.py", PROVISIONER)
        self._write("lib/existing-1.dist-info/METADATA", "Name: existing\nVersion: 1\n")
        self._write("lib/existing-1.dist-info/entry_points.txt",
                    "[jupyter_client.kernel_provisioners]\n"
                    "existing = existing_provisioner:Existing\n")
        for name, path in kernels.items():
            self._write("data/kernels/%s/kernel.json" % name, json.dumps({
                "argv": [], "display_name": name, "language": "python",
                "env": {"CONNECTION_FILE": path},
                "metadata": {"kernel_provisioner": {"provisioner_name": "existing"}}}))
        os.makedirs(os.path.join(folder, "notebooks"))
        self.log_path = os.path.join(folder, "notebook.log")
        env = {**(env or os.environ), "HOME": folder,
               "JUPYTER_DATA_DIR": os.path.join(folder, "data"),
               "JUPYTER_RUNTIME_DIR": os.path.join(folder, "runtime"),
               "JUPYTER_CONFIG_DIR": os.path.join(folder, "config"), "SHELL": "/bin/sh",
               "PYTHONPATH": os.path.join(folder, "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "notebook", "--no-browser", "--allow-root",
                 "--ip=127.0.0.1", "--port=%d" % free_port(), "--NotebookApp.token=" + TOKEN,
                 "--NotebookApp.notebook_dir=" + os.path.join(folder, "notebooks"),
                 "--NotebookApp.quit_button=False"],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        self._wait_until_it_serves()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _wait_until_it_serves(self):
        until = time.monotonic() + SECONDS
        while self.url is None:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token", self.log())
            if found:
                self.url = "http://127.0.0.1:%s" % found.group(1)
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)

    def request(self, method, path):
        request = urllib.request.Request(self.url + path, method=method,
                                         headers={"Authorization": "token " + TOKEN})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.loads(answer.read() or b"null")

    def terminals(self):
        """The names of those there are."""
        return {terminal["name"] for terminal in self.request("GET", "/api/terminals")}

    def notebook(self, name, kernel, cells):
        """Writes one; its address with the token."""
        made = [{"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [],
                 "source": source} for source in cells]
        self._write("notebooks/%s.ipynb" % name, json.dumps({
            "cells": made, "nbformat": 4, "nbformat_minor": 4,
            "metadata": {"kernelspec": {"display_name": kernel, "language": "python",
                                        "name": kernel}}}))
        return "%s/notebooks/%s.ipynb?token=%s" % (self.url, name, TOKEN)

    def close(self):
        try:
            for name in self.terminals():
                self.request("DELETE", "/api/terminals/" + name)
        except OSError:
            pass
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(60)
