"""test_widgets.py - what moves in a notebook, in a real browser: a widget's slider in both
directions, progress, plots, figures. Under sandbox a sentence stands in the place of each."""
import importlib.util
import os

import pytest

import leaks
from attached import connection_file
from browser import Browser
from notebook_server import NotebookServer
from test_notebook import MISSING, output

MISSING = MISSING + ["python3-" + name for name in ("ipywidgets", "widgetsnbextension", "plotly")
                     if not importlib.util.find_spec(name)]

pytestmark = [pytest.mark.limit(1500), pytest.mark.skipif(
    bool(MISSING), reason="not installed: %s; as root: scripts/install-packages browser"
    % " ".join(MISSING))]

CELLS = ["""import ipywidgets
slider = ipywidgets.IntSlider(value=3, description='amount')
slider""", """label = ipywidgets.Label('not moved')
slider.observe(lambda change: setattr(label, 'value', 'now %d' % change.new), 'value')
label""", """from tqdm import tqdm
for _ in tqdm(range(20)): pass""", """from IPython.display import HTML, ProgressBar
for _ in ProgressBar(5): pass""", """import matplotlib.pyplot as plt
plt.plot([1, 3, 2]);""", """HTML('<b>bold</b>')""", """import plotly.graph_objects as go
go.Figure(go.Bar(x=[1, 2, 3], y=[4, 1, 2]))""", """%matplotlib notebook
plt.plot([2, 1, 3]);""", "print('done')"]
SLIDER, LABEL, TQDM, PROGRESS, PLOT, BOLD, FIGURE, MOVING, DONE = range(len(CELLS))
READY = "print(ipywidgets.Widget._version_validated)"
NOT_SHOWN = "cellblock: %s not shown under active_output = sandbox"


def element(cell, what):
    return "Jupyter.notebook.get_cells()[%d].element[0].querySelector(%r)" % (cell, what)


@pytest.fixture
def notebooks(house):
    house.start("--set", "profile.open.active_output=full")
    for session, profile in (("closed", "default"), ("open", "open")):
        house.client().call("new", name=session, profile=profile, wait=True)
        # Debian's ipywidgets (6.0) wants to be there before the page is.
        assert house.cellblock("run", "-s", session, "-c", "import ipywidgets").returncode == 0
    folder = os.path.join(house.folder, "notebook")
    os.mkdir(folder, 0o700)
    with NotebookServer(folder, {name: connection_file(house, name)
                                 for name in ("closed", "open")}) as server:
        with Browser(folder) as chromium:
            yield server, chromium


def run_all(house, server, chromium, kernel):
    page = chromium.open(server.notebook(kernel, kernel, CELLS))
    page.wait("Jupyter.notebook._fully_loaded && Jupyter.notebook.kernel.is_connected() && "
              "'jupyter.widget' in Jupyter.notebook.kernel.comm_manager.targets")
    if kernel == "open":  # else they say, with plain ipykernel too, that nobody has answered yet
        leaks.wait_for(lambda: "True" in house.cellblock("run", "-s", kernel, "-c", READY).stdout)
    page.evaluate("Jupyter.notebook.execute_all_cells()")
    page.wait("Jupyter.notebook.get_cells().slice(-1)[0].output_area.outputs.length == 1")
    return page


def value(house):
    """Of the slider, in the kernel."""
    done = house.cellblock("run", "-s", "open", "-c", "print(slider.value)")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def readout(page):
    return int(page.evaluate(element(SLIDER, ".widget-readout") + ".textContent"))


def check_the_slider(house, page):
    page.wait(element(SLIDER, ".ui-slider-handle") + " != null")
    assert readout(page) == value(house) == 3
    page.click(element(SLIDER, ".ui-slider"))
    page.wait("%s.textContent != '3'" % element(SLIDER, ".widget-readout"))
    moved = readout(page)
    assert 3 < moved < 100, "the middle of the slider was clicked"
    assert leaks.wait_for(lambda: value(house) == moved, 120), "the kernel has not followed"
    page.wait("%s.textContent == 'now %d'" % (element(LABEL, ".widget-label"), moved))
    assert house.cellblock("run", "-s", "open", "-c", "slider.value = 71").returncode == 0
    page.wait("%s.textContent == '71'" % element(SLIDER, ".widget-readout"))
    page.wait("%s.textContent == 'now 71'" % element(LABEL, ".widget-label"))


def test_widgets_and_figures(house, build, notebooks):
    server, chromium = notebooks
    page = run_all(house, server, chromium, "open")
    check_the_slider(house, page)
    page.wait(element(FIGURE, ".js-plotly-plot .main-svg .bars") + " != null")
    # The moving plot draws itself by pictures that the kernel sends.
    page.wait("Array.from(%s.getContext('2d').getImageData(0, 0, 600, 400).data).some(it => it)"
              % element(MOVING, "canvas"))
    check_what_is_always_shown(page)
    page.keep(build, "widgets-full", 2900)
    page.close()

    page = run_all(house, server, chromium, "closed")
    check_what_is_always_shown(page)
    for cell, what in ((SLIDER, "a widget is"), (LABEL, "a widget is"),
                       (MOVING, "plots that move are")):
        assert output(page, cell - len(CELLS), "textContent").startswith(NOT_SHOWN % what), cell
    page.wait(element(MOVING, ".output_png img") + " != null")
    # Before its figure, plotly brings all of its JavaScript as HTML.
    assert output(page, FIGURE - len(CELLS), "textContent").startswith(
        NOT_SHOWN % "HTML that is too large is")
    assert NOT_SHOWN % "a Plotly figure is" in page.evaluate(element(FIGURE, "iframe") + ".srcdoc")
    page.keep(build, "widgets-sandbox", 2900)


def check_what_is_always_shown(page):
    page.wait(element(PLOT, ".output_png img") + ".naturalWidth > 100")
    assert "100%" in output(page, TQDM - len(CELLS), "textContent")
    assert page.evaluate(element(PROGRESS, "progress") + ".value") == 5
    assert page.evaluate(element(BOLD, ".output_html b") + ".textContent") == "bold"
