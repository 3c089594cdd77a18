"""test_warden.py - the whole daemon when its parts are killed, hung up on or asked to reload; what
is left behind is counted by the fixtures."""
import os
import signal
import subprocess
import time

import pytest

import leaks


def ended(daemon, signum):
    """The daemon's exit status after a signal to its warden."""
    os.kill(daemon.connection()["warden_pid"], signum)
    return daemon.daemon.wait(120)


def wall_of(client):
    """What the default profile resolves to just now."""
    values = client.call("profile", profile="default")["values"]
    return next(one["value"] for one in values if one["key"] == "wall")


def test_a_reload_reads_the_file_that_took_the_place(new_house, tmp_path):
    path, other = tmp_path / "cellblock.conf", tmp_path / "new"
    path.write_text("[profile default]\nwall = 5 s\n")
    house = new_house().start("--config", str(path))
    client = house.client()
    assert client.call("new", name="amber")["wall_s"] == 5
    other.write_text("[profile default]\nwall = 7 s\n")
    os.rename(other, path)
    client.call("reload")
    assert client.call("new")["wall_s"] == 7
    path.unlink()
    reply, _ = client.ask("reload")
    assert reply.content["status"] == "error" and "No such file" in reply.content["evalue"]
    path.write_text("[profile default]\nwall = 9 s\n")
    os.kill(client.call("status")["warden_pid"], signal.SIGHUP)
    assert leaks.wait_for(lambda: wall_of(client) == "9 s")
    assert client.call("new")["wall_s"] == 9
    assert client.call("show", session="amber")["state"] != "dead"


@pytest.mark.parametrize("signum, status",
                         [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, 1)])
def test_the_warden_ends_while_a_cell_runs(daemon, client, signum, status):
    client.call("new", name="amber", wait=True)
    client.send("run", {"session": "amber", "code": "import subprocess\n"
                        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
                        "while True: pass"})
    assert ended(daemon, signum) == status
    assert leaks.wait_for(lambda: not os.path.exists(daemon.runtime_dir)
                          or not os.listdir(daemon.runtime_dir))


def test_the_janitor_is_killed(daemon, client):
    client.call("new", name="amber", wait=True)
    warden = daemon.connection()["warden_pid"]
    daemon.daemon.kill()
    daemon.daemon.wait(120)
    assert leaks.wait_for(lambda: warden not in leaks.descendants())
    assert not os.path.exists(os.path.join(daemon.runtime_dir, "broker.json"))


@pytest.fixture
def stray():
    """What is left of a jail whose bwrap was killed before its pid 1 asked for PDEATHSIG. Whichever
    daemon starts next ends it: where that is one of another test, another one is made."""
    waits, end = os.pipe()

    def make():
        return subprocess.Popen(  # bwrap reads its arguments from 11 and gets none
            ["unshare", "--user", "--map-root-user", "--pid", "--fork", "bwrap", "--args", "11",
             "--", "/cb/init"], preexec_fn=lambda: os.dup2(waits, 11), pass_fds=[11])

    def is_bwrap():
        return "bwrap" in leaks.descendants(process.pid).values()
    process = make()
    while not leaks.wait_for(is_bwrap, 0.5) and process.poll() is not None:
        process = make()
    assert leaks.wait_for(is_bwrap) or process.poll() is not None
    yield process
    process.kill()
    process.wait()
    os.close(waits)
    os.close(end)


def test_the_next_start_ends_a_jail_without_a_warden(daemon, client, new_house, stray):
    client.call("new", name="amber", wait=True)
    new_house().start()
    assert leaks.wait_for(lambda: stray.poll() is not None)
    assert client.call("show", session="amber")["state"] == "idle"


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []


def test_a_kernel_that_is_faster_than_the_wardens_word(daemon, client):
    """The warden has no processor while the kernel starts and answers the first questions."""
    warden = client.call("status")["warden_pid"]
    before = set(children(warden))
    asked = client.send("new", {"name": "amber", "wait": True})
    assert leaks.wait_for(lambda: set(children(warden)) - before, pause=0)
    os.kill(warden, signal.SIGSTOP)
    time.sleep(2)  # long enough for an idle machine; a busy one tests less
    os.kill(warden, signal.SIGCONT)
    assert client.wait(asked, "new", timeout=90)[0].content["status"] == "ok"
    assert client.run("6 * 7", session="amber")[0]["status"] == "ok"


def test_both_are_killed_while_a_jail_starts(new_house, ordinary_user):
    """Stopped as soon as it has a child, bwrap has not told its pid 1 to go on: it waits for ever,
    and the ordinary user has no control groups here by which it could be found."""
    house = new_house(ordinary_user).start()
    warden, before = house.connection()["warden_pid"], children(house.connection()["warden_pid"])
    house.client().send("new", {"name": "amber"})
    jail = leaks.wait_for(lambda: set(children(warden)) - set(before), pause=0).pop()
    assert leaks.wait_for(lambda: children(jail), pause=0)
    for pid, signum in ((jail, signal.SIGSTOP), (warden, signal.SIGKILL),
                        (house.pid, signal.SIGKILL)):
        os.kill(pid, signum)
    house.daemon.wait(120)
    house.start()
    assert leaks.wait_for(lambda: "bwrap" not in leaks.descendants().values())
