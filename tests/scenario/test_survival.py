"""test_survival.py - the broker dies at any moment: kernels, variables, output and deadlines live
on, and whoever is connected comes back by himself."""
import json
import os
import queue
import random
import signal
import subprocess
import threading
import time

import pytest

import leaks
import wireclient
from attached import attach, iopub_until_idle, reply_to, text_of
from wireclient import HOLD, let_go

SECONDS = 120
pytestmark = pytest.mark.limit(300)
# A cell of two seconds that prints all the time, some of it at a line's border and some not.
CELL = """
import time
for i in range(200):
    print("line", i)
    if i % 10 == 0:
        time.sleep(0.1)
print("end of", x)
"""
LINES = "".join("line %d\n" % i for i in range(200))
MOMENTS = 20


def kill_broker(house):
    """Its pid, when it is gone."""
    pid = house.connection()["pid"]
    os.kill(pid, signal.SIGKILL)
    return pid


def another_broker(house, before):
    """Waits until broker.json is another one's."""
    def is_there():
        try:
            return house.connection()["pid"] != before
        except (OSError, ValueError):
            return False
    assert leaks.wait_for(is_there, SECONDS)


def begun(running):
    """Waits until the cell has printed its first line; what it printed."""
    first = running.stdout.readline()
    assert first, running.stderr.read()
    return first


def finish(running):
    """The rest of what it prints, what it says on stderr; it has ended."""
    out, err = running.stdout.read(), running.stderr.read()
    running.wait(SECONDS)
    return out, err


# Says to the outside that a cell has begun, when nothing of it is printed.
THERE = "open('/work/there', 'w').close()\n"


def until_there(house, name):
    assert leaks.wait_for(lambda: "work/there" in house.cellblock("files", name).stdout, SECONDS)


def sessions(house):
    return [one["name"] for one in house.json("ls")["sessions"]]


@pytest.fixture
def new_session(daemon):
    """Names of fresh sessions with a variable x."""
    made = []

    def make():
        made.append("s%d" % len(made))
        assert daemon.cellblock("new", made[-1]).returncode == 0
        assert daemon.cellblock("run", "-s", made[-1], "-c",
                                "x = '%s'" % made[-1]).returncode == 0
        return made[-1]
    return make


# -- at any moment ---------------------------------------------------------------------------------

@pytest.mark.limit(500)
def test_every_line_once_at_twenty_moments(daemon, new_session):
    moments = random.Random(20261120)
    for number in range(MOMENTS):
        name = new_session()
        moment = moments.uniform(0, 2.4)
        running = daemon.popen("run", "-s", name, "-c", CELL)
        time.sleep(moment)
        before = kill_broker(daemon)
        out, err = finish(running)
        told = "moment %d (%.3f s): %s" % (number, moment, err)
        assert running.returncode == 0, told
        assert out == LINES + "end of %s\n" % name, told
        another_broker(daemon, before)
        assert daemon.cellblock("run", "-s", name, "-c", "print(x)").stdout == name + "\n", told
        assert daemon.cellblock("stop", name).returncode == 0


@pytest.mark.limit(280)
def test_attached_clients_at_several_moments(daemon, new_session):
    """Who asked and who looks on: jupyter_client comes back by itself."""
    moments = random.Random(3)
    for _ in range(8):
        name = new_session()
        asker, watcher = attach(daemon, name), attach(daemon, name)
        try:
            msg_id = asker.execute(CELL)
            time.sleep(moments.uniform(0.3, 1.8))
            kill_broker(daemon)
            assert reply_to(asker, msg_id)["status"] == "ok"
            for one in (asker, watcher):
                assert text_of(iopub_until_idle(one, msg_id)) == LINES + "end of %s\n" % name
            assert asker.execute("x", reply=True, timeout=SECONDS)["content"]["status"] == "ok"
        finally:
            asker.stop_channels()
            watcher.stop_channels()
        assert daemon.cellblock("stop", name).returncode == 0


@pytest.mark.sanitized
def test_the_broker_dies_twice_in_one_cell(daemon, new_session):
    name = new_session()
    running = daemon.popen("run", "-s", name, "-c", CELL)
    first = begun(running)
    another_broker(daemon, kill_broker(daemon))
    time.sleep(0.5)
    kill_broker(daemon)
    out, err = finish(running)
    assert (running.returncode, first + out) == (0, LINES + "end of %s\n" % name), err


@pytest.mark.sanitized
def test_a_fresh_sessions_cell_goes_on(daemon):
    """Nobody named the session; it is gone when its cell is done."""
    running = daemon.popen("run", "-c", "x = 1\n" + CELL)
    first = begun(running)
    kill_broker(daemon)
    out, err = finish(running)
    assert (running.returncode, first + out) == (0, LINES + "end of 1\n"), err
    leaks.wait_for(lambda: not sessions(daemon), SECONDS)


