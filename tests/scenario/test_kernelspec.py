"""test_kernelspec.py - `cellblock kernelspec`: what it writes, whose it leaves alone, and programs
that start a kernel by it: jupyter kernelspec, console, nbconvert."""
import json
import os
import shutil
import subprocess

import nbformat
import pytest

from frontends import environment, folder, install, sessions, wait_for_no_session
from terminal import Terminal

# Python alone may take minutes to begin on a machine that is busy with much else.
SECONDS = 500
pytestmark = pytest.mark.limit(600)
PYTHON = "/usr/bin/python3"


def kernel_json(house, name="cellblock"):
    with open(os.path.join(folder(house), "share/jupyter/kernels", name, "kernel.json"),
              encoding="utf-8") as file:
        return json.load(file)


def jupyter(house, *arguments, **more):
    """`jupyter ARGUMENTS` as the house's user; its output."""
    done = subprocess.run(house._prefix() + [PYTHON, "-W", "ignore", "-m", *arguments], check=False,
                          env=environment(house), capture_output=True, text=True, cwd="/",
                          timeout=SECONDS, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def notebook(house, *cells):
    path = os.path.join(folder(house), "cells.ipynb")
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(book, path)
    if house.user:
        os.chown(path, house.user.uid, house.user.gid)
    return path


# -- what is written ------------------------------------------------------------------------------

@pytest.mark.everyone
def test_install_and_remove(house):
    done = house.cellblock("kernelspec", "install", "--prefix", folder(house))
    kernels = os.path.join(folder(house), "share/jupyter/kernels")
    assert done.returncode == 0 and done.stdout == kernels + "/cellblock\n" and done.stderr == ""
    spec = kernel_json(house)
    assert spec["argv"] == [house.program("cellblock"), "kernel", "-f", "{connection_file}"]
    assert spec["display_name"] == "Python 3 (jailed)" and spec["language"] == "python"
    assert spec["interrupt_mode"] == "message" and spec["metadata"]["debugger"] is False
    assert sorted(os.listdir(kernels + "/cellblock")) == \
        ["kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"]
    assert os.stat(kernels + "/cellblock/kernel.json").st_mode & 0o777 == 0o644
    listed = json.loads(jupyter(house, "jupyter_client.kernelspecapp", "list", "--json"))
    assert listed["kernelspecs"]["cellblock"]["spec"]["display_name"] == "Python 3 (jailed)"
    # Again: it is ours.
    assert house.cellblock("kernelspec", "install", "--prefix", folder(house)).returncode == 0
    done = house.cellblock("kernelspec", "remove", "--prefix", folder(house))
    assert done.returncode == 0 and os.listdir(kernels) == []
    done = house.cellblock("kernelspec", "remove", "--prefix", folder(house))
    assert done.returncode == 1 and "there is no kernelspec" in done.stderr


def test_one_for_each_profile(daemon):
    install(daemon, "--profile", "data_processing")
    install(daemon, "--profile", "plotting", "--name", "plots", "--active-output", "full")
    first, second = kernel_json(daemon, "cellblock-data_processing"), kernel_json(daemon, "plots")
    assert first["display_name"] == "Python 3 (jailed, data_processing)"
    assert first["argv"][4:] == ["--profile", "data_processing"]
    assert second["display_name"] == "Python 3 (jailed, plotting, active output)"
    assert second["argv"][4:] == ["--profile", "plotting", "--active-output", "full"]


def test_a_profile_with_a_debugger_says_so(house):
    house.start("--set", "profile.debugging.loopback=on")
    install(house, "--profile", "debugging")
    assert kernel_json(house, "cellblock-debugging")["metadata"]["debugger"] is True


def test_what_cannot_be_installed(daemon):
    def refused(*arguments, code=1):
        done = daemon.cellblock("kernelspec", *arguments)
        assert done.returncode == code and done.stdout == "", done
        return done.stderr
    prefix = ["--prefix", folder(daemon)]
    error = refused("install", *prefix, "--profile", "nonesuch")
    assert "nonesuch" in error and "default" in error and "plotting" in error
    assert "letters" in refused("install", *prefix, "--name", "a/b")
    assert "letters" in refused("install", *prefix, "--name", "")
    assert "only one" in refused("install", "--user", *prefix)
    assert "no folder" in refused("remove", "--prefix", "")
    assert "full" in refused("install", *prefix, "--active-output", "half", code=2)
    refused("install", code=2, *["more"])
    refused("instal", code=2)
    assert not os.path.exists(os.path.join(folder(daemon), "share"))


def test_what_others_made_stays(daemon):
    path = os.path.join(folder(daemon), "share/jupyter/kernels/python3")
    os.makedirs(path)
    text = '{"argv": ["python3"], "display_name": "mine", "language": "python"}'
    for content in (text, "no JSON"):
        with open(os.path.join(path, "kernel.json"), "w", encoding="utf-8") as file:
            file.write(content)
        for verb in ("install", "remove"):
            done = daemon.cellblock("kernelspec", verb, "--prefix", folder(daemon), "--name",
                                    "python3")
            assert done.returncode == 1 and "did not make" in done.stderr
        with open(os.path.join(path, "kernel.json"), encoding="utf-8") as file:
            assert file.read() == content


def test_a_file_that_is_not_ours_keeps_its_folder(daemon):
    install(daemon)
    path = os.path.join(folder(daemon), "share/jupyter/kernels/cellblock")
    with open(os.path.join(path, "notes"), "w", encoding="utf-8"):
        pass
    done = daemon.cellblock("kernelspec", "remove", "--prefix", folder(daemon))
    assert done.returncode == 0 and "other files" in done.stderr
    assert os.listdir(path) == ["notes"]


def test_where_one_may_not_write(user_house):
    done = user_house.cellblock("kernelspec", "install")
    assert done.returncode == 1 and "--user" in done.stderr
    done = user_house.cellblock("kernelspec", "install", "--prefix", "/usr")
    assert done.returncode == 1 and "--prefix DIR" in done.stderr


def test_places(daemon):
    """As Jupyter finds them."""
    home = folder(daemon)
    rows = [(["--user"], {"HOME": home}, ".local/share/jupyter"),
            (["--user"], {"XDG_DATA_HOME": home + "/x"}, "x/jupyter"),
            (["--user"], {"JUPYTER_DATA_DIR": home + "/d"}, "d"),
            (["--sys-prefix"], {"VIRTUAL_ENV": home + "/v"}, "v/share/jupyter"),
            (["--sys-prefix"], {"PATH": home + "/p/bin:/usr/bin"}, "p/share/jupyter")]
    os.makedirs(home + "/p/bin")
    os.symlink(PYTHON, home + "/p/bin/python3")
    for arguments, env, where in rows:
        done = daemon.cellblock("kernelspec", "install", *arguments, env=env)
        assert done.stdout == os.path.join(home, where, "kernels/cellblock") + "\n", done.stderr


# -- who uses it ----------------------------------------------------------------------------------

@pytest.mark.everyone
def test_nbconvert(house):
    """A daemon starts by itself; nothing stays."""
    install(house)
    path = notebook(house, "import os\nos.getcwd()", "x = 6 * 7", "print(x)")
    jupyter(house, "nbconvert", "--to", "notebook", "--execute", "--inplace",
            "--ExecutePreprocessor.startup_timeout=%d" % SECONDS,
            "--ExecutePreprocessor.kernel_name=cellblock", path)
    book = nbformat.read(path, 4)
    assert book.cells[0].outputs[0].data["text/plain"] == "'/work'"
    assert book.cells[2].outputs[0].text == "42\n"
    wait_for_no_session(house)


@pytest.mark.everyone
def test_console(house):
    """A prompt and its end."""
    install(house)
    env = environment(house)
    terminal = Terminal(house, **{name: env[name] for name in env
                                  if name.startswith(("JUPYTER", "IPYTHON"))})
    try:
        terminal.type(PYTHON + " -W ignore -m jupyter_console --kernel cellblock; echo le""ft it")
        terminal.wait("In [1]:")
        terminal.type("print('six' * 2)")
        terminal.wait("sixsix")
        assert [s["state"] for s in sessions(house)] == ["idle"]
        terminal.wait("In [2]:")
        terminal.type("exit")
        terminal.wait("left it")
        wait_for_no_session(house)
    finally:
        terminal.close()
        for name in os.listdir(house.tmp):
            shutil.rmtree(os.path.join(house.tmp, name))
