"""test_abuse.py - a kernel that breaks the protocol (tests/fake-kernel.py): whoever waits gets a
clear answer in bounded time, the broker's memory stays bounded, a neighbour notices nothing."""
import os
import shutil

import pytest
import zmq

import leaks
from attached import attach, iopub_until_idle
from conftest import SOURCE
from wireclient import endpoint, stream_text

MIB = 1024 * 1024
# What a broker may grow by, whatever a kernel does: one kernel's receive budget and one client's
# queue.
GROWTH_MIB = 120
FAKE = os.path.join(SOURCE, "tests", "fake-kernel.py")


def broker_pid(house):
    return house.connection()["pid"]


def memory_mib(pid, field="VmHWM"):
    with open("/proc/%d/status" % pid, encoding="utf-8") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    raise AssertionError("no " + field)


def is_sanitized(house):
    """ASan keeps freed memory for a while: how much a broker holds cannot be seen then."""
    with open(os.path.join(house.build, "config.h"), encoding="utf-8") as file:
        return "#define CB_SANITIZERS" in file.read()


@pytest.fixture
def fake(house):
    """A daemon whose jails run the fake kernel."""
    folder = os.path.join(house.folder, "kernelspec")
    shutil.copytree(os.path.join(SOURCE, "kernelspec"), folder)
    shutil.copyfile(FAKE, os.path.join(folder, "launcher.py"))
    os.chmod(house.folder, 0o755)
    house.start("--kernelspec", folder, "--set", "profile.default.wall=120 s")
    house.neighbour = house.client()
    house.neighbour.call("new", name="neighbour", wait=True)
    return house


@pytest.fixture
def abused(fake):
    """A client of it; afterwards the neighbour still works and the broker is the same, not larger.
    """
    pid = broker_pid(fake)
    before = memory_mib(pid)
    yield fake.client()
    assert broker_pid(fake) == pid and os.path.exists("/proc/%d" % pid), "the broker died"
    grown = memory_mib(pid) - before
    print("the broker grew by %.1f MiB" % grown)
    assert grown < GROWTH_MIB or is_sanitized(fake), "the broker grew"
    result, events = fake.neighbour.run("undisturbed", session="neighbour")
    assert (result["status"], stream_text(events)) == ("ok", "undisturbed")
    assert fake.neighbour.call("show", session="neighbour")["restarts"] == 0


def mode_file(house, mode):
    path = os.path.join(house.folder, "mode-" + mode)
    with open(path, "w", encoding="utf-8") as file:
        file.write(mode + "\n")
    os.chmod(path, 0o644)
    return {"path": path, "name": "mode"}


# -- while it starts -------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", [
    "die-at-once", "die-before-accept", "die-after-accept", "die-after-handshake",
    "die-after-request", "die-after-busy", "die-after-reply", "garbage", "sentence"])
def test_a_start_that_fails(fake, abused, mode):
    reply, _ = abused.ask("new", inputs=[mode_file(fake, mode)], wait=True)
    assert reply.content["status"] == "error", reply.content
    assert reply.content["evalue"]
    if mode == "sentence":
        assert "the fake kernel does not want to start" in reply.content["evalue"]
    if mode.startswith("die"):
        assert "3" in reply.content["evalue"], "it says the exit status"
    assert "did not answer" not in reply.content["evalue"], "it was noticed, not waited for"
    # A cell gets the same, and says so as an error and not as a result.
    result, _ = abused.run("1", inputs=[mode_file(fake, mode)])
    assert result["status"] in ("error", "died"), result


def test_a_start_that_never_ends(fake, abused):
    """Each is given up after the limit, which a reload may change, all at the same time."""
    with open(fake.settings, "w", encoding="utf-8") as file:
        file.write("[broker]\nstart_limit = 20 s\n")
    abused.call("reload")
    modes = ("never-handshake", "never-answer", "no-idle")
    waiting = [abused.send("new", {"inputs": [mode_file(fake, mode)], "wait": True})
               for mode in modes]
    for _ in modes:
        answer = abused.receive()
        assert answer.parent in waiting
        assert answer.content["status"] == "error"
        assert "within 20 s of its start" in answer.content["evalue"], answer.content


# -- while it runs ---------------------------------------------------------------------------------

