"""test_notebook_life.py - what a person does with a notebook whose kernel is jailed: opens it, runs
all, looks at the plot, interrupts, restarts, opens it in a second tab, shuts it down."""
import os

import pytest

from browser import Browser
from frontends import environment, install, sessions, wait_for_no_session
from notebook_server import NotebookServer
from test_notebook import MISSING

pytestmark = [pytest.mark.limit(1500), pytest.mark.skipif(
    bool(MISSING), reason="not installed: %s; as root: scripts/install-packages browser"
    % " ".join(MISSING))]

CELLS = ["import time\nimport matplotlib.pyplot as plt\nvalues = [1, 3, 2]",
         "plt.plot(values);",
         "print('sum', sum(values))",
         "print('left over' if 'shared' in globals() else 'all new')"]
SETUP, PLOT, SUM, NEW = range(len(CELLS))
BUTTON = "document.querySelector('button[data-jupyter-action=\"jupyter-notebook:%s\"]')"


@pytest.fixture
def notebooks(house):
    house.start()
    folder = os.path.join(house.folder, "notebook")
    os.mkdir(folder, 0o700)
    install(house)
    with NotebookServer(folder, {}, environment(house)) as server:
        with Browser(folder) as chromium:
            yield server, chromium


def loaded(page):
    page.wait("Jupyter.notebook._fully_loaded && Jupyter.notebook.kernel.is_connected()")
    return page


def shows(page, cell, text):
    """Waits until the text is in what the cell shows."""
    page.wait("Jupyter.notebook.get_cells()[%d].output_area.element.text().includes(%r)"
              % (cell, text))


def execute(page, cell, code=None):
    if code is not None:
        page.evaluate("Jupyter.notebook.get_cells()[%d].set_text(%r)" % (cell, code))
    page.evaluate("Jupyter.notebook.get_cells()[%d].execute()" % cell)


def check_run(page):
    """All cells have been run by a new kernel, in order."""
    shows(page, NEW, "all new")
    shows(page, SUM, "sum 6")
    page.wait("Jupyter.notebook.get_cells()[%d].element[0].querySelector('.output_png img')"
              ".naturalWidth > 100" % PLOT)
    # The numbers come with the replies, which may be later than what is shown.
    page.wait("Jupyter.notebook.get_cells().every(it => Number.isInteger(it.input_prompt_number))")
    assert page.evaluate("Jupyter.notebook.get_cells().map(it => it.input_prompt_number)") == [
        1, 2, 3, 4]
    page.wait("!Jupyter.notebook.kernel_busy")


def test_a_notebook_of_a_jailed_kernel(house, build, notebooks):
    server, chromium = notebooks
    url = server.notebook("life", "cellblock", CELLS)
    page = loaded(chromium.open(url))
    page.evaluate("Jupyter.notebook.execute_all_cells()")
    check_run(page)
    assert len(sessions(house)) == 1
    name = sessions(house)[0]["name"]
    page.wait("document.querySelector('#help_menu').textContent.includes("
              "'Jailed: session %s, profile default')" % name)
    page.keep(build, "notebook-run")

    # A second tab is at the same kernel: what one makes the other has.
    second = loaded(chromium.open(url))
    execute(second, SUM, "shared = 'from the second tab'\nprint('set', 'there')")
    shows(second, SUM, "set there")
    execute(page, NEW, "print(shared)")
    shows(page, NEW, "from the second tab")
    assert len(sessions(house)) == 1

    execute(page, SUM, "print('begun')\ntime.sleep(3600)")
    shows(page, SUM, "begun")
    page.evaluate(BUTTON % "interrupt-kernel" + ".click()")
    shows(page, SUM, "KeyboardInterrupt")
    execute(second, SUM, "print('still', 'here', shared)")
    shows(second, SUM, "still here from the second tab")

    for cell in (SUM, NEW):
        page.evaluate("Jupyter.notebook.get_cells()[%d].set_text(%r)" % (cell, CELLS[cell]))
    page.evaluate(BUTTON % "confirm-restart-kernel-and-run-all-cells" + ".click()")
    page.wait("document.querySelector('.modal.in .btn-danger') != null")
    page.evaluate("document.querySelector('.modal.in .btn-danger').click()")
    check_run(page)
    assert [info["name"] for info in sessions(house)] == [name], "the same session, a new kernel"
    page.keep(build, "notebook-restarted")

    for one in server.request("GET", "/api/sessions"):
        server.request("DELETE", "/api/sessions/" + one["id"])
    wait_for_no_session(house)
