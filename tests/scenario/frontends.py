"""frontends.py - frontends that start a kernel themselves, by our kernelspec.

  install(house, ...)   makes the kernelspec; the folder for $JUPYTER_PATH
  environment(house)    what a frontend in a process of its own needs to find it
  Kernel(house, ...)    jupyter_client's KernelManager with a client, in this process
"""
import json
import os

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

import attached
import leaks

SECONDS = 120


def folder(house):
    """Where everything of Jupyter's lies: not with what must be empty in the end."""
    path = os.path.join(house.folder, "j")
    return path if os.path.isdir(path) else house._private_folder("j")


def install(house, *arguments):
    """Returns the folder of kernelspecs."""
    done = house.cellblock("kernelspec", "install", "--prefix", folder(house), *arguments)
    assert done.returncode == 0, done.stderr
    return os.path.dirname(done.stdout.strip())


def environment(house):
    path = folder(house)
    return {**house.env, "HOME": path, "JUPYTER_PATH": os.path.join(path, "share", "jupyter"),
            "JUPYTER_DATA_DIR": path, "JUPYTER_RUNTIME_DIR": path, "IPYTHONDIR": path,
            "JUPYTER_CONFIG_DIR": path, "PYTHONDONTWRITEBYTECODE": "1"}


def sessions(house):
    return json.loads(house.cellblock("ls", "-o", "json").stdout)["sessions"]


def wait_for_no_session(house):
    assert leaks.wait_for(lambda: not sessions(house), SECONDS, 0.2), sessions(house)


class Kernel:
    """One kernel of jupyter_client's; in a with statement it ends in any case."""

    def __init__(self, house, transport="tcp", arguments=(), name="cellblock"):
        self.house, self.arguments = house, list(arguments)
        specs = KernelSpecManager(kernel_dirs=[install(house, "--name", name)],
                                  ensure_native_kernel=False)
        self.path = os.path.join(folder(house), "kernel-12345678-1234.json")
        self.manager = KernelManager(kernel_name=name, kernel_spec_manager=specs,
                                     transport=transport, connection_file=self.path)
        self.errors_file = open(os.path.join(house.folder, "shim.err"), "w+b", buffering=0)
        self.client = None

    def start(self):
        self.manager.start_kernel(env=environment(self.house), stderr=self.errors_file,
                                  extra_arguments=self.arguments)
        return self

    def connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)
        attached.reply_to(self.client, self.client.kernel_info())
        return self

    @property
    def pid(self):
        return self.manager.provisioner.pid

    @property
    def process(self):
        return self.manager.provisioner.process

    def errors(self):
        with open(self.errors_file.name, encoding="utf-8") as file:
            return file.read()

    def run(self, code, **more):
        return attached.run(self.client, code, **more)

    def printed(self, code):
        reply, messages = self.run(code)
        assert reply["status"] == "ok", reply
        return attached.text_of(messages)

    def __enter__(self):
        return self.start().connect()

    def __exit__(self, *_):
        if self.client is not None:
            self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self.errors_file.close()