def run(client, code, **more):
    """Most of what begins with ! never ends by itself."""
    more.setdefault("timeout_s", 2 if code.startswith("!") else 100)
    return client.run(code, **more)


def run_to_its_end(client, code, **more):
    return run(client, code, timeout_s=100, **more)


@pytest.mark.parametrize("code", [
    "!garbage", "!garbage-iopub", "!negative-frame", "!huge-frame 1024", "!huge-frame 20",
    "!endless-more 0", "!endless-more 1", "!endless-more 65536", "!endless-more 1048576",
    "!endless-more-shell 1", "!endless-more-shell 1048576", "!endless-commands"])
def test_bytes_that_break_the_protocol(abused, code):
    """The connection is closed, the kernel killed, the cell told why."""
    name = abused.call("new", wait=True)["session"]
    result, _ = run(abused, code, session=name)
    assert result["status"] in ("died", "timeout", "limit"), result
    assert result["error"]["ename"] and result["error"]["evalue"], result
    result, events = run(abused, "alive again", session=name)
    assert (result["status"], stream_text(events)) == ("ok", "alive again")


def test_bad_messages_are_dropped(abused):
    result, events = run_to_its_end(abused, "!bad-messages")
    assert result["status"] == "ok"
    assert stream_text([event for event in events if event.content.get("text") == "good"]) == "good"
    assert not any(event.content.get("text") == "bad" for event in events)


SHAPES = {
    "status": {"execution_state": str}, "stream": {"name": str, "text": str},
    "error": {"ename": str, "evalue": str, "traceback": list},
    "display_data": {"data": dict, "metadata": dict},
    "execute_result": {"data": dict, "metadata": dict, "execution_count": (int, type(None))},
    "clear_output": {"wait": bool},
}


def all_in_shape(messages):
    """Every field is there and of its kind, data are texts; the types that were seen."""
    for kind, content in messages:
        for name, wanted in SHAPES.get(kind, {}).items():
            assert isinstance(content.get(name), wanted), (kind, content)
        assert all(isinstance(text, str) for text in content.get("data", {}).values())
    return {kind for kind, _ in messages if kind in SHAPES}


@pytest.mark.parametrize("output", ["sandbox", "full"])
def test_fields_have_their_kinds(fake, abused, output):
    """Also where a kernel says something else: for programs and for attached clients."""
    abused.call("new", name="odd", wait=True, limits={"active_output": output})
    result, events = run_to_its_end(abused, "!bad-messages", session="odd")
    assert result["status"] == "ok"
    told = [(event.type, event.content) for event in events]
    assert all_in_shape(told) == set(SHAPES)
    client = attach(fake, "odd")
    try:
        shown = iopub_until_idle(client, client.execute("!bad-messages"))
        assert all_in_shape(shown) == set(SHAPES)
    finally:
        client.stop_channels()


def test_wrong_signatures_are_dropped(abused):
    result, events = run_to_its_end(abused, "!wrong-key")
    assert (result["status"], stream_text(events)) == ("ok", "good")


def test_a_replay_is_dropped(abused):
    result, events = run_to_its_end(abused, "!replay")
    assert (result["status"], stream_text(events)) == ("ok", "once")


def test_replies_of_others_are_dropped(abused):
    result, events = run_to_its_end(abused, "!forged-replies")
    assert (result["status"], stream_text(events)) == ("ok", "mine")
    assert result["execution_count"] == 1


def test_what_only_the_broker_may_say(abused):
    result, events = run_to_its_end(abused, "!our-own-types")
    assert (result["status"], stream_text(events)) == ("ok", "good")
    assert not {"run_reply", "lost", "artifact", "limit"} & {event.type for event in events}
    assert result["run"] != "forged" and result["artifacts"] == []


def test_a_flood_that_never_ends(abused):
    name = abused.call("new", wait=True)["session"]
    result, events = run(abused, "!flood", session=name)
    assert result["status"] in ("limit", "timeout"), result
    assert len(stream_text(events)) <= 33 * MIB
    assert run(abused, "after", session=name)[0]["status"] == "ok"


def test_a_flood_within_the_cap(abused):
    result, events = run_to_its_end(abused, "!flood 20")
    assert result["status"] == "ok"
    assert len(stream_text(events)) == 20 * MIB


def test_5000_small_ones(abused):
    result, events = run_to_its_end(abused, "!flood-small 5000")
    assert result["status"] == "ok"
    assert stream_text(events) == "".join("%d\n" % i for i in range(5000))


