"""lighter.py - leaves out what IPython and ipykernel import but a jailed kernel never uses.

Between begin() and end() two modules are stand-ins: the debugger (90 ms, and it
needs TCP: it stays where the jail has a loopback network) and the terminal
front end (prompt_toolkit, 40 ms). Afterwards a cell can import both as ever.
"""

import sys
import types

_DEBUGGER = "debugpy"
_TERMINAL = "IPython.terminal.embed"


def _embed(*args, **kwargs):
    from IPython.terminal.embed import embed

    return embed(*args, **kwargs)


def begin(with_debugger=False):
    """Put the stand-ins in place."""
    if not with_debugger:
        sys.modules[_DEBUGGER] = None  # an ImportError, which ipykernel expects
    terminal = types.ModuleType(_TERMINAL)
    terminal.embed = _embed
    sys.modules[_TERMINAL] = terminal


def end():
    """Take them away."""
    if sys.modules.get(_DEBUGGER, True) is None:
        del sys.modules[_DEBUGGER]
    del sys.modules[_TERMINAL]