@pytest.mark.sanitized
def test_output_in_files_and_figures(daemon, new_session):
    name = new_session()
    running = daemon.popen("run", "-s", name, "-o", "json", "-c",
                           "open('/output/a.txt', 'w').write('a')\n" + THERE + HOLD + "7")
    until_there(daemon, name)
    another_broker(daemon, kill_broker(daemon))
    let_go(daemon.client(), name)
    out, err = finish(running)
    result = json.loads(out)
    assert result["status"] == "ok", err
    assert [one["path"] for one in result["artifacts"]] == ["/output/a.txt"]


# -- what else lives on ----------------------------------------------------------------------------

def test_the_deadline_is_kept(new_house):
    """It is the one from before: one that began anew would end the cell as much later as it had run
    when the broker died."""
    daemon, name = new_house().start("--set", "profile.default.grace=60 s"), "amber"
    assert daemon.cellblock("run", "-s", name, "-c", "x = 'amber'").returncode == 0
    for limit in (18, 54):  # a busy machine may need longer for the end than a short one leaves
        running = daemon.popen("run", "-s", name, "--timeout", str(limit), "-o", "json", "-c",
                               THERE + "import time\ntime.sleep(1000)")
        until_there(daemon, name)
        time.sleep(limit - 3)
        kill_broker(daemon)
        out, err = finish(running)
        result = json.loads(out)
        assert result["status"] == "timeout", err
        assert limit <= result["usage"]["wall_s"]
        if result["usage"]["wall_s"] < 2 * limit - 4:
            break
    assert result["usage"]["wall_s"] < 2 * limit - 4
    assert daemon.cellblock("run", "-s", name, "-c", "print(x)").stdout == name + "\n"


@pytest.mark.sanitized
def test_an_interrupt_reaches_the_cell(daemon, new_session):
    name = new_session()
    running = daemon.popen("run", "-s", name, "-o", "json", "-c",
                           THERE + "import time\ntime.sleep(1000)")
    until_there(daemon, name)
    another_broker(daemon, kill_broker(daemon))
    assert daemon.cellblock("interrupt", name).returncode == 0
    out, err = finish(running)
    assert json.loads(out)["status"] == "interrupted", err


@pytest.mark.sanitized
def test_keys_and_paths_stay(daemon, new_session):
    name = new_session()
    path = os.path.join(daemon.runtime_dir, "sessions", name + ".json")

    def seen():
        with open(path, encoding="utf-8") as file:
            session = json.load(file)
        return session, {key: value for key, value in daemon.connection().items() if key != "pid"}
    was = seen()
    another_broker(daemon, kill_broker(daemon))
    leaks.wait_for(lambda: os.path.exists(path), SECONDS)
    assert seen() == was
    info = daemon.json("show", name)
    assert (info["executions"], info["restarts"], info["state"]) == (1, 0, "idle")


def test_a_large_output_goes_on(daemon, new_session):
    """One message of some MB is on its way when the broker dies."""
    for moment in (0.05, 0.1, 0.15):
        name = new_session()
        running = daemon.popen("run", "-s", name, "-c",
                               "print('begun', flush=True)\nprint('ab' * 4_000_000)")
        first = begun(running)
        killer = threading.Timer(moment, kill_broker, [daemon])
        killer.start()
        out, err = finish(running)
        killer.join()
        assert (running.returncode, len(first + out)) == (0, 8_000_007), err[-500:]


def test_many_sessions_live_on(daemon):
    names = ["m%d" % i for i in range(6)]
    for name in names:
        assert daemon.cellblock("new", name).returncode == 0
        assert daemon.cellblock("run", "-s", name, "-c", "x = '%s'" % name).returncode == 0
    another_broker(daemon, kill_broker(daemon))
    for name in names:
        assert daemon.cellblock("run", "-s", name, "-c", "print(x)").stdout == name + "\n"


