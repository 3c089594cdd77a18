"""magics.py - IPython's commands in a jail: each works, or says in a sentence why it does not.

What reaches out of the kernel is here: programs (!cmd, %%bash), pip, windows, editors, the
connection file, leaving. Everything else of IPython's is as ever.
"""

import contextlib
import functools
import importlib
import os
import re
import site
import sys

from IPython.display import publish_display_data

from . import hints

# Where plots and event loops need a screen; the others draw into messages or files.
WITHOUT_SCREEN = {"inline", "agg", "svg", "pdf", "ps", "asyncio"}
# These are JavaScript in a front end.
ACTIVE = {"nbagg", "notebook", "ipympl", "widget"}
WIDGET = "application/vnd.jupyter.widget-view+json"
PIP = re.compile(r"(^|[;&|/\s])pip3?(\s+-\S+)*\s+install\b")


class Refused(PermissionError):
    """What the jail has no part for: shown as its sentence alone."""

    def _render_traceback_(self):
        return [f"cellblock: {self}"]


def tell(sentence):
    """A line of ours below or above what a cell prints."""
    print(f"cellblock: {sentence}", file=sys.stderr, flush=True)


# ---- programs ----


def _set(variables):
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _environment_of_pip(network):
    """Let pip do what can be done: it installs files below /work and asks no index at length.

    Debian's guard of its own packages has nothing to guard where they are read-only.
    """
    wanted = {"PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
              "PIP_NO_INDEX" if network == "none" else "PIP_RETRIES": "1",
              "PYTHONNOUSERSITE": None}
    before = {name: os.environ.get(name) for name in wanted}
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _find_installed():
    """Import from where pip installs (python3 -I leaves that out), once it is there."""
    folder = site.getusersitepackages()
    if os.path.isdir(folder) and folder not in sys.path:
        sys.path.append(folder)
        os.environ.pop("PYTHONNOUSERSITE", None)
    importlib.invalidate_caches()


def _run_pip(shell, run, command, jail):
    with _environment_of_pip(jail.network):
        result = run(command)
    _find_installed()
    if shell.user_ns.get("_exit_code") or "No matching distribution" in str(result):
        tell(
            f"{hints.says_no_network(jail, '')}: pip finds what this machine has below /usr, and "
            "files: give a wheel with --input PATH and install /input/NAME.whl"
        )
    return result


def _mend_programs(shell, name, jail):
    """shell.system and shell.getoutput, through which every command line goes."""
    run = getattr(shell, name)

    @functools.wraps(run)
    def checked(command, *args, **kwargs):
        if not jail.subprocesses:
            raise Refused(hints.says_no_programs(jail))
        if PIP.search(command):
            return _run_pip(shell, lambda line: run(line, *args, **kwargs), command, jail)
        if hints.goes_out(command):
            # At once: some programs try for longer than a cell may run.
            tell(hints.says_no_network(jail))
        return run(command, *args, **kwargs)

    setattr(shell, name, checked)


# ---- single commands ----


def _replace(shell, kind, name, make):
    magics = shell.magics_manager.magics[kind]
    if name in magics:
        magics[name] = functools.wraps(magics[name])(make(magics[name]))


def _refuse(sentence):
    def make(_magic):
        def refuse(*_arguments):
            raise Refused(sentence)

        return refuse

    return make


def _say(sentence):
    def make(_magic):
        def say(*_arguments):
            tell(sentence)

        return say

    return make


def _mend_cd(change, jail):
    def cd(line=""):
        before = os.getcwd()
        result = change(line)
        path = os.path.expanduser(line.replace("-q", "").strip().strip("'\""))
        if os.getcwd() == before and path[:1] != "-" and not os.path.exists(path):
            sentence = hints.says_missing(path, jail)
            if sentence:
                tell(sentence)
        return result

    return cd


def _mend_screen(shell, jail):
    """Plots go inline, and no event loop waits for a screen that is not there."""
    shown = WITHOUT_SCREEN | ACTIVE if jail.active_output else WITHOUT_SCREEN
    enable_matplotlib, enable_gui = shell.enable_matplotlib, shell.enable_gui

    def matplotlib(gui=None):
        from IPython.core import pylabtools

        wanted = gui
        if not gui or gui == "auto":
            backend = pylabtools.find_gui_and_backend("auto", shell.pylab_gui_select)[1]
            wanted = pylabtools.backend2gui.get(backend)
        if wanted in ACTIVE - shown:
            tell(
                "plots that move are not shown under active_output = sandbox, so they are shown "
                "inline; a session made with -l active_output=full shows them"
            )
            gui = "inline"
        elif wanted and wanted not in shown:
            tell(f"this jail has no screen for {wanted}: plots are shown inline")
            gui = "inline"
        return enable_matplotlib(gui)

    def event_loop(gui=None):
        if gui and gui not in WITHOUT_SCREEN | ACTIVE:
            tell(f"this jail has no screen: there is no event loop of {gui}")
            return None
        return enable_gui(gui)

    shell.enable_matplotlib, shell.enable_gui = matplotlib, event_loop


def _mend_widgets(shell):
    """The daemon puts its sentence in the place of each. Old ones, which nobody answers, would say
    that their JavaScript is missing."""

    def show(widget):
        data = {"text/plain": repr(widget)}
        if getattr(widget, "_view_name", None) is not None:
            data[WIDGET] = {"model_id": widget.model_id}
        publish_display_data(data)

    shell.display_formatter.ipython_display_formatter.for_type_by_name(
        "ipywidgets.widgets.widget", "Widget", show
    )


def _mend_exit(shell, jail):
    """exit and quit leave the front end. The kernel may have other clients: who began it ends it
    by its protocol, not by ending under them all."""

    def ask_exit():
        keep = shell.keepkernel_on_exit
        shell.payload_manager.write_payload({"source": "ask_exit", "keepkernel": keep})
        if not keep:
            tell(
                "exit asks the front end to leave; where that does not end the session,"
                f" {jail.command('stop')} does"
            )

    shell.ask_exit = ask_exit


def install(shell, jail):
    """Mend the shell. Instances are changed, not classes."""
    for name in ("system", "getoutput"):
        _mend_programs(shell, name, jail)
    if not jail.subprocesses:
        scripts = shell.magics_manager.registry["ScriptMagics"].script_magics
        for name in ("script", *scripts):
            _replace(shell, "cell", name, _refuse(hints.says_no_programs(jail)))
    for name in ("edit", "ed"):
        _replace(shell, "line", name, _refuse(
            "an editor on your side does not see this jail's files: write them with %%writefile, "
            f"or bring them in with {jail.command('put')} FILE"
        ))
    _replace(shell, "line", "connect_info", _say(
        f"the connection file is outside of this jail: {jail.command('attach')} tells where"
    ))
    _replace(shell, "line", "qtconsole", _say(
        "a jail opens no windows; outside, jupyter qtconsole --existing "
        f"$({jail.command('attach')} --path) does"
    ))
    _replace(shell, "line", "cd", functools.partial(_mend_cd, jail=jail))
    _mend_screen(shell, jail)
    if not jail.active_output:
        _mend_widgets(shell)
    _mend_exit(shell, jail)
