"""test_jail_refusals.py - a stage that cannot do its work says which step, and why.

The jail is started by hand (jailhand.py); what is broken here is the machine, not the broker.
"""
import os
import socket
import subprocess
import tempfile

import pytest

import jailhand

pytestmark = [pytest.mark.needs("cellblock-jail"), pytest.mark.root]


def first_report(build, prepare=None, **options):
    """(code, text) of the stage that failed; prepare runs in the child before it starts."""
    jail = jailhand.Jail(build, cgroup=prepare, **options)
    try:
        jail.launch()
        for _ in range(2):
            report = jail.next_stage()
            if report is None:
                return 0, jail.read_stderr()
            if report[1]:
                return report[1:]
        return 0, ""
    finally:
        jail.close()


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(dir="/root") as path:
        yield path


@pytest.fixture
def ramfs(folder):
    """A file system that knows no idmapped mounts."""
    path = os.path.join(folder, "ramfs")
    os.mkdir(path)
    subprocess.run(["mount", "-t", "ramfs", "none", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def write(path, data="a,b\n", mode=0o600):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(data)
    os.chmod(path, mode)


def test_a_folder_with_a_socket_is_refused(build, folder):
    write(folder + "/data/a.csv")
    os.mkdir(folder + "/data/run")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(folder + "/data/run/agent")
        code, text = first_report(build, inputs=[folder + "/data"])
    assert code and "socket or named pipe (run/agent)" in text
    os.unlink(folder + "/data/run/agent")
    os.mkfifo(folder + "/data/pipe")
    code, text = first_report(build, inputs=[folder + "/data"])
    assert code and "(pipe)" in text


def test_a_root_with_its_proc_is_refused(build, folder):
    write(folder + "/data/a.csv")
    os.mkdir(folder + "/data/proc")
    subprocess.run(["mount", "-t", "proc", "none", folder + "/data/proc"], check=True)
    try:
        code, text = first_report(build, inputs=[folder + "/data"])
    finally:
        subprocess.run(["umount", folder + "/data/proc"], check=True)
    assert code and "holds a file system of the kernel (proc)" in text, text


def test_only_files_and_folders_are_inputs(build, folder):
    os.mkfifo(folder + "/pipe")
    for path in (folder + "/pipe", "/dev/zero"):
        code, text = first_report(build, inputs=[path])
        assert code and path in text and "neither a file nor a folder" in text


def test_without_idmapped_mounts_an_input_is_copied(build, ramfs):
    write(ramfs + "/one.csv")
    write(ramfs + "/many/deep/two.csv")
    os.symlink("deep/two.csv", ramfs + "/many/link")
    write(ramfs + "/open.csv", mode=0o644)
    paths = [ramfs + "/one.csv", ramfs + "/many", ramfs + "/open.csv"]
    with jailhand.Jail(build, inputs=paths) as jail:
        client = jail.client()
        code = """for name in ("one.csv", "many/deep/two.csv", "many/link", "open.csv"):
    print(open("/input/" + name).read().strip())"""
        assert jailhand.run_cell(client, code)["out"].split() == ["a,b"] * 4
        for name in ("one.csv", "many/deep/two.csv"):
            cell = jailhand.run_cell(client, "open('/input/%s', 'a')" % name)
            assert cell["error"]["ename"] in ("OSError", "PermissionError")


def test_what_is_too_big_to_copy_is_named(build, ramfs):
    with open(ramfs + "/big", "wb") as file:
        file.truncate(300 << 20)
    os.chmod(ramfs + "/big", 0o600)
    code, text = first_report(build, inputs=[ramfs + "/big"])
    assert code and "idmapped" in text and "256 MiB" in text
    os.chmod(ramfs + "/big", 0o644)
    assert first_report(build, inputs=[ramfs + "/big"]) == (0, "")


def test_missing_pieces_are_named(build):
    with tempfile.TemporaryDirectory(dir="/tmp") as empty:
        jail = jailhand.Jail(build)
        program, jail.build = jail.program, empty
        assert os.path.exists(program)
        try:
            jail.launch()
            _, code, text = jail.next_stage()
        finally:
            jail.close()
        assert code and "cellblock-init" in text


@pytest.mark.parametrize("change", [{"disk": 0}, {"processes": 0}, {"name": "../x"},
                                    {"loopback": 7}, {"layers": {"seccomp": 9}}])
def test_wrong_specs_are_refused(build, change):
    code, text = first_report(build, **change)
    assert code and text


def test_layers_off_and_on(build):
    off = {"seccomp": jailhand.OFF, "landlock": jailhand.OFF}
    with jailhand.Jail(build, layers=off) as jail:
        assert jail.layers == set()
        status = jailhand.run_cell(jail.client(), "print(open('/proc/self/status').read())")["out"]
        assert "Seccomp:\t0" in status and "NoNewPrivs:\t1" in status
    with jailhand.Jail(build, layers={"seccomp": jailhand.ON}) as jail:
        assert "seccomp" in jail.layers


def test_groups_of_root_do_not_come_along(build):
    with jailhand.Jail(build, cgroup=lambda: os.setgroups([0, 6])) as jail:
        jailhand.run_cell(jail.client(), "1")
        with open("/proc/%d/status" % jail.kernel_pid, encoding="ascii") as status:
            lines = dict(line.split(":", 1) for line in status)
        assert lines["Groups"].split() == []
        assert lines["Uid"].split() == [str(jailhand.UID)] * 4


@pytest.fixture
def memory_group():
    """A memory cgroup (v1 or v2) of 200 MiB: its folder's cgroup.procs, or a skip."""
    for top, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                      ("/sys/fs/cgroup", "memory.max")):
        path = os.path.join(top, "cb-hand-%d" % os.getpid())
        try:
            os.mkdir(path)
        except OSError:
            continue
        try:
            with open(os.path.join(path, name), "w", encoding="ascii") as file:
                file.write(str(200 << 20))
        except OSError:
            os.rmdir(path)
            continue
        yield os.path.join(path, "cgroup.procs")
        for _ in range(2400):
            try:
                os.rmdir(path)
                return
            except OSError:
                subprocess.run(["sleep", "0.05"], check=True)
    pytest.skip("no writable memory cgroup")


def test_a_memory_bomb_ends_in_its_cgroup(build, memory_group):
    def enter():
        with open(memory_group, "w", encoding="ascii") as file:
            file.write("0")
    with jailhand.Jail(build, cgroup=enter) as jail:
        client = jail.client()
        code = """import os
pid = os.fork()
if pid == 0:
    hog = bytearray(1 << 30)
    os._exit(0)
print(os.waitpid(pid, 0)[1])"""
        assert jailhand.run_cell(client, code)["out"].strip() == "9"
