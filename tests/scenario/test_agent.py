"""test_agent.py - cellblock -p: a model's words and cells, and everything a server can do wrong.

The servers are emulated on loopback (fake_openai.py); no vendor's server was asked.
"""
import json
import os
import re
import signal
import time

import pytest

import fake_openai as fake
from conftest import SOURCE
from house import WALL_SECONDS

KEY = "sk-test-9f8e7d6c5b4a"
MODEL_FAILED, TURNS, FAILED, USAGE = 7, 8, 1, 2


@pytest.fixture
def ask(daemon):
    """ask(server, *arguments) is cellblock -p with the environment that names the server."""
    def run(server, *arguments, env=None, **more):
        names = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY, "CELLBLOCK_MODEL": "fake"}
        if "-p" not in arguments:
            arguments = ("-p", "do it") + arguments
        return daemon.cellblock(*arguments, env={**names, **(env or {})}, **more)
    return run


def events(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def sessions(daemon):
    return [session["name"] for session in daemon.json("ls")["sessions"]]


# -- what works ------------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_a_task_without_code(ask, serve, daemon):
    server = serve(fake.words("Hel", "lo ", "grü", "ße"))
    done = ask(server)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello grüße\n", "")
    request = server.requests[0]
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["Authorization"] == "Bearer " + KEY
    assert request["body"]["model"] == "fake" and request["body"]["stream"] is True
    assert [tool["function"]["name"] for tool in request["body"]["tools"]] == ["run_python"]
    assert [m["role"] for m in request["body"]["messages"]] == ["system", "user"]
    assert request["body"]["messages"][1]["content"] == "do it"
    assert sessions(daemon) == []


@pytest.mark.sanitized
def test_code_runs_and_its_output_goes_back(ask, serve, daemon):
    server = serve(fake.calls("x = 6 * 7\nprint('printed')\nx", text="Let me see."),
                   fake.words("It is 42."))
    done = ask(server)
    assert done.returncode == 0
    assert done.stdout == "Let me see.\nIt is 42.\n", "the answer only"
    assert ">>> x = 6 * 7\n... print('printed')\n... x\n" in done.stderr
    assert "printed\n42\n" in done.stderr
    assert server.results() == ["printed\n42\n"]
    call = server.messages()[2]
    assert call["role"] == "assistant" and call["content"] == "Let me see."
    assert call["tool_calls"][0]["id"] == server.messages()[3]["tool_call_id"] == "call_1"
    assert sessions(daemon) == [], "a session of its own ends with the task"


def test_an_ordinary_user(user_house, serve):
    server = serve(fake.calls("print(6 * 7)"), fake.words("42"))
    done = user_house.cellblock("-p", "x", "--model", "m", env={"OPENAI_BASE_URL": server.url})
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert server.results() == ["42\n"]


def test_variables_stay_and_errors_go_back_without_colours(ask, serve):
    server = serve(fake.calls("x = 1"), fake.calls("x / 0"), fake.calls("print(x)"),
                   fake.words("done"))
    done = ask(server)
    assert (done.returncode, done.stdout) == (0, "done\n")
    results = server.results()
    assert results[0] == "[no output]\n"
    assert "ZeroDivisionError: division by zero" in results[1] and "\x1b" not in results[1]
    assert results[2] == "1\n"


def test_json(ask, serve, daemon):
    server = serve(fake.calls("open('/output/a.txt', 'w').write('hello')"), fake.words("saved"))
    done = ask(server, "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert list(answer) == ["answer", "session", "model", "status", "turns", "usage", "runs",
                            "artifacts"]
    assert (answer["answer"], answer["model"], answer["status"]) == ("saved", "fake", "ok")
    assert answer["turns"] == 2
    assert answer["usage"] == {"input_tokens": 20, "output_tokens": 10}
    assert len(answer["runs"]) == 1
    [artifact] = answer["artifacts"]
    assert artifact["path"] == "/output/a.txt" and artifact["size"] == 5
    with open(artifact["file"], encoding="utf-8") as file:
        assert file.read() == "hello"
    assert "saved for the user: /output/a.txt" in server.results()[0]
    assert answer["session"] not in sessions(daemon)


def test_stream_json(ask, serve):
    server = serve(fake.calls("print(1)\n1 / 0", text="first"), fake.words("last"))
    done = ask(server, "-o", "stream-json")
    assert done.returncode == 0
    lines = events(done)
    assert [line["type"] for line in lines] == [
        "start", "text", "usage", "code", "run_start", "stream", "error", "run_end", "text",
        "usage", "end"]
    assert lines[0]["model"] == "fake" and lines[0]["session"] == lines[-1]["session"]
    assert lines[3]["code"] == "print(1)\n1 / 0"
    assert lines[7]["status"] == "error" and lines[7]["run"] == lines[-1]["runs"][0]
    assert (lines[-1]["answer"], lines[-1]["status"]) == ("last", "ok")


def test_a_named_session_stays_and_goes_on(ask, serve, daemon):
    assert ask(serve(fake.calls("x = 5"), fake.words("a")), "-s", "work").returncode == 0
    assert sessions(daemon) == ["work"]
    server = serve(fake.calls("x + 1"), fake.words("b"))
    assert ask(server, "-s", "work").returncode == 0
    assert server.results() == ["6\n"]
    done = ask(serve(fake.words("c")), "-s", "work", "--input", "/usr/share/dict")
    assert done.returncode == FAILED
    done = ask(serve(fake.words("c")), "-s", "work", "--input", "/usr/share")
    assert done.returncode == FAILED and "runs already" in done.stderr


def test_inputs_and_profile(ask, serve, daemon):
    path = config(daemon, "a,b\n1,2\n", "data.csv")
    server = serve(fake.calls("print(open('/input/data.csv').read())"), fake.words("ok"))
    done = ask(server, "--input", path)
    assert done.returncode == 0 and "1,2" in server.results()[0]
    assert "/input/data.csv" in server.messages()[0]["content"], "the model is told"
    assert "A cell may take %d s" % WALL_SECONDS in server.messages()[0]["content"]
    done = ask(serve(fake.words("ok")), "-P", "nowhere", "-o", "json")
    assert done.returncode == FAILED
    assert json.loads(done.stdout)["error"]["code"] == "not_found"


def test_the_prompt_from_standard_input(ask, serve):
    server = serve(fake.words("ok"))
    assert ask(server, "-p", "-", stdin="line 1\nline 2\n").returncode == 0
    assert server.messages()[1]["content"] == "line 1\nline 2\n"


def test_long_output_is_cut_in_the_middle_for_the_model(ask, serve):
    code = "for i in range(20000): print('line', i, 'ü' * 10)"
    server = serve(fake.calls(code), fake.words("ok"))
    done = ask(server)
    assert done.returncode == 0 and "line 10000 " in done.stderr
    [result] = server.results()
    assert len(result.encode()) < 32 << 10
    assert result.startswith("line 0 ") and result.rstrip().endswith("line 19999 " + "ü" * 10)
    missing = int(re.search(r"\[\.\.\. (\d+) bytes are left out here \.\.\.\]", result)[1])
    whole = sum(len("line %d %s\n" % (i, "ü" * 10)) + 10 for i in range(20000))
    assert abs(whole - missing - (20 << 10)) < 16


def test_a_picture_is_a_note(ask, serve):
    code = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"
    server = serve(fake.calls(code), fake.words("ok"))
    done = ask(server)
    assert "picture 1: " in done.stderr
    assert "a picture (image/png) was shown to the user" in server.results()[0]


# -- limits and signals ----------------------------------------------------------------------------

def test_max_turns(ask, serve):
    server = serve(fake.calls("print(1)"))
    done = ask(server, "--max-turns", "3", "-o", "json")
    assert done.returncode == TURNS
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["turns"], len(answer["runs"])) == ("limit", 3, 3)
    assert len(server.requests) == 3 and "--max-turns" in done.stderr