def test_another_daemon_in_the_same_instant(daemon, new_session):
    """The broker dies while somebody starts a second daemon: that is refused, all lives on."""
    name = new_session()
    second = subprocess.Popen([daemon.program("cellblockd"), "--foreground"], env=daemon.env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    kill_broker(daemon)
    assert second.wait(SECONDS) != 0
    assert daemon.cellblock("run", "-s", name, "-c", "print(x)").stdout == name + "\n"


@pytest.mark.root
def test_full_disks(new_house):
    """Nothing can be written, neither beside the sockets nor into the state folder."""
    house = new_house()
    for path in (house.runtime_dir, house.state_dir):
        os.mkdir(path, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "none", path],
                       check=True)
    try:
        house.start()
        assert house.cellblock("run", "-s", "amber", "-c", "x = 41").returncode == 0
        for path in (house.runtime_dir, house.state_dir):
            fill(os.path.join(path, "filler"))
        running = house.popen("run", "-s", "amber", "-c", CELL.replace("x)", "x + 1)"))
        first = begun(running)
        kill_broker(house)
        out, err = finish(running)
        assert (running.returncode, first + out) == (0, LINES + "end of 42\n"), err
        assert house.stop() == 0
    finally:
        for path in (house.runtime_dir, house.state_dir):
            subprocess.run(["umount", "-l", path], check=False)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                pass


def test_hardly_any_descriptors(new_house):
    """As many sessions as the limit allows: all of them live on."""
    house = new_house()
    house._prefix = lambda: ["prlimit", "--nofile=400", "--"]
    house.start()
    del house._prefix
    names = []
    while len(names) < 20 and house.cellblock("new", "d%d" % len(names)).returncode == 0:
        names.append("d%d" % len(names))
    assert names
    for name in names:
        assert house.cellblock("run", "-s", name, "-c", "x = '%s'" % name).returncode == 0
    another_broker(house, kill_broker(house))
    for name in names:
        assert house.cellblock("run", "-s", name, "-c", "print(x)").stdout == name + "\n"


def test_as_an_ordinary_user(user_house):
    """What runs and what waits, without any right."""
    house = user_house.start()
    assert house.cellblock("run", "-s", "amber", "-c", "x = 41").returncode == 0
    running = house.popen("run", "-s", "amber", "-c", CELL.replace("x)", "x + 1)") + HOLD)
    first = begun(running)
    waiting = house.popen("run", "-s", "amber", "-c", "print(x)")
    leaks.wait_for(lambda: house.json("show", "amber")["queued"] == 1, SECONDS)
    another_broker(house, kill_broker(house))
    let_go(house.client(), "amber")
    out, err = finish(running)
    assert (running.returncode, first + out) == (0, LINES + "end of 42\n"), err
    out, err = finish(waiting)
    assert (waiting.returncode, out) == (0, "41\n"), err


# -- what cannot go on -----------------------------------------------------------------------------

def test_a_jail_that_brokers_die_of(daemon, new_session):
    """Taken over three times within ten seconds it is not taken over again; the log says which, and
    the others live on."""
    first, last = new_session(), new_session()
    for _ in range(20):
        another_broker(daemon, kill_broker(daemon))
        if "brokers died within" in daemon.log():
            break
    line = [line for line in daemon.log().splitlines() if "brokers died within" in line][0]
    assert "session=" + last in line
    assert daemon.cellblock("run", "-s", first, "-c", "print(x)").stdout == first + "\n"
    assert sessions(daemon) == [first]


# -- what had not begun ----------------------------------------------------------------------------

COUNT = "done = globals().get('done', []) + [%d]\nprint(done)"


@pytest.mark.sanitized
def test_cells_that_wait_have_their_turn_once(daemon, new_session):
    """Also when the next broker dies before they are begun."""
    name = new_session()
    running = daemon.popen("run", "-s", name, "-c", CELL + HOLD)
    first = begun(running)
    waiting = []
    for number in range(4):
        waiting.append(daemon.popen("run", "-s", name, "-c", COUNT % number))
        leaks.wait_for(lambda: daemon.json("show", name)["queued"] == len(waiting), SECONDS)
    another_broker(daemon, kill_broker(daemon))
    another_broker(daemon, kill_broker(daemon))
    let_go(daemon.client(), name)
    out, err = finish(running)
    assert (running.returncode, first + out) == (0, LINES + "end of %s\n" % name), err
    for number, one in enumerate(waiting):
        out, err = finish(one)
        assert (one.returncode, out) == (0, "%s\n" % list(range(number + 1))), err
    assert daemon.json("show", name)["executions"] == 6


def test_a_cell_that_was_withdrawn_is_not_run(daemon, new_session):
    """Its client went before the broker did."""
    name = new_session()
    running = daemon.popen("run", "-s", name, "-c", CELL + HOLD)
    begun(running)
    waiting = []
    for number in range(2):
        waiting.append(daemon.popen("run", "-s", name, "-c", COUNT % number))
        leaks.wait_for(lambda: daemon.json("show", name)["queued"] == len(waiting), SECONDS)
    waiting[0].kill()
    finish(waiting[0])
    leaks.wait_for(lambda: daemon.json("show", name)["queued"] == 1, SECONDS)
    another_broker(daemon, kill_broker(daemon))
    let_go(daemon.client(), name)
    finish(running)
    out, err = finish(waiting[1])
    assert (waiting[1].returncode, out) == (0, "[1]\n"), err


