"""test_loopback.py - loopback = on: TCP and UDP within the jail's own empty network, and the
debugger that needs them. Without it there is neither, and a cell learns that at once."""
import json

import pytest

import attached

ON = ("-l", "loopback=on")
ADVICE = ": fetch it outside and give it with --input PATH"


def text(run):
    return "".join(output["text"] for output in run["outputs"]
                   if output["output_type"] == "stream" and output["name"] == "stdout")


SERVER = """
import subprocess, sys, time, urllib.request
open("/work/hello.txt", "w").write("hello")
server = subprocess.Popen([sys.executable, "-m", "http.server", "8123", "--bind", "127.0.0.1",
                           "--directory", "/work"], stderr=subprocess.DEVNULL)
for _ in range(1500):
    try:
        print(urllib.request.urlopen("http://localhost:8123/hello.txt").read().decode())
        break
    except OSError:
        time.sleep(0.05)
server.kill(); server.wait()
"""


def test_a_server_and_its_client(house):
    run = house.json("run", *ON, "-t", "200", "-c", SERVER)
    assert text(run) == "hello\n", run


def test_servers_in_threads(house):
    code = """
import http.server, socket, threading, urllib.request, xmlrpc.client, xmlrpc.server
server = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
server.register_function(pow)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(xmlrpc.client.ServerProxy("http://127.0.0.1:%d" % server.server_address[1]).pow(2, 10))
one, two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 0)); two.sendto(b"x", one.getsockname()); print(one.recv(9))
six = socket.create_server(("::1", 0), family=socket.AF_INET6)
print(socket.create_connection(six.getsockname()[:2]).family.name)
"""
    run = house.json("run", *ON, "-t", "200", "-c", code)
    assert text(run) == "1024\nb'x'\nAF_INET6\n", run


def test_dask(house):
    code = """
import dask.array as da, dask.dataframe as dd, pandas as pd
x = da.random.random((200, 200), chunks=(50, 50))
print((x + x.T).sum(axis=0).compute().shape)
frame = dd.from_pandas(pd.DataFrame({"a": range(100), "b": [1, 2] * 50}), npartitions=4)
print(frame.groupby("b").a.sum().compute(scheduler="threads").tolist())
import dask.multiprocessing
print(frame.a.max().compute(scheduler="processes", num_workers=2))
import warnings
warnings.simplefilter("ignore")  # it looks for the way to 8.8.8.8
from dask.distributed import Client, LocalCluster
cluster = LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None)
client = Client(cluster)
print(client.scheduler.address.split(":")[0], sum(client.gather(client.map(abs, range(-5, 5)))))
client.close(); cluster.close()
"""
    run = house.json("run", *ON, "-t", "200", "-l", "memory=1G", "-c", code)
    assert text(run) == "(200,)\n[2450, 2500]\n99\ntcp 25\n", run