def test_max_tokens(ask, serve):
    server = serve(fake.calls("print(1)"))
    done = ask(server, "--max-tokens", "8")
    assert done.returncode == TURNS and "--max-tokens" in done.stderr
    assert [r["body"]["max_completion_tokens"] for r in server.requests] == [8, 3]


def test_an_answer_that_is_cut_off(ask, serve):
    done = ask(serve(fake.words("half a sen", finish="length")), "-o", "json")
    assert done.returncode == TURNS
    assert json.loads(done.stdout)["answer"] == "half a sen"


def test_a_filtered_answer(ask, serve):
    done = ask(serve(fake.words("", finish="content_filter")))
    assert done.returncode == MODEL_FAILED and "content filter" in done.stderr


def test_ctrl_c_stops_the_words(daemon, serve):
    server = serve(fake.raw([fake.delta(content="so far"), 200]))
    env = {**daemon.env, "OPENAI_BASE_URL": server.url, "CELLBLOCK_MODEL": "fake"}
    process = daemon.popen("-p", "talk", env=env)
    assert process.stdout.read(6) == "so far"
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (130, "\n")
    assert sessions(daemon) == []


@pytest.mark.parametrize("signum,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_cell_and_the_task(daemon, serve, signum, code):
    cell = "import time\nprint('begun', flush=True)\ntime.sleep(1000)"
    server = serve(fake.calls(cell), fake.words("never"))
    env = {**daemon.env, "OPENAI_BASE_URL": server.url, "CELLBLOCK_MODEL": "fake"}
    process = daemon.popen("-p", "sleep", "-o", "stream-json", env=env)
    for line in process.stdout:
        if "begun" in line:
            break
    process.send_signal(signum)
    stdout, _ = process.communicate(timeout=120)
    assert process.returncode == code
    end = json.loads(stdout.splitlines()[-1])
    assert (end["type"], end["status"]) == ("end", "interrupted")
    assert len(server.requests) == 1
    assert sessions(daemon) == []


def test_a_kernel_that_dies_is_told(ask, serve):
    server = serve(fake.calls("import os; os._exit(3)"), fake.calls("print('again')"),
                   fake.words("ok"))
    assert ask(server).returncode == 0
    assert "KernelDied" in server.results()[0] and "all variables are gone" in server.results()[0]
    assert server.results()[1] == "again\n"


# -- calls that cannot be run ----------------------------------------------------------------------

@pytest.mark.parametrize("answer,word", [
    (fake.arguments('{"code": "print(1)'), "not JSON"),
    (fake.arguments("print(1)"), "not JSON"),
    (fake.arguments('["print(1)"]'), "not a JSON object"),
    (fake.arguments(""), "'code' is missing"),
    (fake.arguments('{"code": 1}'), "'code' is not a string"),
    (fake.arguments('{"code": "1\\u0000"}'), "NUL"),
    (fake.arguments('{"code": "print(1)"}', finish="length"), "cut off"),
    (fake.calls("print(1)", name="delete_all"), "no tool 'delete_all'"),
])
def test_a_call_that_makes_no_sense_is_not_run(ask, serve, answer, word):
    server = serve(answer, fake.words("sorry"))
    done = ask(server, "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["runs"] == []
    [result] = server.results()
    assert result.startswith("[not run: ") and word in result


def test_several_calls_in_one_answer(ask, serve):
    server = serve(fake.calls("x = 1", "print(x + 1)"), fake.calls("1 / 0", "print('no')"),
                   fake.words("ok"))
    done = ask(server, "-o", "json")
    assert done.returncode == 0 and len(json.loads(done.stdout)["runs"]) == 3
    results = server.results()
    assert results[1] == "2\n"
    assert "ZeroDivisionError" in results[2]
    assert results[3] == "[not run: a call before it failed]"


def test_trailing_junk_behind_whole_arguments(ask, serve):
    server = serve(fake.arguments('{"code": "print(1)"}</tool_call>'), fake.words("ok"))
    assert ask(server).returncode == 0
    assert server.results() == ["1\n"]


# -- servers that fail -----------------------------------------------------------------------------

HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize("answer,word", [
    (fake.refusal(400, "bad model"), "bad model"),
    (fake.refusal(401, "no such key " + KEY), "it refuses the key"),
    (fake.refusal(404, "no model fake"), "does not know this model"),
    (fake.refusal(429, "slow", {"Retry-After": "600"}), "too long to wait"),
    (fake.raw([b"<html><h1>404</h1></html>"], 404, HTML), "HTTP 404"),
    (fake.raw([b"<html>Welcome</html>"], 200, HTML), "web page"),
    (fake.raw([b""], 302, {"Location": "http://127.0.0.1:1/"}), "sends us elsewhere"),
    (fake.raw([fake.delta(content="half")]), "ended in the middle"),
    (fake.raw(list(fake.call_deltas("print(1)"))), "ended in the middle"),
    (fake.raw([b"data: {nonsense\n\n"]), "not JSON"),
    (fake.raw([b"hello\n\n"]), "not with Chat Completions"),
    (fake.raw([]), "not with Chat Completions"),
    (fake.raw([fake.event({"error": {"message": "out of memory"}})]), "out of memory"),
    (fake.raw([fake.delta(content="x" * (3 << 20))] * 2), "over 4 MiB"),
    (fake.raw([b"data: " + b"x" * (9 << 20)]), "over 8 MiB"),
    (fake.raw([fake.delta(content="x")], 200,
              {"Content-Type": "text/event-stream", "Content-Length": "10000"}), "half an answer"),
])
def test_a_server_that_fails(ask, serve, answer, word):
    server = serve(answer)
    done = ask(server, "-o", "json")
    assert done.returncode == MODEL_FAILED, done.stderr
    result = json.loads(done.stdout)
    assert result["status"] == "error" and result["runs"] == []
    assert server.url in result["error"]["message"]
    assert word in done.stderr
    assert KEY not in done.stderr + done.stdout
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503, 529])
def test_a_failure_that_passes(ask, serve, status):
    server = serve(fake.refusal(status, "later", {"Retry-After": "0.1"}), fake.words("ok"))
    done = ask(server)
    assert (done.returncode, done.stdout) == (0, "ok\n")
    assert "HTTP %d" % status in done.stderr and "asking again" in done.stderr


