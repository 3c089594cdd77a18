"""test_kernel_shim.py - `cellblock kernel`: a frontend's own kernel is a session of the broker,
from its start to every way it may end. The frontend is jupyter_client; nothing of it is changed."""
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from jupyter_client import BlockingKernelClient

import attached
import leaks
from frontends import Kernel, environment, folder, install, sessions, wait_for_no_session
from house import BUGS

SECONDS = 120
pytestmark = pytest.mark.limit(600)
HERE = os.path.dirname(os.path.abspath(__file__))


def kill_broker(house):
    """Returns when the next one serves."""
    pid = house.connection()["pid"]
    os.kill(pid, signal.SIGKILL)

    def other():
        try:
            return house.connection()["pid"] != pid
        except (OSError, ValueError):
            return False
    assert leaks.wait_for(other, SECONDS), "no other broker"


def ended(pid):
    return leaks.wait_for(lambda: pid not in leaks.descendants(), SECONDS)


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


# -- a kernel of one's own ------------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_frontend_has_a_session_of_its_own(daemon, transport):
    with Kernel(daemon, transport) as kernel:
        assert [(s["name"], s["frontend"]) for s in sessions(daemon)] == \
            [("jupyter-12345678", kernel.path)]
        assert kernel.printed("x = 6 * 7; print(x)") == "42\n"
        # Others reach the same kernel.
        other = attached.attach(daemon, "jupyter-12345678")
        assert attached.text_of(attached.run(other, "print(x + 1)")[1]) == "43\n"
        other.stop_channels()
        ports = [kernel.manager.shell_port, kernel.manager.hb_port]
        kernel.manager.shutdown_kernel()
        assert kernel.manager.has_kernel is False
        wait_for_no_session(daemon)
        if transport == "tcp":
            assert all(is_free(port) for port in ports)
        else:
            assert [name for name in os.listdir(folder(daemon)) if "-ipc-" in name] == []
        assert kernel.errors() == ""


def test_a_person_is_asked(daemon):
    with Kernel(daemon) as kernel:
        msg_id = kernel.client.execute("print(input('who? ')[::-1])", allow_stdin=True)
        question = kernel.client.get_stdin_msg(timeout=SECONDS)
        assert question["content"]["prompt"] == "who? "
        kernel.client.input("amber")
        assert attached.reply_to(kernel.client, msg_id)["status"] == "ok"
        assert attached.text_of(attached.iopub_until_idle(kernel.client, msg_id)) == "rebma\n"


@pytest.mark.parametrize("how", ["message", "signal"])
def test_interrupts(daemon, how):
    with Kernel(daemon) as kernel:
        msg_id = kernel.client.execute("import time\ntime.sleep(1000)")
        attached.iopub_until(kernel.client, attached.is_begun(msg_id))
        if how == "message":
            kernel.manager.interrupt_kernel()
        else:
            os.kill(kernel.pid, signal.SIGINT)
        reply = attached.reply_to(kernel.client, msg_id)
        assert reply["ename"] == "KeyboardInterrupt"
        assert kernel.printed("print('alive')") == "alive\n"


@pytest.mark.parametrize("wanted", [True, False])
def test_further_arguments_are_the_kernels(daemon, wanted):
    """As nbclient gives them."""
    arguments = ["--HistoryManager.hist_file=:memory:", "--Completer.limit_to__all__=%s" % wanted]
    with Kernel(daemon, arguments=arguments) as kernel:
        shown = kernel.printed("print(get_ipython().Completer.limit_to__all__)")
        assert shown == "%s\n" % wanted


def test_a_large_output_comes_whole(daemon):
    with Kernel(daemon) as kernel:
        assert len(kernel.printed("for i in range(200): print('x' * 9999)")) == 200 * 10000


# -- restarts and ends ----------------------------------------------------------------------------