@pytest.mark.sanitized
def test_attached_clients_cells_that_wait(daemon, new_session):
    """Each is run once and answered once, and so is what is no cell."""
    name = new_session()
    asker, watcher = attach(daemon, name), attach(daemon, name)
    try:
        asked = [asker.execute(CELL + HOLD)]
        asked += [asker.execute(COUNT % number) for number in range(3)]
        asked.append(asker.complete("prin"))
        leaks.wait_for(lambda: daemon.json("show", name)["queued"] == 4, SECONDS)
        another_broker(daemon, kill_broker(daemon))
        let_go(daemon.client(), name)
        replies = [asker.get_shell_msg(timeout=SECONDS) for _ in asked]
        assert [one["parent_header"]["msg_id"] for one in replies] == asked
        assert {one["content"]["status"] for one in replies} == {"ok"}
        assert "print" in replies[-1]["content"]["matches"]
        for one in (asker, watcher):
            assert text_of(iopub_until_idle(one, asked[0])) == LINES + "end of %s\n" % name
            for number in range(3):
                assert text_of(iopub_until_idle(one, asked[1 + number])) == \
                    "%s\n" % list(range(number + 1))
        with pytest.raises(queue.Empty):
            asker.get_shell_msg(timeout=0.5)
    finally:
        asker.stop_channels()
        watcher.stop_channels()


def session_made(house, name):
    assert leaks.wait_for(lambda: '"session made" session=%s' % name in house.log(), SECONDS)


@pytest.mark.sanitized
def test_a_session_that_was_starting_comes_up(daemon):
    """Its kernel is started once more; who waits for it as part of a cell notices nothing."""
    running = daemon.popen("run", "-s", "early", "-c", "print('up')")
    session_made(daemon, "early")
    kill_broker(daemon)
    out, err = finish(running)
    assert (running.returncode, out) == (0, "up\n"), err
    assert daemon.cellblock("run", "-s", "early", "-c", "print(1)").stdout == "1\n"
    # Of two jails one has ended.
    log = daemon.log()
    assert log.count('"jail started"') == 1 + log.count('"jail ended"') - log.count("not started")


@pytest.mark.sanitized
def test_a_fresh_session_that_was_starting(daemon):
    running = daemon.popen("run", "-c", "print('up')")
    session_made(daemon, "")
    kill_broker(daemon)
    out, err = finish(running)
    assert (running.returncode, out) == (0, "up\n"), err
    leaks.wait_for(lambda: not sessions(daemon), SECONDS)
    assert not sessions(daemon)


@pytest.mark.sanitized
def test_who_comes_while_no_broker_is_there(daemon, new_session):
    """A command that is started in that moment waits for the next one."""
    name = new_session()
    kill_broker(daemon)
    done = daemon.cellblock("run", "-s", name, "-c", "print(x)")
    assert (done.returncode, done.stdout) == (0, name + "\n"), done.stderr


# -- other deaths ----------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_the_file_helper_dies(daemon, new_session):
    """Another broker with another helper goes on with what runs."""
    name = new_session()
    running = daemon.popen("run", "-s", name, "-o", "json", "-c",
                           "open('/output/a.txt', 'w').write('a')\n" + THERE + HOLD +
                           "print(x)")
    until_there(daemon, name)
    before = daemon.connection()["pid"]
    helpers = [pid for pid in leaks.descendants(before)]
    assert helpers
    for pid in helpers:
        os.kill(pid, signal.SIGKILL)
    another_broker(daemon, before)
    let_go(daemon.client(), name)
    out, err = finish(running)
    result = json.loads(out)
    assert result["status"] == "ok", err
    assert [one["path"] for one in result["artifacts"]] == ["/output/a.txt"]
    assert daemon.cellblock("run", "-s", name, "-c", "print(x)").stdout == name + "\n"


@pytest.mark.sanitized
def test_brokers_that_die_while_they_take_over(daemon, new_session):
    """Two die before they serve: what runs and what waits is there with the third."""
    name = new_session()
    running = daemon.popen("run", "-s", name, "-c", CELL)
    first = begun(running)
    seen = {kill_broker(daemon)}
    for _ in range(2):
        pid = next_broker(daemon, seen)
        os.kill(pid, signal.SIGKILL)
        seen.add(pid)
    out, err = finish(running)
    assert (running.returncode, first + out) == (0, LINES + "end of %s\n" % name), err
    assert daemon.cellblock("run", "-s", name, "-c", "print(x)").stdout == name + "\n"