def test_a_failure_that_stays(ask, serve):
    server = serve(fake.refusal(500, "broken", {"retry-after-ms": "50"}))
    done = ask(server)
    assert done.returncode == MODEL_FAILED and len(server.requests) == 3
    assert done.stderr.count("broken") == 3


def test_a_server_that_says_not_again(ask, serve):
    server = serve(fake.refusal(500, "broken", {"x-should-retry": "false"}))
    assert ask(server).returncode == MODEL_FAILED
    assert len(server.requests) == 1


def test_nobody_there(ask, serve):
    server = serve(fake.words("never"))
    server.close()
    done = ask(server)
    assert done.returncode == MODEL_FAILED and server.url in done.stderr
    server.close = lambda: None


def test_a_server_that_hangs(ask, serve, daemon):
    # On a busy machine the silence may begin before the word: then once more, with more patience.
    for patience in (1, 6, 36):
        server = serve(fake.raw([fake.delta(content="one"), 200]))
        path = config(daemon, "[model slow]\nbackend = chat\nidle_timeout = %d s\n" % patience)
        done = ask(server, "-C", path, "--model", "slow")
        if done.stdout:
            break
    assert done.returncode == MODEL_FAILED
    assert done.stdout == "one\n" and "silent for %d s" % patience in done.stderr


