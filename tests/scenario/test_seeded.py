"""test_seeded.py - two frontends and a C client on one session, seeded requests of every kind:
every message id gets exactly one reply and one idle, at the right client, in order; the log
replays.

`make soak` runs 20,000 of them (CELLBLOCK_SOAK, with CELLBLOCK_SEED); in the suite it is some
dozens. The log is what the session did, in its order: each cell with what it put out. Replayed in
a fresh session by one client, every cell puts out the same."""
import collections
import json
import os
import random
import subprocess
import time
import uuid

import pytest
import zmq

from attached import SECONDS, Raw, connection_file
from test_clients import until_it_can_be_asked

COUNT = int(os.environ.get("CELLBLOCK_SOAK", 150))
SEED = int(os.environ.get("CELLBLOCK_SEED", 20261120))
# Requests of a frontend on their way at a time.
WINDOW = 8
FIRST = "total = 7\nfrom IPython.display import display"



class Asked(collections.namedtuple("Asked", "channel type content fails answer")):
    def expected(self):
        """The status of its reply, when it is not aborted."""
        if self.type == "is_complete":
            return "incomplete"
        return "error" if self.fails else "ok"


def cell(code, fails=False, answer=None, **more):
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
               "allow_stdin": answer is not None, "stop_on_error": False, **more}
    return Asked("shell", "execute", content, fails, answer)


def shell(name, channel="shell", **content):
    return Asked(channel, name, content, False, None)


# What a frontend asks, and how often of a hundred times.
KINDS = [
    (24, lambda n: cell("total = (total * 31 + %d) %% 1000003\ntotal" % n)),
    (12, lambda n: cell("print(%d)\nprint('and', %d)" % (n, n))),
    (8, lambda n: cell("%d * 7" % n, user_expressions={"it": "total", "no": "1 / 0"})),
    (6, lambda n: cell("display(%d)\ndisplay({'text/plain': 'p%d'}, raw=True)" % (n, n))),
    (5, lambda n: cell("%d / 0" % n, fails=True)),
    (3, lambda n: cell("%d / 0" % n, fails=True, stop_on_error=True)),
    (4, lambda n: cell("quiet = %d" % n, silent=True)),
    (4, lambda n: cell("'got ' + input('%d? ')" % n, answer="it is %d" % n)),
    (2, lambda n: cell("never(", fails=True)),
    (6, lambda n: shell("complete", code="prin", cursor_pos=4)),
    (6, lambda n: shell("inspect", code="len", cursor_pos=3, detail_level=0)),
    (5, lambda n: shell("is_complete", code="for i in x:")),
    (4, lambda n: shell("history", hist_access_type="tail", n=2, output=False, raw=True)),
    (4, lambda n: shell("comm_info")),
    (4, lambda n: shell("kernel_info")),
    (3, lambda n: shell("kernel_info", channel="control")),
]


class Frontend:
    """One client's questions, and everything that comes to it."""

    def __init__(self, house, name, chance, count):
        self.name, self.chance, self.left = name, chance, count
        self.raw = Raw(connection_file(house), identity=name.encode() + b"-" +
                       uuid.uuid4().hex.encode()).subscribed()
        self.raw.socket("stdin")
        self.open = {}  # message id: Asked
        self.order = {"shell": [], "control": []}
        self.news = []  # of iopub: (parent id, type, content)
        self.asked = 0
        self.aborted = set()
        self.stops = []  # cells with stop_on_error that raised
        self.bad = []

    def ask(self):
        """The next of its questions, when there is room."""
        if self.left == 0 or len(self.open) >= WINDOW:
            return
        kind = self.chance.choices([make for _, make in KINDS], [weight for weight, _ in KINDS])[0]
        asked = kind(self.chance.randrange(1000))
        if asked.type == "execute":
            asked.content["code"] += "  # %s-%d" % (self.name, self.asked)
        msg_id = self.raw.send(asked.channel, asked.type + "_request", asked.content)
        self.open[msg_id] = asked
        # Who asks for kernel_info while a cell runs has his answer at once.
        if asked.type != "kernel_info":
            self.order[asked.channel].append(msg_id)
        self.asked += 1
        self.left -= 1

    def blame(self, what, message):
        self.bad.append((self.name, what, message["msg_type"], message["parent_header"],
                         str(message["content"])[:300]))

    def on_reply(self, channel, message):
        msg_id = message["parent_header"].get("msg_id")
        asked = self.open.pop(msg_id, None)
        if asked is None or asked.channel != channel or \
                message["msg_type"] != asked.type + "_reply":
            self.blame("a reply to nothing that was asked", message)
            return
        if asked.type != "kernel_info" and self.order[channel].pop(0) != msg_id:
            self.blame("a reply out of its order", message)
        status = message["content"]["status"]
        if status == "aborted" and asked.type == "execute" and self.stops:
            self.aborted.add(msg_id)
        elif status != asked.expected():
            self.blame("another status than it should", message)
        elif status == "error" and asked.content["stop_on_error"]:
            self.stops.append(msg_id)

    def on_question(self, message):
        asked = self.open.get(message["parent_header"].get("msg_id"))
        if asked is None or asked.answer is None:
            self.blame("a question of somebody else's cell", message)
        else:
            self.raw.send("stdin", "input_reply", {"value": asked.answer}, parent=message)

    def read(self, channel):
        message = self.raw.receive(channel, 0)
        if channel == "stdin":
            self.on_question(message)
        elif channel == "iopub":
            self.news.append((message["parent_header"].get("msg_id"), message["msg_type"],
                              message["content"]))
        else:
            self.on_reply(channel, message)


