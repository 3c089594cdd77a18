"""interrupts.py - SIGINT becomes a KeyboardInterrupt while the user's code runs, and only then.

ipykernel has the default handler from before a cell's code runs until after its answer is sent.
A KeyboardInterrupt that hits its own code there costs the cell its answer. Here one that comes
before the code is kept and raised in its place; one that comes after it, or while the traceback of
an interrupt is made, has nothing to stop.

A person's code runs beside cells too: what draws plots when a cell is over, a widget's callback,
what an object says to Tab. There an interrupt is raised and ends no more than that.
"""

import contextlib
import functools
import signal
import sys
import threading


def _interrupted(code):
    """Code that is interrupted at the first line of the code given."""
    lines = [line for _begin, _end, line in code.co_lines() if line]
    source = "\n" * (min(lines, default=1) - 1) + "raise KeyboardInterrupt"
    return compile(source, code.co_filename, "exec")


class Interrupts:
    """The handler of SIGINT outside the user's code."""

    def __init__(self):
        self._awaiting = None
        self.begin()

    def begin(self):
        """A new request: what came before is not meant for it."""
        self._kept = False
        self._cells = signal.default_int_handler  # a cell may set another, for itself

    def keep(self, *_):
        """Be the handler of SIGINT."""
        self._kept = True

    def guard(self):
        """Take SIGINT back, whatever the handler is."""
        signal.signal(signal.SIGINT, self.keep)

    @contextlib.contextmanager
    def cancel(self, future):
        """Be ipykernel's _cancel_on_sigint, while a cell awaits; its own does not wake the loop."""

        def cancel():
            if self._kept:
                self._kept = False
                future.cancel()

        def keep_and_cancel(*_):
            self._kept = True
            future.get_loop().call_soon_threadsafe(cancel)

        before = signal.signal(signal.SIGINT, keep_and_cancel)
        self._awaiting = keep_and_cancel
        try:
            yield
        finally:
            self._awaiting = None
            signal.signal(signal.SIGINT, before)

    def spare(self, showtraceback):
        """Let showtraceback (the shell's) end what it makes of an interrupt.

        On a busy machine that takes so long that another one comes, and the error would be lost.
        """

        def show(*arguments, **names):
            kind = sys.exc_info()[0]
            if (
                kind is not KeyboardInterrupt
                or threading.current_thread() is not threading.main_thread()
            ):
                return showtraceback(*arguments, **names)
            before = signal.signal(signal.SIGINT, lambda *_: None)
            try:
                return showtraceback(*arguments, **names)
            finally:
                signal.signal(signal.SIGINT, before)

        return show

    def beside(self, work, nothing=lambda *_: None):
        """Let work be interrupted; then what it would have given is nothing's."""

        @functools.wraps(work)
        def run(*arguments, **names):
            if threading.current_thread() is not threading.main_thread():
                return work(*arguments, **names)
            before = signal.getsignal(signal.SIGINT)
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                return work(*arguments, **names)
            except KeyboardInterrupt:
                return nothing(*arguments)
            finally:
                signal.signal(signal.SIGINT, before)

        return run

    def wrap(self, run_code):
        """Let run_code (the shell's, once a statement) be interrupted.

        What is raised beside the code itself becomes the cell's error too.
        """

        async def run(code, result=None, *, async_=False):
            if threading.current_thread() is not threading.main_thread():
                return await run_code(code, result, async_=async_)
            if self._kept:
                self._kept, code, async_ = False, _interrupted(code), False
            before = signal.getsignal(signal.SIGINT)
            if async_ or before not in (self.keep, self._awaiting):
                return await run_code(code, result, async_=async_)
            try:
                signal.signal(signal.SIGINT, self._cells)
                return await run_code(code, result)
            finally:
                self._cells = signal.getsignal(signal.SIGINT)
                signal.signal(signal.SIGINT, before)

        return run


def _default_handler(runner):
    """A loop runner that may be interrupted: trio takes SIGINT only from the default handler.

    IPython makes a cell's error of an interrupt that comes just before or after its loop.
    """

    @functools.wraps(runner)
    def run(coroutine):
        if threading.current_thread() is not threading.main_thread():
            return runner(coroutine)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return runner(coroutine)
        finally:
            signal.signal(signal.SIGINT, before)

    return run


def _no_completions(code, cursor=None, *_):
    at = len(code) if cursor is None else cursor
    return {"matches": [], "metadata": {}, "cursor_start": at, "cursor_end": at, "status": "ok"}


def _no_help(*_):
    return {"found": False, "data": {}, "metadata": {}, "status": "ok"}


def _allow_beside_cells(kernel, interrupts):
    """Where a person's code runs, but no cell's."""
    shell, handlers = kernel.shell, kernel.shell_handlers
    trigger, hear = shell.events.trigger, interrupts.beside(shell.events.trigger)

    def tell(event, *arguments, **names):
        # What comes before the code is for the code.
        (hear if event.startswith("post_") else trigger)(event, *arguments, **names)

    shell.events.trigger = tell
    shell.user_expressions = interrupts.beside(shell.user_expressions, lambda *_: {})
    kernel.do_complete = interrupts.beside(kernel.do_complete, _no_completions)
    kernel.do_inspect = interrupts.beside(kernel.do_inspect, _no_help)
    for name in ("comm_open", "comm_msg", "comm_close"):
        handlers[name] = interrupts.beside(handlers[name])


def install(kernel):
    """Guard the kernel. Instances are changed, not classes."""
    interrupts, set_parent = Interrupts(), kernel.set_parent

    def begin(ident, parent, channel="shell"):
        if channel == "shell":
            interrupts.begin()
        set_parent(ident, parent, channel)

    kernel.set_parent = begin
    kernel.pre_handler_hook = kernel.post_handler_hook = interrupts.guard
    kernel._cancel_on_sigint = interrupts.cancel
    shell = kernel.shell
    shell.run_code = interrupts.wrap(shell.run_code)
    shell.showtraceback = interrupts.spare(shell.showtraceback)
    shell.loop_runner_map = {
        name: (_default_handler(runner) if name in ("curio", "trio") else runner, wait)
        for name, (runner, wait) in shell.loop_runner_map.items()
    }
    _allow_beside_cells(kernel, interrupts)
    interrupts.guard()