# -- servers that are odd, but understood ----------------------------------------------------------

def test_broken_utf8_is_mended(ask, serve):
    broken = fake.delta(content="a~b").replace(b"~", b"\xff")
    server = serve(fake.raw([broken, fake.delta(finish="stop"), fake.DONE]))
    assert ask(server).stdout == "a\ufffdb\n"


def test_without_done_and_without_usage(ask, serve):
    server = serve(fake.raw([fake.delta(content="ok"), fake.delta(finish="stop")]))
    done = ask(server, "-o", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["answer"] == "ok"


def test_a_stream_in_single_bytes(ask, serve):
    stream = b"".join(fake.calls("print('grüße')")["pieces"])
    stream = stream.replace(b"\\\\u00fc", "ü".encode()).replace(b"\n", b"\r\n")
    server = serve(fake.raw([stream[i:i + 1] for i in range(len(stream))]), fake.words("ok"))
    assert ask(server).returncode == 0
    assert server.results() == ["grüße\n"]


def test_a_server_that_does_not_stream(ask, serve):
    body = {"choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": "whole"}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    server = serve(fake.raw([json.dumps(body).encode()], 200,
                            {"Content-Type": "application/json"}))
    assert ask(server).stdout == "whole\n"


# -- which model, and its key ----------------------------------------------------------------------

def config(daemon, text, name="m.conf"):
    path = os.path.join(daemon.folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


@pytest.mark.parametrize("text,arguments,env,word", [
    ("", [], {}, "--model NAME"),
    ("[model a]\nbase_url = http://x/v1\n[model b]\nbase_url = http://y/v1\n", [], {}, "a, b"),
    ("[model a]\ndefault = yes\n[model b]\ndefault = yes\n", [], {}, "both default"),
    ("", ["--model", "m"], {}, "OPENAI_BASE_URL"),
    ("", ["--model", "m"], {"OPENAI_BASE_URL": "ftp://x"}, "not http://"),
    ("", ["--model", "m"], {"OPENAI_BASE_URL": "http://" + KEY + "@x/v1"}, "into an address"),
    ("", ["--model", "m"], {"OPENAI_API_KEY": "two words"}, "OPENAI_API_KEY"),
    ("[model a]\nbackend = anthropic\n", [], {}, "no backend 'anthropic'"),
    ("[model a]\nbackend = ollama\n", [], {}, "no backend 'ollama'"),
    ("[model a]\nbackend = responses\n", [], {}, "no backend 'responses'"),
    ("[model a]\nbackend = replay\n", [], {}, "file = PATH"),
    ("[model a]\nbackend = replay\nfile = /nowhere/x.json\n", [], {}, "/nowhere/x.json"),
    ("[model a]\ntools = no\n", [], {}, "tools = no"),
    ("[model a]\nbakend = chat\n", [], {}, ":2: unknown key of section [model] 'bakend'"),
    ("[model a]\nbase_url = http://x/v1\nkey_env = NO_SUCH\n", [], {}, "NO_SUCH"),
    ("[model a]\nbase_url = http://x/v1\nkey_file = /nowhere/key\n", [], {}, "/nowhere/key"),
    ("[model a]\nbase_url = http://x/v1\nkey_cmd = exit 3\n", [], {}, "exit status 3"),
    ("[model a]\nkey_cmd = true\nkey_env = X\n", [], {}, "one of them"),
])
def test_a_model_that_cannot_be_asked(house, text, arguments, env, word):
    path = config(house, text)
    done = house.cellblock("-C", path, "-p", "x", *arguments, env=env)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert word in done.stderr and KEY not in done.stderr
    assert not os.path.exists(os.path.join(house.runtime_dir, "broker.json")), "nothing started"


@pytest.mark.parametrize("where", ["key_env = MY_KEY", "key_cmd = printf '%s\\nmore' $MY_KEY",
                                   "key_file = {folder}/key"])
def test_where_a_key_comes_from(daemon, serve, where):
    server = serve(fake.words("ok"))
    config(daemon, KEY + "\n", "key")
    path = config(daemon, "[model a]\nbase_url = %s/\nmodel = big-1\ntemperature = 0.5\n"
                  "max_tokens = 77\n%s\n" % (server.url, where.format(folder=daemon.folder)))
    done = daemon.cellblock("-C", path, "-p", "x", env={"MY_KEY": KEY, "OPENAI_API_KEY": "other"})
    assert done.returncode == 0, done.stderr
    request = server.requests[0]
    assert request["headers"]["Authorization"] == "Bearer " + KEY
    assert request["body"]["model"] == "big-1" and request["body"]["temperature"] == 0.5
    assert request["body"]["max_completion_tokens"] == 77


def test_the_environments_key_goes_to_no_other_server(daemon, serve):
    server = serve(fake.words("ok"))
    path = config(daemon, "[model a]\nbase_url = %s\n" % server.url)
    done = daemon.cellblock("-C", path, "-p", "x", env={"OPENAI_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    assert "Authorization" not in server.requests[0]["headers"]


def test_the_key_is_nowhere_but_on_the_wire(house, serve):
    house.env.update(OPENAI_API_KEY=KEY)
    record = os.path.join(house.folder, "record.json")
    look = ("import os, pathlib\nprint(dict(os.environ))\n"
            "print(pathlib.Path('/proc/self/environ').read_bytes())")
    server = serve(fake.calls(look), fake.words("ok"))
    done = house.cellblock("-p", "x", "--model", "m", "--record", record,
                           env={"OPENAI_BASE_URL": server.url})
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr + house.log() + json.dumps(server.results())
    for folder, _, names in os.walk(house.folder):
        for name in (name for name in names if os.path.isfile(os.path.join(folder, name))):
            with open(os.path.join(folder, name), "rb") as file:
                assert KEY.encode() not in file.read(), name


# -- recorded exchanges ----------------------------------------------------------------------------

def test_a_recorded_exchange_is_played_again(ask, serve, daemon):
    record = os.path.join(daemon.folder, "record.json")
    server = serve(fake.calls("print(6 * 7)", text="Ah."), fake.words("42 it is"))
    assert ask(server, "--record", record).returncode == 0
    assert os.stat(record).st_mode & 0o777 == 0o600
    path = config(daemon, "[model again]\nbackend = replay\nfile = record.json\n")
    done = daemon.cellblock("-C", path, "-p", "do it", "-o", "json")
    assert done.returncode == 0
    assert "no model is asked" in done.stderr and "another question" not in done.stderr
    answer = json.loads(done.stdout)
    assert answer["answer"] == "42 it is" and len(answer["runs"]) == 1, "its code really ran"
    done = daemon.cellblock("-C", path, "-p", "something else")
    assert "another question" in done.stderr and done.stdout == "Ah.\n42 it is\n"


@pytest.mark.parametrize("content,word", [
    ("", "not JSON"), ("{", "not JSON"), ("[]", "not a JSON object"), ("{}", "cellblock_exchange"),
    ('{"cellblock_exchange": 2, "turns": []}', "cellblock_exchange"),
    ('{"cellblock_exchange": 1, "turns": []}', "no turns"),
    ('{"cellblock_exchange": 1, "turns": [3]}', "turn 1"),
    ('{"cellblock_exchange": 1, "turns": [{"calls": [{"id": "a"}]}]}', "turn 1: field 'name'"),
    ('{"cellblock_exchange": 1, "turns": [{"calls": [{"id": "a", "name": "run_python", '
     '"arguments": {"code": "1"}}]}]}', "ends after 1 turns"),
])
def test_a_broken_exchange(daemon, content, word):
    config(daemon, content, "x.json")
    path = config(daemon, "[model a]\nbackend = replay\nfile = x.json\n")
    done = daemon.cellblock("-C", path, "-p", "x", "-o", "json")
    assert done.returncode == MODEL_FAILED
    assert word in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize("path,word", [("/nowhere/a.json", "/nowhere"), ("/dev/null", "regular")])
def test_a_record_that_cannot_be_written_is_known_before(ask, serve, path, word):
    server = serve(fake.words("ok"))
    done = ask(server, "--record", path)
    assert done.returncode == FAILED and word in done.stderr
    assert server.requests == []


def test_the_first_task_of_the_examples_is_true(daemon):
    """The figures of its answer are those its code prints."""
    with open(os.path.join(SOURCE, "examples", "first-task.replay.json"), encoding="utf-8") as file:
        exchange = json.load(file)
    done = daemon.cellblock(
        "-C", os.path.join(SOURCE, "examples", "first-task.conf"), "--model", "first-task", "-p",
        exchange["prompt"], "--input", os.path.join(SOURCE, "examples", "co2.csv"))
    assert done.returncode == 0
    assert "no model is asked" in done.stderr and "another question" not in done.stderr
    printed = done.stderr[done.stderr.rindex('savefig'):]
    months = ["", "January", "February", "March", "April", "May", "June", "July", "August",
              "September", "October", "November", "December"]
    high, low = re.search(r"highest in month (\d+) lowest in month (\d+)", printed).groups()
    swing = re.search(r"swing over the year: ([\d.]+) ppm", printed)[1]
    then, later = re.search(r"rise a year: ([\d.]+) ppm .*, ([\d.]+) ppm", printed).groups()
    for figure in (months[int(high)], months[int(low)], swing + " ppm", then + " ppm",
                   later + " ppm", "/output/co2-seasons.png"):
        assert figure in exchange["turns"][-1]["text"], figure
    assert re.search(r"/output/co2-seasons\.png: \S+/co2-seasons\.png \(\d", printed)
    assert "59 weeks without a value" in done.stderr
    assert "59 gaps" in exchange["turns"][1]["text"]


# -- the command line ------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments,word", [
    (["-p", ""], "empty"),
    (["-p", " \n"], "empty"),
    (["-p", "x", "run"], "too many"),
    (["-p", "x", "--max-turns", "0"], "--max-turns"),
    (["-p", "x", "--max-turns", "many"], "--max-turns"),
    (["-p", "x", "--max-tokens", "99999999999"], "--max-tokens"),
    (["-p", "x", "-o", "yaml"], "text|json|stream-json"),
    (["--model", "m"], "--model belongs"),
    (["-s", "a", "run", "-c", "1"], "--session belongs"),
    (["-p"], "needs a value"),
])
def test_a_mistake_is_told(house, arguments, word):
    done = house.cellblock(*arguments, env={"CELLBLOCK_MODEL": "m"})
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert word in done.stderr
    assert not os.path.exists(house.runtime_dir)


def test_a_slow_reader_is_no_silence_of_the_server(daemon, serve):
    server = serve(fake.raw([fake.delta(content="x" * 400000), fake.delta(content="end"),
                             fake.delta(finish="stop"), fake.DONE]))
    env = {**daemon.env, "OPENAI_BASE_URL": server.url}
    for silence in (1, 6, 36):  # on a busy machine the server may be that late itself
        path = config(daemon, "[model slow]\nidle_timeout = %d s\n" % silence)
        process = daemon.popen("-C", path, "-p", "talk", env=env)
        process.stdout.read(10)
        time.sleep(2.5 * silence)  # longer than the server may be silent
        stdout, stderr = process.communicate(timeout=120)
        if process.returncode == 0:
            break
    assert (process.returncode, stderr) == (0, "") and stdout.endswith("xend\n")


def test_a_reader_that_never_reads_does_not_stop_a_signal(daemon, serve):
    server = serve(fake.raw([fake.delta(content="x" * 400000), 200]))
    env = {**daemon.env, "OPENAI_BASE_URL": server.url, "CELLBLOCK_MODEL": "fake"}
    process = daemon.popen("-p", "talk", env=env)
    process.stdout.read(10)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 143
    process.stdout.close()
    process.stderr.close()
    assert sessions(daemon) == []


def test_nobody_reads_the_answer(daemon, serve):
    pieces = [fake.delta(content="many words " * 1000), 0.2] * 1000
    server = serve(fake.raw(pieces + [fake.delta(finish="stop"), fake.DONE]))
    env = {**daemon.env, "OPENAI_BASE_URL": server.url, "CELLBLOCK_MODEL": "fake"}
    process = daemon.popen("-p", "talk", env=env)
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(120) == FAILED  # its words would last for 200 s
    process.stderr.close()
    assert sessions(daemon) == []