@pytest.mark.parametrize("code, word", [
    ("import socket; socket.create_connection(('10.1.2.3', 80))", "only a loopback network"),
    ("import socket; socket.create_connection(('example.org', 80))", "only a loopback network"),
    ("import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "Operation not permitted"),
    ("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1)", "not permitted"),
    ("import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)", "not permitted"),
    ("import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "not permitted"),
    ("import socket; socket.socket(socket.AF_VSOCK)", "not permitted"),
])
def test_no_way_out_and_nothing_raw(house, code, word):
    run = house.json("run", *ON, "-t", "50", "-c", code)
    assert run["status"] == "error" and word in "\n".join(run["error"]["traceback"]), run


@pytest.mark.parametrize("profile", ["default", "safe_eval"])
def test_without_it_the_error_says_which_profile_has_none(house, profile):
    house.start("--set", "profile.safe_eval.wall=60")
    for code in ("import urllib.request as u; u.urlopen('http://pypi.org/simple/')",
                 "import socket; socket.getaddrinfo('pypi.org', 443)",
                 "import socket; socket.socket()"):
        run = house.json("run", "-P", profile, "-t", "50", "-c", code)
        assert run["error"]["traceback"][-1] == (
            "cellblock: this jail has no network (profile %s)%s" % (profile, ADVICE)), run


@pytest.mark.parametrize("code, told", [
    ("!pip install nowhere-to-be-found", True), ("!git status", False),
    ("!cd /work && curl -s https://example.org/x", True), ("!echo pip install", False),
    ("x = !wget example.org", True), ("!LANG=C python3 -m pip list", False),
])
def test_a_command_that_wants_the_network_is_told_so(house, code, told):
    run = house.json("run", "-t", "200", "-c", code)
    errors = "".join(one["text"] for one in run["outputs"] if one.get("name") == "stderr")
    assert errors.startswith("cellblock: this jail has no network (profile default): ") is told, run


@pytest.mark.parametrize("code", [
    "import subprocess; subprocess.run(['git', 'clone', 'https://x.org/y', '/work/y'], check=True)",
    "raise RuntimeError('could not translate host name \"db\" to address')",
    "import subprocess; subprocess.check_call('false; pip install x', shell=True)",
])
def test_an_error_for_want_of_the_network_says_so(house, code):
    run = house.json("run", "-t", "200", "-c", code)
    assert run["error"]["traceback"][-1] == (
        "cellblock: this jail has no network (profile default)" + ADVICE), run


# ---- the debugger -----

class Debugger:
    """What a notebook asks by debug_request."""

    def __init__(self, client):
        self.client, self.seq = client, 0

    def ask(self, command, **arguments):
        self.seq += 1
        message = self.client.session.msg("debug_request", {
            "type": "request", "command": command, "seq": self.seq, "arguments": arguments})
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=120)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]

    def until(self, event):
        while True:
            message = self.client.get_iopub_msg(timeout=120)
            if message["msg_type"] == "debug_event" and message["content"]["event"] == event:
                return message["content"]["body"]


CELL = "x = 1\ny = x + 1\nprint(y)\n"


def test_the_debugger_works(daemon):
    assert daemon.cellblock("new", "amber", *ON).returncode == 0
    client = attached.attach(daemon)
    try:
        client.kernel_info()
        assert client.get_shell_msg(timeout=120)["content"]["debugger"] is True
        debugger = Debugger(client)
        assert debugger.ask("initialize", clientID="t", adapterID="python", pathFormat="path",
                            linesStartAt1=True, columnsStartAt1=True)["success"]
        assert debugger.ask("attach")["success"]
        path = debugger.ask("dumpCell", code=CELL)["body"]["sourcePath"]
        found = debugger.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": 2}],
                             sourceModified=False)
        assert found["body"]["breakpoints"][0]["verified"]
        assert debugger.ask("configurationDone")["success"]
        request = client.execute(CELL)
        thread = debugger.until("stopped")["threadId"]
        frame = debugger.ask("stackTrace", threadId=thread)["body"]["stackFrames"][0]
        assert frame["line"] == 2
        scopes = debugger.ask("scopes", frameId=frame["id"])["body"]["scopes"]
        variables = debugger.ask("variables",
                                 variablesReference=scopes[0]["variablesReference"])
        assert ("x", "1") in [(one["name"], one["value"])
                              for one in variables["body"]["variables"]]
        assert debugger.ask("continue", threadId=thread)["success"]
        assert attached.reply_to(client, request)["status"] == "ok"
        debugger.ask("disconnect", restart=False)
        assert attached.text_of(attached.run(client, "print(y)")[1]) == "2\n"
    finally:
        client.stop_channels()


def test_without_loopback_there_is_none(daemon):
    assert daemon.cellblock("new", "amber").returncode == 0
    client = attached.attach(daemon)
    try:
        client.kernel_info()
        assert client.get_shell_msg(timeout=120)["content"]["debugger"] is False
        refused = Debugger(client).ask("initialize")
        assert refused["success"] is False and "loopback = on" in refused["message"], refused
        reply, messages = attached.run(client, "import debugpy, json; print(1)")
        assert reply["status"] == "ok" and attached.text_of(messages) == "1\n"
    finally:
        client.stop_channels()
    assert json.loads(daemon.cellblock("show", "amber", "-o", "json").stdout)["state"] == "idle"