@pytest.mark.parametrize("now", [False, True])
def test_a_restart_gives_a_new_kernel_under_the_same_name(daemon, now):
    with Kernel(daemon) as kernel:
        kernel.printed("x = 1")
        first = kernel.pid
        kernel.manager.restart_kernel(now=now)
        kernel.client.wait_for_ready(timeout=SECONDS)
        attached.settle(kernel.client)
        assert kernel.pid != first
        assert kernel.printed("print('x' in globals())") == "False\n"
        assert [s["name"] for s in sessions(daemon)] == ["jupyter-12345678"]
        kernel.manager.shutdown_kernel()
        wait_for_no_session(daemon)


def test_who_is_attached_stays_through_a_restart(daemon):
    with Kernel(daemon) as kernel:
        other = attached.attach(daemon, "jupyter-12345678")
        kernel.manager.restart_kernel()
        kernel.client.wait_for_ready(timeout=SECONDS)
        assert attached.text_of(attached.run(other, "print(6 * 7)")[1]) == "42\n"
        # His restart is not the frontend's: the shim stays.
        shim = kernel.pid
        assert attached.ask_control(other, "shutdown_request", {"restart": True})["status"] == "ok"
        assert kernel.printed("print('new')") == "new\n"
        assert kernel.pid == shim and kernel.manager.is_alive()
        other.stop_channels()


def test_shutdown_is_answered_before_the_end(daemon):
    for restart in (True, False):
        with Kernel(daemon) as kernel:
            reply = attached.ask_control(kernel.client, "shutdown_request", {"restart": restart})
            assert reply == {"status": "ok", "restart": restart}
            assert kernel.process.wait(SECONDS) == 0


