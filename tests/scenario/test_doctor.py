"""test_doctor.py - what the machine can enforce: each cause is made, and must be named."""
import json
import os
import shutil
import subprocess

import pytest

import leaks


def test_doctor_tells_every_layer(house):
    done = house.cellblock("doctor", "-o", "json")
    report = json.loads(done.stdout)
    assert (done.returncode == 0) == report["holds"]
    names = {probe["name"] for probe in report["probes"]}
    assert names >= {"bubblewrap", "ipykernel", "user", "net", "seccomp", "landlock", "cgroups"}
    for probe in report["probes"]:
        assert probe["state"] in ("ok", "weaker", "missing")
        assert (probe["cause"] == "") == (probe["state"] == "ok"), probe
    text = house.cellblock("doctor")
    assert text.returncode == done.returncode
    assert all(name in text.stdout for name in names)


@pytest.mark.root
@pytest.mark.parametrize("before,name,cause", [
    ("mount --bind /dev/null /usr/bin/bwrap", "bubblewrap", "does not run"),
    ("mount -t tmpfs none /usr/lib/python3/dist-packages/ipykernel", "ipykernel", "ipykernel"),
    ("d=/usr/lib/python3/dist-packages; mount -t tmpfs none $d/numpy; echo 'import sys; "
     "print(list(range(999)), file=sys.stderr); print(file=sys.stderr); 1 / 0' "
     ">$d/numpy/__init__.py; mount -t tmpfs none $d/ipykernel", "numpy", "ZeroDivisionError"),
    ("mount --bind /dev/null /proc/keys", "own /proc", "masked"),
    ("mkdir /tmp/root-$$; mount --rbind / /tmp/root-$$; in=/tmp/root-$$", "user", "chroot"),
    ("mount -t tmpfs -o ro none /sys/fs/cgroup", "cgroups", "cgroups"),
    ("in_pid='unshare -p -f'", "own /proc", "another pid namespace"),
    ("in_pid='unshare -p -f'", "all together", "another pid namespace"),
])
def test_doctor_names_the_cause(house, before, name, cause):
    doctor = house.program("cellblock") + " doctor -o json"
    script = before + "; exec ${in:+chroot $in} $in_pid " + doctor
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=house.env, check=False,
                          capture_output=True, text=True, timeout=240)
    subprocess.run("rmdir /tmp/root-* 2>/dev/null", shell=True, check=False)
    probe = next(p for p in json.loads(done.stdout)["probes"] if p["name"] == name)
    assert done.returncode == 1
    assert probe["state"] != "ok"
    assert cause in probe["cause"], probe


@pytest.mark.root
@pytest.mark.parametrize("name, variable", [("runtime folder", "CELLBLOCK_RUNTIME_DIR"),
                                            ("state folder", "CELLBLOCK_STATE_DIR")])
def test_doctor_names_a_folder_that_cannot_be_written(house, name, variable):
    folder = house.env[variable]
    os.mkdir(folder, 0o700)
    script = ("mount --bind %s %s; mount -o remount,ro,bind %s; exec %s doctor -o json"
              % (folder, folder, folder, house.program("cellblock")))
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=house.env, check=False,
                          capture_output=True, text=True, timeout=240)
    probe = next(p for p in json.loads(done.stdout)["probes"] if p["name"] == name)
    assert done.returncode == 1 and probe["state"] == "missing"
    assert "Read-only" in probe["cause"] and variable in probe["mend"], probe


@pytest.mark.root
def test_doctor_that_is_killed_leaves_nothing(house):
    """A probe ends with it, and what the probe runs with the probe."""
    module = "/usr/lib/python3/dist-packages/ipykernel"
    script = ("mount -t tmpfs none %s; echo 'import time; time.sleep(1000)' >%s/__init__.py; "
              "exec %s doctor" % (module, module, house.program("cellblock")))
    with subprocess.Popen(["unshare", "-m", "sh", "-c", script], env=house.env,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as doctor:
        try:
            assert leaks.wait_for(lambda: any("import ipykernel" in words for words in commands()))
        finally:
            doctor.kill()
    assert leaks.stray_processes(house.before) == {}


def commands():
    """The command lines of everything below us."""
    found = []
    for pid in leaks.descendants():
        try:
            with open("/proc/%d/cmdline" % pid, encoding="utf-8", errors="replace") as file:
                found.append(file.read().replace("\0", " "))
        except OSError:
            pass
    return found


@pytest.mark.root
@pytest.mark.parametrize("hide,package", [
    ("mount --bind /dev/null /usr/bin/bwrap", "bubblewrap"),
    ("mount -t tmpfs none /usr/lib/python3/dist-packages/ipykernel", "python3-ipykernel"),
])
def test_a_missing_package_is_named_with_its_command(house, hide, package):
    script = ("%s; %s run -c 1; code=$?; %s daemon stop; exit $code"
              % (hide, house.program("cellblock"), house.program("cellblock")))
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=house.env, check=False,
                          capture_output=True, text=True, timeout=240)
    assert done.returncode != 0
    assert "apt-get install" in done.stderr and package in done.stderr, done.stderr


@pytest.mark.root
def test_doctor_makes_nothing_in_a_home(house):
    """As matplotlib does where it is imported, or fails to where there is no home."""
    home = os.path.join(house.tmp, "home")
    passwd = os.path.join(house.tmp, "passwd")
    os.mkdir(home)
    with open(passwd, "w", encoding="utf-8") as file:
        file.write("root:x:0:0::%s:/bin/sh\n" % home)
    script = "mount --bind %s /etc/passwd; exec %s doctor -o json" % (passwd,
                                                                   house.program("cellblock"))
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=house.env, check=False,
                          capture_output=True, text=True, timeout=240)
    made = os.listdir(home)
    shutil.rmtree(home)
    os.unlink(passwd)
    probe = next(p for p in json.loads(done.stdout)["probes"] if p["name"] == "matplotlib")
    assert probe["state"] == "ok" and made == [], (probe, made)


@pytest.mark.root
def test_a_jail_that_fails_leads_to_the_doctor(house):
    program = house.program("cellblock")
    script = ("mount --bind /bin/false /usr/bin/bwrap; %s run -c 1; code=$?; %s daemon stop; "
              "exit $code" % (program, program))
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=house.env, check=False,
                          capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert "the jail failed" in done.stderr and "cellblock doctor" in done.stderr, done.stderr


@pytest.mark.parametrize("before,name,cause,mend", [
    ("unshare -Uc --keep-caps sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec \"$@\"' -",
     "user", "user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces="),
    ("unshare -Ur", "uid", "maps no uid", "map more ids"),
    ("unshare -Ur", "user", "maps uid 0 only", "map more ids"),
    ("sh -c 'ulimit -n 500; exec \"$@\"' -", "open files", "few sessions", "ulimit -Hn"),
])
def test_doctor_names_what_an_ordinary_user_lacks(user_house, before, name, cause, mend):
    """Each in a user namespace of one's own, where a sysctl or a map is a private matter."""
    script = before + " " + user_house.program("cellblock") + " doctor -o json"
    done = user_house.user.run("sh", "-c", script, env=user_house.env)
    report = json.loads(done.stdout)
    probe = next(p for p in report["probes"] if p["name"] == name)
    assert probe["state"] != "ok" and cause in probe["cause"] and mend in probe["mend"], probe
    assert report["holds"] is False and done.returncode == 1