def test_a_flood_towards_a_client_that_does_not_read(fake, abused):
    """One queue's worth is kept for it, the rest is lost and told; its replies come."""
    deaf = fake.client()
    deaf.socket.close()
    deaf.socket = deaf.context.socket(zmq.DEALER)
    deaf.socket.linger = 0
    deaf.socket.setsockopt(zmq.RCVHWM, 1)
    deaf.socket.connect(endpoint(deaf.connection, "shell"))
    asked = [deaf.send("run", {"code": "!flood 30", "timeout_s": 100}) for _ in range(4)]
    result, _ = run(abused, "meanwhile")
    assert result["status"] == "ok"
    assert leaks.wait_for(lambda: not abused.call("list")["sessions"][1:], 120, 0.2)
    events, replies = [], []
    while len(replies) < len(asked):
        message = deaf.receive()
        (replies if message.type == "run_reply" else events).append(message)
    assert sorted(reply.parent for reply in replies) == sorted(asked)
    assert {reply.content["status"] for reply in replies} <= {"ok", "timeout"}
    lost = [event.content for event in events if event.type == "lost"]
    assert lost and sum(one["bytes"] for one in lost) > 30 * MIB
    assert len(stream_text(events)) < 70 * MIB


@pytest.mark.parametrize("code, statuses", [
    ("!idle-without-reply", ("died",)),
    ("!say-nothing", ("timeout", "died")),
    ("!wait", ("timeout",)),
    ("!reply-without-idle", ("ok",)),
    ("!two-replies", ("ok",)),
    ("!late-output", ("ok",)),
    ("!ask-input", ("ok",)),
    ("!bad-reply", ("ok", "error", "died", "timeout")),
    ("!exit 0", ("died",)),
    ("!exit 7", ("died",)),
])
def test_replies_and_idles(abused, code, statuses):
    name = abused.call("new", wait=True)["session"]
    more = {} if "timeout" in statuses else {"timeout_s": 100}
    # Shorter than the 2 s that an idle may come after its reply: the cell is over by then. On a
    # busy machine that second may pass before: then once more.
    if code.endswith(("-without-idle", "-without-reply")):
        more = {"timeout_s": 1}
    for _ in range(3 if more.get("timeout_s") == 1 else 1):
        result, _ = run(abused, code, session=name, **more)
        if result["status"] in statuses:
            break
    assert result["status"] in statuses, result
    if result["status"] not in ("ok", "error"):
        assert result["error"]["evalue"]
    result, events = run(abused, "next", session=name)
    assert (result["status"], stream_text(events)) == ("ok", "next")


@pytest.mark.parametrize("channel", range(4))
def test_a_channel_that_is_closed(abused, channel):
    name = abused.call("new", wait=True)["session"]
    result, _ = run(abused, "!close %d" % channel, session=name)
    assert result["status"] in ("ok", "died", "timeout"), result

    def begun_again():
        shown = abused.call("show", session=name)
        return shown["restarts"] == 1 and shown["state"] == "idle"
    assert leaks.wait_for(begun_again)
    result, events = run(abused, "next", session=name)
    assert (result["status"], stream_text(events)) == ("ok", "next"), result


def test_memory_of_the_jail_is_told(abused):
    name = abused.call("new", wait=True)["session"]
    result, _ = run_to_its_end(abused, "!eat-memory", session=name)
    assert result["status"] == "limit" and result["limit"]["name"] == "memory", result
    assert "512 MiB" in result["error"]["evalue"]


def test_three_deaths_then_no_more(fake, abused):
    """The kernel is started again at most three times in 60 s; then the session stays dead."""
    name = abused.call("new", wait=True)["session"]
    for _ in range(3):
        assert run_to_its_end(abused, "!exit 1", session=name)[0]["status"] == "died"
        assert leaks.wait_for(lambda: abused.call("show", session=name)["state"] == "idle")
    assert run_to_its_end(abused, "!exit 1", session=name)[0]["status"] == "died"
    assert leaks.wait_for(lambda: abused.call("show", session=name)["state"] == "dead")
    result, _ = run(abused, "1", session=name)
    assert result["status"] == "error" and result["refused"]
    abused.call("restart", session=name)
    assert run(abused, "1", session=name)[0]["status"] == "ok"