def next_broker(house, seen):
    """The pid of a broker that was just started."""
    def look():
        return [pid for pid, name in leaks.descendants(house.pid).items()
                if name == "cellblock-broke" and pid not in seen and parent_is_warden(house, pid)]
    return leaks.wait_for(look, SECONDS)[0]


def parent_is_warden(house, pid):
    stat = leaks.processes().get(pid)
    return stat is not None and stat[2] == house.connection()["warden_pid"]


# -- what a client of the protocol sees ------------------------------------------------------------

def resume(house, client, request, after):
    """A client of ours as the page says: connects again and asks for the rest."""
    fresh = house.client()
    reply = fresh.call("resume", request=request, after=after)
    return fresh, reply


def receive_until(client, request, kind):
    """The messages of a run up to one of this type."""
    got, until = [], time.monotonic() + SECONDS
    while not got or got[-1].type != kind:
        message = client.receive(until - time.monotonic())
        if message.parent == request:
            got.append(message)
    return got


def test_messages_that_are_kept_no_longer(new_house):
    """Who comes back late to more output than is kept is told how much he has not had."""
    house = new_house().start("--set", "profile.default.output=200 MiB")
    client = house.client()
    client.call("new", name="amber", wait=True)
    request = client.send("run", {"session": "amber", "code":
                                  "import time\nprint('begun', flush=True)\ntime.sleep(1)\n"
                                  "for i in range(60): print('%05d' % i + 'x' * 1048570)"})
    had = len(receive_until(client, request, "stream"))
    another_broker(house, kill_broker(house))
    looker = house.client()
    leaks.wait_for(lambda: looker.call("show", session="amber")["state"] == "idle", SECONDS)
    fresh, _ = resume(house, looker, request, had)
    rest = receive_until(fresh, request, "run_reply")
    assert rest[0].type == "lost" and rest[0].content["forgotten"] is True
    assert rest[0].content["messages"] > 0 and rest[0].content["bytes"] > 10 << 20
    assert "lost" not in [message.type for message in rest[1:]]
    assert rest[-1].content["status"] == "ok"
    assert wireclient.stream_text(rest).endswith("00059" + "x" * 1048570 + "\n")


def test_a_request_that_is_half_sent(daemon):
    """The kernel does not read: the next broker sends the rest, and the cell runs once."""
    client = daemon.client()
    client.call("new", name="amber", wait=True)
    kernel = client.call("show", session="amber")["pid"]
    os.kill(kernel, signal.SIGSTOP)
    try:
        request = client.send("run", {"session": "amber",
                                      "code": "y = '%s'\nprint(len(y))" % ("z" * 5_000_000)})
        had = len(receive_until(client, request, "start"))
        before = kill_broker(daemon)
        another_broker(daemon, before)
    finally:
        os.kill(kernel, signal.SIGCONT)
    fresh, _ = resume(daemon, client, request, had)
    rest = receive_until(fresh, request, "run_reply")
    assert "a request goes on to a kernel" in daemon.log()
    assert rest[-1].content["status"] == "ok", rest[-1].content
    assert wireclient.stream_text(rest) == "5000000\n"


@pytest.mark.sanitized
def test_a_question_is_asked_again(daemon):
    """input () of a cell whose client comes back: the answer is taken by the next broker."""
    client = daemon.client()
    client.call("new", name="amber", wait=True)
    request = client.send("run", {"session": "amber", "allow_stdin": True,
                                  "code": "print('hello', input('who? '))"})
    before = receive_until(client, request, "input_request")
    had = len([message for message in before if message.type != "input_request"])
    another_broker(daemon, kill_broker(daemon))
    fresh, _ = resume(daemon, client, request, had)
    asked = receive_until(fresh, request, "input_request")[-1]
    assert asked.header["msg_id"] == before[-1].header["msg_id"]
    header = fresh.header("input_reply")
    parts = [json.dumps(part).encode() for part in (header, asked.header, {}, {"value": "Ada"})]
    fresh.send_frames([wireclient.DELIMITER, fresh.sign(parts)] + parts)
    rest = receive_until(fresh, request, "run_reply")
    assert wireclient.stream_text(rest) == "hello Ada\n"


def test_the_daemon_ends_while_a_client_waits(daemon, new_session):
    """Nobody comes back: the client does not wait for it."""
    name = new_session()
    running = daemon.popen("run", "-s", name, "-c", THERE + "import time\ntime.sleep(600)")
    until_there(daemon, name)
    daemon.stop()
    finish(running)
    assert running.returncode != 0