def content(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("restart", [True, False])
def test_what_python_writes_at_its_end_is_there(daemon, restart):
    kernel, place = Kernel(daemon), os.path.join(folder(daemon), "place")
    os.mkdir(place)
    kernel.manager.start_kernel(env=environment(daemon), stderr=kernel.errors_file, cwd=place,
                                extra_arguments=["--workdir", "rw"])
    try:
        kernel.connect().printed("kept = open('kept.txt', 'w'); kept.write('all of it')\n"
                                 "import atexit; atexit.register(open, 'left.txt', 'w')")
        assert content(os.path.join(place, "kept.txt")) == ""
        (kernel.manager.restart_kernel if restart else kernel.manager.shutdown_kernel)()
        # The next kernel waits for the end of the last one.
        if restart:
            kernel.client.wait_for_ready(timeout=SECONDS)
        assert content(os.path.join(place, "kept.txt")) == "all of it"
        assert content(os.path.join(place, "left.txt")) == ""
    finally:
        kernel.__exit__()


def test_one_that_does_not_end_is_ended(daemon):
    with Kernel(daemon) as kernel:
        kernel.printed("import atexit, time; atexit.register(time.sleep, 1000)")
        kernel.manager.shutdown_kernel()
        assert kernel.errors() == ""
        wait_for_no_session(daemon)


def test_sigterm_ends_the_session(daemon):
    with Kernel(daemon) as kernel:
        os.kill(kernel.pid, signal.SIGTERM)
        assert kernel.process.wait(SECONDS) == 143
        assert sessions(daemon) == []


def test_a_kernel_that_dies_takes_the_shim_along(daemon):
    """Without a reply: for a frontend the end of the process is the news; the error is shown."""
    with Kernel(daemon) as kernel:
        msg_id = kernel.client.execute("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
        assert kernel.process.wait(SECONDS) == 6
        assert "the kernel died: " in kernel.errors()
        shown = attached.iopub_until(kernel.client, lambda m: m["msg_type"] == "error")
        assert shown[-1]["content"]["ename"] == "KernelDied"
        assert shown[-1]["parent_header"]["msg_id"] == msg_id
        with pytest.raises(Exception):
            attached.reply_to(kernel.client, msg_id, 1)
        # What a restarter does.
        kernel.manager.restart_kernel(now=True, newports=False)
        kernel.client.wait_for_ready(timeout=SECONDS)
        attached.settle(kernel.client)
        assert kernel.printed("print(1)") == "1\n"
        assert [s["name"] for s in sessions(daemon)] == ["jupyter-12345678"]


def test_a_kernel_that_cannot_even_be_asked_for_is_told(daemon):
    """Not a shim that serves nobody: the folder in which its sockets are made is closed."""
    with Kernel(daemon) as kernel:
        kernel.printed("x = 5")
        os.chmod(daemon.runtime_dir, 0o500)
        try:
            kernel.client.execute("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
            assert kernel.process.wait(SECONDS) == 6
            kernel.manager.restart_kernel(now=True, newports=False)
            assert kernel.process.wait(SECONDS) == 1
            assert "session 'jupyter-12345678' has no kernel: " in kernel.errors()
        finally:
            os.chmod(daemon.runtime_dir, 0o700)
        kernel.manager.restart_kernel(now=True, newports=False)
        kernel.client.wait_for_ready(timeout=SECONDS)
        attached.settle(kernel.client)
        assert kernel.printed("print('x' in globals())") == "False\n"


# -- processes that are killed --------------------------------------------------------------------

def test_a_shim_that_is_killed(daemon):
    """Its ports are free at once, its session waits for another one, and then ends."""
    with Kernel(daemon) as kernel:
        ports = [kernel.manager.shell_port, kernel.manager.iopub_port]
        os.kill(kernel.pid, signal.SIGKILL)
        kernel.process.wait(SECONDS)
        assert all(is_free(port) for port in ports)
        assert len(sessions(daemon)) == 1
        wait_for_no_session(daemon)


def test_unix_sockets_of_a_killed_shim_are_taken_over(daemon):
    with Kernel(daemon, "ipc") as kernel:
        os.kill(kernel.pid, signal.SIGKILL)
        kernel.process.wait(SECONDS)
        kernel.manager.restart_kernel(now=True)
        kernel.client.wait_for_ready(timeout=SECONDS)
        attached.settle(kernel.client)
        assert kernel.printed("print(1)") == "1\n"


FRONTEND = """
import os, sys, time
sys.path.insert(0, %r)
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager
manager = KernelManager(kernel_name="cellblock", kernel_spec_manager=KernelSpecManager(
    kernel_dirs=[%r], ensure_native_kernel=False), connection_file=%r)
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=%d)
print(manager.provisioner.pid, flush=True)
time.sleep(1000)
"""


def test_a_frontend_that_is_killed(daemon):
    script = FRONTEND % (HERE, install(daemon), os.path.join(folder(daemon), "kernel-1.json"),
                         SECONDS)
    frontend = subprocess.Popen([sys.executable, "-B", "-W", "ignore", "-c", script],
                                stdout=subprocess.PIPE, env=environment(daemon))
    shim = int(frontend.stdout.readline())
    assert len(sessions(daemon)) == 1
    frontend.kill()
    frontend.wait()
    frontend.stdout.close()
    assert ended(shim)
    wait_for_no_session(daemon)


@pytest.mark.sanitized
def test_the_broker_is_killed(daemon):
    with Kernel(daemon) as kernel:
        kernel.printed("x = 5")
        shim = kernel.pid
        kill_broker(daemon)
        # What was sent to the dead one may be lost: asked until it is answered.
        kernel.client.wait_for_ready(timeout=SECONDS)
        attached.settle(kernel.client)
        assert kernel.printed("print(x)") == "5\n"
        assert kernel.pid == shim and kernel.manager.is_alive()
        assert sessions(daemon)[0]["frontend"] == kernel.path
        kernel.manager.shutdown_kernel()
        wait_for_no_session(daemon)


def test_the_broker_and_the_shim_are_killed(daemon):
    """The next broker knows whose the session was."""
    with Kernel(daemon) as kernel:
        os.kill(kernel.pid, signal.SIGSTOP)
        kill_broker(daemon)
        os.kill(kernel.pid, signal.SIGKILL)
        kernel.process.wait(SECONDS)
        wait_for_no_session(daemon)


def test_a_restart_right_after_the_broker_was_killed(daemon):
    with Kernel(daemon) as kernel:
        kernel.printed("x = 5")
        os.kill(kernel.pid, signal.SIGKILL)
        kernel.process.wait(SECONDS)
        kill_broker(daemon)
        kernel.manager.restart_kernel(now=True)
        kernel.client.wait_for_ready(timeout=SECONDS)
        attached.settle(kernel.client)
        assert kernel.printed("print('x' in globals())") == "False\n"
        assert [s["name"] for s in sessions(daemon)] == ["jupyter-12345678"]


def test_the_daemon_ends(daemon):
    with Kernel(daemon) as kernel:
        daemon.stop()
        assert kernel.process.wait(SECONDS) in (0, 1)


BOUND = """
import sys, time
sys.path.insert(0, %r)
import wireclient
client = wireclient.Client(wireclient.load_connection(%r))
client.call("new", name="amber", bound=True, wait=True)
print("made", flush=True)
time.sleep(1000)
"""


def test_a_bound_session_ends_with_its_client_after_a_broker_was_killed(daemon):
    script = BOUND % (HERE, os.path.join(daemon.runtime_dir, "broker.json"))
    client = subprocess.Popen([sys.executable, "-B", "-c", script], stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"made\n"
    kill_broker(daemon)
    assert [s["name"] for s in sessions(daemon)] == ["amber"]
    client.kill()
    client.wait()
    client.stdout.close()
    wait_for_no_session(daemon)


# -- bad input ------------------------------------------------------------------------------------

GOOD = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
        "ip": "127.0.0.1", "key": "abc", "transport": "tcp", "signature_scheme": "hmac-sha256",
        "kernel_name": ""}


def shim(house, content, *arguments):
    path = os.path.join(folder(house), "kernel-bad.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))
    return house.cellblock("kernel", "-f", path, *arguments, timeout=SECONDS)


def free_ports(count=5):
    sockets = [socket.socket() for _ in range(count)]
    for made in sockets:
        made.bind(("127.0.0.1", 0))
    ports = [made.getsockname()[1] for made in sockets]
    for made in sockets:
        made.close()
    return dict(zip(("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"), ports))


BAD = [
    ({key: value for key, value in GOOD.items() if key != "shell_port"},
     "field 'shell_port' is missing"),
    ({key: value for key, value in GOOD.items() if key != "ip"}, "'ip'"),
    ({**GOOD, "key": ""}, "the key is empty, unsigned connections are refused"),
    ({key: value for key, value in GOOD.items() if key != "key"}, "the key is empty"),
    ({**GOOD, "transport": "udp"}, "transport 'udp' is not tcp or ipc"),
    ({**GOOD, "signature_scheme": "hmac-md5"}, "signature scheme 'hmac-md5' is not hmac-sha256"),
    ({**GOOD, "hb_port": 70000}, "hb_port"),
    ({**GOOD, "hb_port": "five"}, "hb_port"),
    ({**GOOD, "hb_port": 4}, "are both 4"),
    ({**GOOD, "ip": "no such host"}, "'ip'"),
    ({**GOOD, "ip": "192.0.2.1", **{"hb_port": 40000}}, "192.0.2.1"),
    ({**GOOD, "transport": "ipc", "ip": "/tmp/" + "x" * 200}, "is over 107 bytes"),
    ("{", "connection file"),
    ("", "connection file"),
    ("[]", "connection file"),
    ("x" * 70000, "bytes"),
]


@pytest.mark.parametrize("content, sentence", BAD, ids=range(len(BAD)))
def test_bad_connection_files(house, content, sentence):
    """Told before a daemon is started for it."""
    done = shim(house, content)
    assert done.returncode == 1 and sentence in done.stderr and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert not os.path.exists(os.path.join(house.runtime_dir, "broker.json"))


def test_an_address_by_name(daemon):
    """Where localhost is ::1 as well: ZeroMQ's clients take the one of version 4."""
    path = os.path.join(folder(daemon), "kernel-name.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**GOOD, **free_ports(), "ip": "localhost"}, file)
    kernel = daemon.popen("kernel", "-f", path)
    with attached.Raw(path) as client:
        info = client.reply(client.send("shell", "kernel_info_request"))
        assert info["content"]["implementation"] == "ipython"
    kernel.terminate()
    kernel.communicate(timeout=SECONDS)
    wait_for_no_session(daemon)


@pytest.mark.sanitized
def test_no_connection_file(house):
    done = house.cellblock("kernel", "-f", "/nowhere/kernel.json")
    assert done.returncode == 1 and "/nowhere/kernel.json" in done.stderr
    done = house.cellblock("kernel")
    assert done.returncode == 2 and "-f FILE" in done.stderr


def test_a_profile_that_does_not_exist(daemon):
    done = shim(daemon, {**GOOD, **free_ports()}, "--profile", "nonesuch")
    assert done.returncode == 1 and "nonesuch" in done.stderr and "default" in done.stderr
    assert sessions(daemon) == []


def test_a_port_that_is_used(daemon):
    ports = free_ports()
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports["stdin_port"]))
        other.listen()
        done = shim(daemon, {**GOOD, **ports})
    assert done.returncode == 1
    assert "port %d of 127.0.0.1 is in use" % ports["stdin_port"] in done.stderr
    assert sessions(daemon) == []


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_two_shims_with_the_same_file(daemon, transport):
    with Kernel(daemon, transport) as kernel:
        done = daemon.cellblock("kernel", "-f", kernel.path, timeout=SECONDS)
        assert done.returncode == 1 and "in use" in done.stderr
        assert kernel.printed("print(1)") == "1\n"
        # The broker says so too, should the ports be free.
        client = daemon.client()
        with open(kernel.path, encoding="utf-8") as file:
            key = json.load(file)["key"]
        reply, _ = client.ask("kernel", file=kernel.path, key=key, shim="another")
        assert reply.content["ename"] == "exists" and str(kernel.pid) in reply.content["evalue"]


def test_a_parent_that_is_gone_already(daemon):
    gone = subprocess.Popen(["true"])
    gone.wait()
    path = os.path.join(folder(daemon), "kernel-orphan.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**GOOD, **free_ports()}, file)
    done = daemon.cellblock("kernel", "-f", path, env={"JPY_PARENT_PID": str(gone.pid)})
    assert done.returncode == 1 and "is gone" in done.stderr


def test_a_frontend_that_never_asks(daemon):
    """Nor connects: the kernel is there, and ends with the process."""
    kernel = Kernel(daemon).start()
    assert leaks.wait_for(lambda: [s["state"] for s in sessions(daemon)] == ["idle"], SECONDS, 0.2)
    os.kill(kernel.pid, signal.SIGTERM)
    kernel.process.wait(SECONDS)
    kernel.__exit__()
    wait_for_no_session(daemon)


def test_strangers_on_a_port(daemon):
    """They fill what the shim has for a channel; who is connected goes on, and others wait only
    until the broker has thrown them out."""
    with Kernel(daemon) as kernel:
        port = kernel.manager.shell_port
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(150)]
        for stranger in crowd[:20]:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"\xff" * 100)
        assert kernel.printed("print('here')") == "here\n"
        late = BlockingKernelClient(connection_file=kernel.path)
        late.load_connection_file()
        late.start_channels()
        late.wait_for_ready(timeout=SECONDS)
        late.stop_channels()
        for stranger in crowd:
            stranger.close()
        assert kernel.printed("print('still')") == "still\n"
    assert not BUGS.search(daemon.log())