def play(frontends, other, until):
    """Asks and reads until all is answered; then what is still on its way on iopub."""
    poller = zmq.Poller()
    sockets = {}
    for frontend in frontends:
        for channel in ("shell", "control", "stdin", "iopub"):
            sockets[frontend.raw.socket(channel)] = (frontend, channel)
            poller.register(frontend.raw.socket(channel), zmq.POLLIN)
    while other.poll() is None or any(one.left or one.open for one in frontends):
        assert time.monotonic() < until, [(one.left, one.open) for one in frontends]
        for frontend in frontends:
            frontend.ask()
        for socket, _ in poller.poll(1000):
            frontend, channel = sockets[socket]
            while socket.poll(0):
                frontend.read(channel)
    last = frontends[0].raw.execute("'the end'")
    frontends[0].raw.reply(last)
    for frontend in frontends:
        while frontend.news[-1:] != [(last, "status", {"execution_state": "idle"})]:
            assert frontend.raw.socket("iopub").poll(SECONDS * 1000), "the end is not heard"
            frontend.read("iopub")


# -- what is right -------------------------------------------------------------------------------

def is_place(news):
    """The daemon's words to one who waits long, and that they are taken away again."""
    return news[1] == "clear_output" or (news[1] == "stream" and
                                         "waits for its turn" in news[2]["text"])


def by_request(news):
    """{message id: [(type, content)]}, in the order in which they began."""
    found = collections.OrderedDict()
    for parent, kind, content in news:
        if not is_place((parent, kind, content)):
            found.setdefault(parent, []).append((kind, content))
    return found


def faults_of(requests):
    """Requests that have not exactly one busy, then their output, then one idle."""
    found = []
    for msg_id, told in requests.items():
        states = [content["execution_state"] for kind, content in told if kind == "status"]
        ends = [told[0], told[-1]]
        if states != ["busy", "idle"] or any(kind != "status" for kind, _ in ends):
            found.append((msg_id, told))
    return found


def cells_of(requests):
    """The log: what ran, in its order: {code, silent, out}."""
    log = []
    for told in requests.values():
        code = [content["code"] for kind, content in told if kind == "execute_input"]
        if code:
            log.append({"code": code[0], "out": output_of(told)})
    return log


def output_of(told):
    """What a cell put out; text that came in pieces is one. Nothing here writes on stderr but
    IPython, which warns there of its own full cache."""
    made = []
    for kind, content in told:
        if content.get("name") == "stderr":
            continue
        if kind == "stream" and made and made[-1][:2] == [kind, content["name"]]:
            made[-1][2] += content["text"]
        elif kind == "stream":
            made.append([kind, content["name"], content["text"]])
        elif kind == "error":
            made.append([kind, content["ename"], content["evalue"]])
        elif kind in ("display_data", "execute_result"):
            made.append([kind, content["data"], content["metadata"]])
    return made


def answer(raw):
    """What the log's cell was told: its question says the number."""
    question = raw.receive("stdin")
    number = question["content"]["prompt"].split("?")[0]
    raw.send("stdin", "input_reply", {"value": "it is " + number}, parent=question)


