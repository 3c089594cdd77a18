"""qt_console.py FOLDER ARGUMENT... - Jupyter's Qt console without a screen, as a person uses it.

A program of its own, for Qt wants a process. Prints the facts it saw as one JSON object, and leaves
a picture of its window in the folder. With --existing it is attached, else the kernel is its own.
"""
import json
import os
import sys
import time

os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.dont_write_bytecode = True

from qtconsole.qtconsoleapp import JupyterQtConsoleApp  # noqa: E402
from qtpy import QtCore  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402

SECONDS = 120


class Person:
    """Types, and looks at the window."""

    def __init__(self, arguments):
        self.app = JupyterQtConsoleApp()
        self.app.initialize(arguments)
        self.widget = self.app.widget
        self.widget.confirm_restart = False
        self.own = self.widget.kernel_manager is not None
        self.app.window.show()

    def text(self):
        return self.widget._control.toPlainText()

    def until(self, true, what):
        end = time.monotonic() + SECONDS
        while not true():
            if time.monotonic() > end:
                raise SystemExit("not seen: %s\n%s" % (what, self.text()))
            self.app.app.processEvents()
            time.sleep(0.01)

    def sees(self, text, times=1):
        self.until(lambda: self.text().count(text) >= times, text)

    def pictures(self):
        return self.widget._control.document().toHtml().count("<img ")

    def prompt(self):
        """It waits for the next line, an empty one."""
        self.until(lambda: not self.widget._executing and self.widget.input_buffer == "" and
                   self.text().rstrip().endswith("]:"), "a prompt")

    def run(self, code, seen):
        self.prompt()
        self.widget.execute(code)
        self.sees(seen)

    def keys(self, text):
        QTest.keyClicks(self.widget._control, text)

    def enter(self):
        QTest.keyClick(self.widget._control, QtCore.Qt.Key_Return)

    def completes(self):
        self.prompt()
        self.keys("a_long_n")
        QTest.keyClick(self.widget._control, QtCore.Qt.Key_Tab)
        self.until(lambda: self.widget.input_buffer == "a_long_name", "a completion")
        self.widget.input_buffer = ""

    def is_asked(self):
        self.prompt()
        self.widget.execute("print('hello', input('who? '))")
        self.until(lambda: self.widget._reading, "a question")
        self.keys("Ada")
        self.enter()
        self.sees("hello Ada")

    def sees_a_plot(self):
        before = self.pictures()
        self.prompt()
        self.widget.execute("import matplotlib.pyplot as plt; plt.plot([1, 3, 2]);")
        self.until(lambda: self.pictures() > before, "a plot")

    def interrupts(self):
        self.run("import time; print('be' 'gun'); time.sleep(3600)", "begun")
        self.widget.interrupt_kernel()
        self.sees("KeyboardInterrupt")

    def restarts(self):
        self.prompt()
        self.widget.restart_kernel("Restart?", now=True)
        self.sees("Restarting kernel")
        self.is_answered()
        self.run("print('left' if 'a_long_name' in globals() else 'all ' 'new')", "all new")

    def is_answered(self):
        """What is asked while a kernel begins may be lost, so it is asked again."""
        client, answers = self.widget.kernel_client, []
        client.shell_channel.message_received.connect(answers.append)

        def asked():
            if time.monotonic() > asked.next:
                client.kernel_info()
                asked.next = time.monotonic() + 1
            return any(one["msg_type"] == "kernel_info_reply" for one in answers)
        asked.next = 0
        self.until(asked, "an answer")

    def leaves(self):
        """As File > Quit does; what is somebody else's stays."""
        self.widget.kernel_client.stop_channels()
        if self.own:
            self.widget.kernel_manager.shutdown_kernel()


def main(folder, *arguments):
    person = Person(list(arguments))
    person.sees("In [1]")
    banner = [line for line in person.text().split("\n") if "jailed" in line]
    person.run("a_long_name = 6 * 7\nprint('answer', a_long_name)", "answer 42")
    person.completes()
    person.is_asked()
    person.sees_a_plot()
    person.run("1 / 0", "ZeroDivisionError")
    if person.own:
        person.interrupts()
    person.prompt()
    person.app.window.grab().save(os.path.join(folder, "qtconsole.png"))
    if person.own:
        person.restarts()
    person.leaves()
    print(json.dumps({"own": person.own, "banner": banner, "pictures": person.pictures()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
