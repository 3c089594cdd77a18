"""test_config.py - configuration through the real daemon: layers, and mistakes with their place."""
import os

import pytest

from house import StartFailed


def write(house, text, name="c.conf"):
    path = os.path.join(house.folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


@pytest.mark.parametrize("text, words", [
    ("[broker]\nidle_expirey = 1h\n", ":2: unknown key of section [broker] 'idle_expirey'; "
                                      "did you mean 'idle_expiry'?"),
    ("[brokre]\n", ":1: unknown section 'brokre'; did you mean 'broker'?"),
    ("[profile fast]\nmemory = lots\n", ":2: memory: 'lots' is not a size"),
    ("[profile fast]\nmemory = 1\n", ":2: memory: '1' is out of range"),
    ("[profile a]\ninherits = b\n", ":2: inherits: no profile 'b'"),
    ("[broker]\nsessions\n", ":2: not [section], key = value"),
    ("[broker]\nsessions = \xa0\n", ":2: sessions: "),
])
def test_a_mistake_is_told_with_its_place(house, text, words):
    path = write(house, text)
    with pytest.raises(StartFailed) as failed:
        house.start("--config", path)
    assert path + words in str(failed.value)


def test_a_mistake_in_an_option(house):
    with pytest.raises(StartFailed) as failed:
        house.start("--set", "broker.sessoins=5")
    assert "--set broker.sessoins=5: unknown key" in str(failed.value)
    assert "'sessions'" in str(failed.value)


def test_a_file_that_is_not_there(house):
    with pytest.raises(StartFailed) as failed:
        house.start("--config", "/nonexistent/c.conf")
    assert "/nonexistent/c.conf" in str(failed.value)


def test_a_command_tells_the_mistake_too(house):
    path = write(house, "[broker]\nsessions = none\n")
    done = house.cellblock("run", "-c", "1", env={"CELLBLOCK_CONFIG": path})
    assert done.returncode == 1
    assert path + ":2: sessions: 'none' is not a whole number" in done.stderr


def test_layers(house):
    low = write(house, "[profile default]\nwall = 20 s\nprocesses = 60\n[broker]\nsessions = 7\n",
                "low.conf")
    high = write(house, "[profile default]\nwall = 30 s\n[profile small]\nmemory = 128M\n",
                 "high.conf")
    house.start("--config", low, "--config", high, "--set", "profile.small.files=777",
                env={"CELLBLOCK_CONFIG": low})
    client = house.client()
    status = client.call("status")
    assert status["limits"]["wall_s"] == 30 and status["limits"]["processes"] == 60
    assert status["limits"]["sessions"] == 7
    name = client.call("new", profile="small", wait=True)["session"]
    limits = client.call("show", session=name)["limits"]
    assert limits["memory_bytes"] == 128 << 20 and limits["files"] == 777
    assert limits["wall_s"] == 30
    reply, _ = client.ask("new", profile="smal")
    assert reply.content["ename"] == "not_found"
    assert "networked, small" in reply.content["evalue"]


def test_a_reload_with_a_mistake_changes_nothing(house):
    path = write(house, "[profile default]\nwall = 20 s\n")
    house.start("--config", path)
    client = house.client()
    write(house, "[profile default]\nwall = 25 s\n")
    client.call("reload")
    assert client.call("status")["limits"]["wall_s"] == 25
    write(house, "[profile default]\nwall = soon\n")
    reply, _ = client.ask("reload")
    assert reply.content["ename"] == "invalid"
    assert path + ":2: wall: 'soon' is not a duration" in reply.content["evalue"]
    assert client.call("status")["limits"]["wall_s"] == 25


def test_sessions_are_bounded(house):
    house.start("--set", "broker.sessions=2")
    client = house.client()
    names = [client.call("new")["session"] for _ in range(2)]
    reply, _ = client.ask("new")
    assert reply.content["ename"] == "limit" and "2" in reply.content["evalue"]
    client.call("stop", session=names[0])
    client.call("new")


def test_what_is_configured_and_where(house):
    house.forget_settings()
    low = write(house, "[broker]\nsessions = 7\n[profile big]\nmemory = 1G\nwall = 20 s\n", "low")
    high = write(house, "[profile big]\nmemory = 2G\n[model far]\nmodel = m\n", "high")
    more = ("-C", high, "--set", "profile.big.files=999")
    env = {"CELLBLOCK_CONFIG": low}
    done = house.cellblock("config", "show", "--origin", *more, env=env)
    rows = [line.split(None, 5) for line in done.stdout.splitlines()[1:]]
    assert [" ".join(row) for row in rows] == [
        "[broker] sessions 7 %s:2" % low, "[profile big] memory 2G %s:2" % high,
        "[profile big] wall 20 s %s:5" % low,
        "[profile big] files 999 --set profile.big.files=999", "[model far] model m %s:4" % high]
    shown = house.cellblock("config", "show", *more, env=env).stdout
    again = write(house, shown, "again")
    assert house.cellblock("config", "show", "-C", again).stdout == shown
    assert house.json("config", "show", *more, env=env)["profile big"]["memory"] == {
        "value": "2G", "origin": high + ":2"}
    nothing = house.cellblock("config", "show", env={"XDG_CONFIG_HOME": house.folder})
    assert nothing.returncode == 0 and "nothing is configured" in nothing.stderr
    bad = write(house, "[profil x]\na = 1\n", "bad")
    done = house.cellblock("config", "show", "-C", bad)
    assert done.returncode == 1 and bad + ":1" in done.stderr and "'profile'" in done.stderr
    assert house.cellblock("config", "sho").returncode == 2
    assert not os.path.exists(os.path.join(house.runtime_dir, "broker.json"))
