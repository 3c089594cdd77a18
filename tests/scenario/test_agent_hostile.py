"""test_agent_hostile.py - what a model's server, a model and a recording can do wrong beyond
test_agent.py: servers that hang in every place, keys that come back, calls that are half there,
Ctrl-C at every moment; as root and as an ordinary user."""
import json
import os
import shutil
import signal
import socket
import threading
import time

import pytest

import fake_openai as fake
import leaks
from conftest import SOURCE

KEY = "sk-test-0123456789abcdef"
MODEL_FAILED, TURNS, FAILED = 7, 8, 1
JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html; charset=utf-8"}

pytestmark = pytest.mark.sanitized


def names(url):
    return {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY, "CELLBLOCK_MODEL": "fake"}


def ask(house, server, *arguments):
    return house.cellblock("-p", "do it", *arguments, env=names(server.url))


def config(house, text):
    path = os.path.join(house.folder, "m.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(house.folder, 0o755)
    return path


def sessions(house):
    return [session["name"] for session in house.json("ls")["sessions"]]


# -- servers ---------------------------------------------------------------------------------------

HALF_CALL = list(fake.call_deltas("print(1)"))[:2]
WHOLE_CALL = list(fake.call_deltas("print(1)"))


@pytest.mark.everyone
@pytest.mark.parametrize("answer, word", [
    (fake.refusal(403, "not for you"), "forbids"),
    (fake.raw([b"<html>Welcome</html>"], 200, HTML), "web page"),
    (fake.raw(HALF_CALL), "ended in the middle"),
    (fake.raw(WHOLE_CALL), "ended in the middle"),
    (fake.raw(HALF_CALL + [fake.delta(finish="error")]), "broke off"),
    (fake.raw(WHOLE_CALL + [fake.delta(finish="insufficient_system_resource"), fake.DONE]),
     "broke off"),
    (fake.raw(WHOLE_CALL + [fake.delta(finish="content_filter"), fake.DONE]), "content filter"),
], ids=["refusal", "page", "half", "no-end", "error", "no-resource", "filter"])
def test_what_breaks_off_is_not_run(daemon, serve, answer, word):
    server = serve(answer)
    done = ask(daemon, server, "-o", "json")
    assert done.returncode == MODEL_FAILED, done.stderr
    assert word in done.stderr and json.loads(done.stdout)["runs"] == []
    assert sessions(daemon) == []


@pytest.mark.everyone
def test_max_turns_unknown_tools_and_half_json(daemon, serve):
    server = serve(fake.calls("print(1)", name="shell"), fake.arguments('{"code": "pri'),
                   fake.calls("print(6 * 7)"))
    done = ask(daemon, server, "--max-turns", "3", "-o", "json")
    assert done.returncode == TURNS and "--max-turns" in done.stderr
    assert len(json.loads(done.stdout)["runs"]) == 1, "of three calls one made sense"
    assert [result.split(":")[0] for result in server.results()] == ["[not run", "[not run"]


@pytest.mark.parametrize("arguments", [
    '{"code": "1", "code": "2"}', '{"code": ["print(1)"]}', '{"code": null}', "null", "7", '"x"',
    "[" * 5000, '{"code": "\\ud800"}', '{"code": "x" "y"}', '{"cod', "{\"code\": \"print(1)\n\"}"],
    ids=range(11))
def test_arguments_that_are_no_call(daemon, serve, arguments):
    server = serve(fake.arguments(arguments), fake.words("sorry"))
    done = ask(daemon, server, "-o", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["runs"] == []
    assert server.results()[0].startswith("[not run: ")


def test_more_calls_than_anybody_needs(daemon, serve):
    server = serve(fake.calls(*["1"] * 2000), fake.words("ok"))
    done = ask(daemon, server, "-o", "json")
    assert done.returncode == MODEL_FAILED and json.loads(done.stdout)["runs"] == []
    assert "calls in one answer" in done.stderr


@pytest.mark.parametrize("pieces, headers", [
    ([json.dumps({"error": {"message": "no credit for " + KEY}}).encode()], JSON),
    ([json.dumps({"error": {"message": "x" * 295 + KEY}}).encode()], JSON),
    ([json.dumps({"error": KEY}).encode()], JSON),
    ([fake.event({"error": {"message": "x" * 290 + " " + KEY}})], None),
    ([fake.event({"error": {"message": "bad " + KEY}})[:-2]], None),
], ids=range(5))
def test_a_fault_is_quoted_without_the_key(daemon, serve, pieces, headers):
    """Whole, in a stream, cut off at its end, and where the sentence ends within the key."""
    done = ask(daemon, serve(fake.raw(pieces, 200, headers)), "-o", "json")
    assert done.returncode == MODEL_FAILED and "broke off" in done.stderr
    assert KEY[:9] not in done.stdout + done.stderr


def test_counts_that_nobody_can_have_counted(daemon, serve):
    """Sums of them would run over."""
    odd = fake.event({"choices": [], "usage": {"prompt_tokens": 2 ** 63 - 1,
                                               "completion_tokens": 2 ** 63 - 1}})
    call = fake.raw(WHOLE_CALL + [fake.delta(finish="tool_calls"), odd, fake.DONE])
    done = ask(daemon, serve(call, call, fake.raw([fake.delta(content="ok"),
                                                   fake.delta(finish="stop"), odd])), "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["usage"]["input_tokens"] == 0


class Mute:
    """A server that accepts, says this much, and then nothing."""

    def __init__(self, words):
        self.words, self.kept = words, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/v1" % self.socket.getsockname()[1]
        self.asked = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.kept.append(connection)
            connection.recv(65536)
            connection.sendall(self.words)
            self.asked.set()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()
        for connection in self.kept:
            connection.close()


SAYS_NOTHING = [b"", b"HTTP/1.1 200 OK\r\nContent-Ty",
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + WHOLE_CALL[0]]


@pytest.fixture
def mute():
    servers = []

    def make(words):
        servers.append(Mute(words))
        return servers[-1]
    yield make
    for server in servers:
        server.close()


@pytest.mark.parametrize("words", SAYS_NOTHING, ids=range(4))
def test_a_server_that_hangs_is_given_up(daemon, mute, words):
    path = config(daemon, "[model slow]\nidle_timeout = 1 s\n")
    done = daemon.cellblock("-C", path, "--model", "slow", "-p", "x", env=names(mute(words).url))
    assert done.returncode == MODEL_FAILED and "silent for 1 s" in done.stderr
    assert sessions(daemon) == []


def interrupted(process, code=130):
    """Ends with this code within a moment of the signal that was sent."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == code, (stdout, stderr)
    return stdout, stderr


@pytest.mark.everyone
@pytest.mark.parametrize("words", SAYS_NOTHING, ids=range(4))
def test_ctrl_c_while_a_server_hangs(daemon, mute, words):
    server = mute(words)
    process = daemon.popen("-p", "x", env={**daemon.env, **names(server.url)})
    assert server.asked.wait(120)
    end_of(process).send_signal(signal.SIGINT)
    interrupted(process)
    assert sessions(daemon) == []


class end_of:
    """The last process of a chain of parents and children: what Popen made may be the script that
    becomes an ordinary user."""

    def __init__(self, process):
        self.pid = process.pid
        until = time.monotonic() + 120
        while not self.name().startswith("cellblock"):
            assert time.monotonic() < until, self.name()
            with open("/proc/%d/task/%d/children" % (self.pid, self.pid), encoding="ascii") as file:
                below = file.read().split()
            self.pid = int(below[0]) if below else self.pid
            time.sleep(0.02)

    def name(self):
        with open("/proc/%d/comm" % self.pid, encoding="ascii") as file:
            return file.read().strip()

    def send_signal(self, number):
        os.kill(self.pid, number)


def test_ctrl_c_while_it_waits_to_ask_again(daemon, serve):
    server = serve(fake.refusal(503, "later", {"Retry-After": "50"}))
    process = daemon.popen("-p", "x", env={**daemon.env, **names(server.url)})
    assert "asking again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    interrupted(process)
    assert len(server.requests) == 1 and sessions(daemon) == []


@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_session_starts(house, serve, signum, code):
    """A kernel that never answers is waited for half a minute, unless somebody has had enough."""
    folder = os.path.join(house.folder, "kernelspec")
    shutil.copytree(os.path.join(SOURCE, "kernelspec"), folder)
    with open(os.path.join(folder, "launcher.py"), "w", encoding="utf-8") as file:
        file.write("import time\ntime.sleep(1000)\n")
    os.chmod(house.folder, 0o755)
    house.start("--kernelspec", folder)
    server = serve(fake.words("never"))
    process = house.popen("-p", "x", env={**house.env, **names(server.url)})
    assert leaks.wait_for(lambda: sessions(house))
    process.send_signal(signum)
    stdout, stderr = interrupted(process, code)
    assert (stdout, stderr) == ("", ""), "after the half minute the kernel's fault is told"
    assert server.requests == []


@pytest.mark.everyone
def test_the_daemon_ends_while_the_model_speaks(daemon, serve):
    gone = threading.Event()
    server = serve(fake.raw([fake.delta(content="so"), gone] + WHOLE_CALL
                            + [fake.delta(finish="tool_calls"), fake.DONE]))
    process = daemon.popen("-p", "x", env={**daemon.env, **names(server.url)})
    assert process.stdout.read(2) == "so"
    daemon.stop(signal.SIGKILL)
    gone.set()
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == FAILED and len(server.requests) == 1, (stdout, stderr)
    assert "log:" in stderr
    assert leaks.wait_for(lambda: not os.path.exists(
        os.path.join(daemon.runtime_dir, "broker.json"))), "the warden cleans up"


# -- recordings ------------------------------------------------------------------------------------

def turns(*items):
    return json.dumps({"cellblock_exchange": 1, "turns": items}).encode()


CALL = {"id": "a", "name": "run_python", "arguments": '{"code": "print(6 * 7)"}'}


@pytest.mark.parametrize("content, word", [
    (b"\0" * 100, "not JSON"),
    (b"\xff\xfe", "not JSON"),
    (b"[" * 100000, "deeper than"),
    (turns({"text": 7}), "turn 1"),
    (turns({"text": "a", "calls": {}}), "turn 1"),
    (turns({"text": "a"}, {"calls": [CALL] * 100}), "turn 2"),
    (turns({"text": "a", "calls": [7]}), "turn 1"),
    (turns({"calls": [{**CALL, "arguments": 7}]}), "turn 1"),
    (turns({"stop": "x" * 100}), "turn 1"),
    (b'{"cellblock_exchange": 1, "cellblock_exchange": 1, "turns": []}', "not JSON"),
    (b" " * (40 << 20), "bytes"),
], ids=range(11))
@pytest.mark.everyone
def test_a_broken_recording_is_told_and_not_played(daemon, content, word):
    with open(os.path.join(daemon.folder, "x.json"), "wb") as file:
        file.write(content)
    path = config(daemon, "[model a]\nbackend = replay\nfile = x.json\n")
    done = daemon.cellblock("-C", path, "-p", "x", "-o", "json")
    assert done.returncode == MODEL_FAILED, done.stderr
    result = json.loads(done.stdout)
    assert word in result["error"]["message"] and result["runs"] == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_a_recording_that_is_no_file(daemon, make):
    make(os.path.join(daemon.folder, "x.json"))
    path = config(daemon, "[model a]\nbackend = replay\nfile = x.json\n")
    done = daemon.cellblock("-C", path, "-p", "x", "-o", "json")
    assert done.returncode in (FAILED, MODEL_FAILED) and "x.json" in done.stderr, done.stderr


@pytest.mark.everyone
def test_odd_numbers_and_half_calls_of_a_recording(daemon):
    """What a recording wants run is looked at like a server's."""
    count = {"input_tokens": 2 ** 63 - 1, "output_tokens": 2 ** 63 - 1}
    half = {**CALL, "arguments": '{"code": "print('}
    with open(os.path.join(daemon.folder, "x.json"), "wb") as file:
        file.write(turns({"calls": [half], "usage": count}, {"calls": [CALL], "usage": count},
                         {"calls": [{**CALL, "name": "shell"}]}, {"text": "done"}))
    path = config(daemon, "[model a]\nbackend = replay\nfile = x.json\n")
    done = daemon.cellblock("-C", path, "-p", "x", "-o", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert len(result["runs"]) == 1 and result["answer"] == "done"
    assert "no model is asked" in done.stderr