def again(raw, line):
    """What a cell of the log puts out now."""
    asked = raw.execute(line["code"], stop_on_error=False, allow_stdin="input(" in line["code"])
    told = []
    while ("status", {"execution_state": "idle"}) not in told:
        ready, _, _ = zmq.select([raw.socket("iopub"), raw.socket("stdin")], [], [], SECONDS)
        assert ready, "nothing comes"
        if raw.socket("stdin") in ready:
            answer(raw)
            continue
        message = raw.receive("iopub")
        if message["parent_header"].get("msg_id") == asked:
            told.append((message["msg_type"], message["content"]))
    raw.reply(asked)
    return output_of(told)


def replay(raw, log):
    """Where a fresh session does something else than the log says."""
    return [line for line in log if again(raw, line) != line["out"]]


@pytest.fixture
def sessions(new_house):
    house = new_house().start()
    for name in ("amber", "again"):
        house.client().call("new", name=name, wait=True)
    return house


@pytest.mark.limit(300 + COUNT // 2)
def test_every_request_has_its_one_answer(sessions, build, tmp_path):
    program = os.path.join(build, "tests", "soak", "client")
    if not os.path.exists(program):
        pytest.skip("tests/soak/client is not built (make check builds it)")
    chance = random.Random(SEED)
    began = time.monotonic()
    share = COUNT // 3
    frontends = [Frontend(sessions, name, random.Random(chance.random()), share) for name in "ab"]
    for frontend in frontends:
        until_it_can_be_asked(frontend.raw)
    frontends[0].raw.reply(frontends[0].raw.execute(FIRST))
    marker = frontends[0].raw.execute("'now'")
    frontends[0].raw.reply(marker)
    for frontend in frontends:
        while frontend.news[-1:] != [(marker, "status", {"execution_state": "idle"})]:
            assert frontend.raw.socket("iopub").poll(SECONDS * 1000)
            frontend.read("iopub")
        frontend.news.clear()
    c_count = COUNT - 2 * share
    with open(tmp_path / "client", "w+", encoding="utf-8") as out:
        env = dict(sessions.env, CELLBLOCK_RUNTIME_DIR=sessions.runtime_dir)
        other = subprocess.Popen([program, "amber", str(SEED), str(c_count)], env=env,
                                 stdout=out, stderr=subprocess.PIPE, text=True)
        try:
            play(frontends, other, began + 240 + COUNT // 2)
            said = other.stderr.read()
            assert other.wait() == 0, said
        finally:
            other.kill()
            other.wait()
            other.stderr.close()
        out.seek(0)
        c_lines = [line.split() for line in out]
    played = time.monotonic() - began
    assert [number for number, _ in c_lines] == [str(number) for number in range(c_count)]
    assert [one.bad for one in frontends] == [[], []]
    for frontend in frontends:
        assert frontend.asked == share and not frontend.open
        for channel in ("shell", "control", "stdin"):
            assert not frontend.raw.socket(channel).poll(0), "more than was asked for"
    # Both saw the same.
    requests = by_request(frontends[0].news)
    assert requests == by_request(frontends[1].news)
    assert faults_of(requests) == []
    assert len(requests) == COUNT + 1, "each request has an idle"
    log = cells_of(requests)
    owned = {name: [int(line["code"].rsplit("-", 1)[1]) for line in log
                    if "# %s-" % name in line["code"]] for name in "abc"}
    assert all(numbers == sorted(set(numbers)) for numbers in owned.values()), "cells out of order"
    assert owned["c"] == list(range(c_count))
    with open(tmp_path / "log", "w", encoding="utf-8") as file:
        for line in log:
            file.write(json.dumps(line) + "\n")
    with Raw(connection_file(sessions, "again")) as raw:
        raw.subscribed()
        raw.reply(raw.execute(FIRST))
        until_it_can_be_asked(raw)
        with open(tmp_path / "log", encoding="utf-8") as file:
            assert replay(raw, [json.loads(line) for line in file]) == []
    aborted = sum(len(one.aborted) for one in frontends)
    print("%d requests of seed %d: %d cells, %d aborted, %d on iopub; %.1f s, %.2f ms each; "
          "the log of %d cells replays" % (COUNT, SEED, len(log) + aborted, aborted,
                                            len(frontends[0].news), played, 1000 * played / COUNT,
                                            len(log)))
    for frontend in frontends:
        frontend.raw.close()
