"""test_science.py - numpy, pandas, matplotlib, scipy and scikit-learn really run in a jail, with
and without subprocesses: what the lists of system calls must allow."""
import os

import pytest

NUMPY = """
import numpy as np
a = np.random.default_rng(1).random((300, 300))
print(round(float(np.linalg.det(a @ np.linalg.inv(a))), 6), np.fft.fft(a).shape)
np.save("/work/a.npy", a)
print(np.array_equal(np.load("/work/a.npy", mmap_mode="r"), a))
"""
PANDAS = """
import pandas as pd, numpy as np, io
t = pd.DataFrame({"k": list("abca") * 50, "v": range(200)},
                 index=pd.date_range("2024-01-01", periods=200))
print(t.groupby("k").v.sum().to_dict(), t.v.rolling("7d").mean().iloc[-1])
print(pd.read_csv(io.StringIO(t.to_csv())).merge(t, on="v").shape, t.resample("M").v.max().shape)
import sqlite3
t.reset_index().to_sql("t", sqlite3.connect("/work/t.db"), index=False)
print(pd.read_sql("select count(*) as n from t", sqlite3.connect("/work/t.db")).n[0])
"""
PLOTS = """
import os, matplotlib.pyplot as plt, numpy as np
for kind in ("png", "svg", "pdf"):
    figure, axes = plt.subplots(1, 2)
    axes[0].plot(np.sin(np.linspace(0, 6, 200)), label="$\\\\alpha$"); axes[0].legend()
    axes[1].imshow(np.eye(9)); figure.savefig("/output/plot." + kind); plt.close(figure)
print(sorted(name for name in os.listdir("/output") if os.path.getsize("/output/" + name) > 1000))
"""
SCIPY = """
import numpy as np, scipy.optimize, scipy.sparse.linalg, scipy.stats, scipy.integrate, scipy.signal
print(round(float(scipy.optimize.minimize(scipy.optimize.rosen, [1.3, 0.7]).fun), 6))
n = scipy.sparse.diags([1, -2, 1], [-1, 0, 1], shape=(500, 500), format="csc")
print(scipy.sparse.linalg.spsolve(n, np.ones(500)).shape, round(scipy.stats.norm.cdf(0), 3))
print(round(scipy.integrate.quad(np.sin, 0, np.pi)[0], 6))
print(scipy.signal.welch(np.ones(512))[0].shape)
"""
LEARN = """
import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.ensemble import RandomForestClassifier, HistGradientBoostingClassifier
from sklearn.cluster import KMeans
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
x, y = make_classification(400, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression())
print(cross_val_score(model, x, y, cv=3).mean() > 0.7)
print(RandomForestClassifier(20, n_jobs=2, random_state=0).fit(x, y).score(x, y) > 0.9)
print(HistGradientBoostingClassifier(max_iter=10).fit(x, y).score(x, y) > 0.8)
print(KMeans(3, n_init=2, random_state=0).fit(x).cluster_centers_.shape)
"""
PROCESSES = """
import math
from joblib import Parallel, delayed
print(sum(Parallel(n_jobs=2)(delayed(math.sqrt)(i * i) for i in range(20))))
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC
x, y = make_classification(100, random_state=0)
print(GridSearchCV(SVC(), {"C": [1, 10]}, n_jobs=2, cv=2).fit(x, y).best_score_ > 0.5)
"""
RESULTS = {
    "numpy": (NUMPY, "1.0 (300, 300)\nTrue\n"),
    "pandas": (PANDAS, "{'a': 9950, 'b': 4950, 'c': 5000} 196.0\n(200, 4) (7,)\n200\n"),
    "plots": (PLOTS, "['plot.pdf', 'plot.png', 'plot.svg']\n"),
    "scipy": (SCIPY, "0.0\n(500,) 0.5\n2.0\n(129,)\n"),
    "scikit-learn": (LEARN, "True\nTrue\nTrue\n(3, 20)\n"),
}


def text(run):
    return "".join(output["text"] for output in run["outputs"]
                   if output["output_type"] == "stream" and output["name"] == "stdout")


def check(run, wanted):
    assert run["status"] == "ok", run["error"]
    assert text(run) == wanted
    assert not [one for one in run["outputs"] if one.get("name") == "stderr"], run["outputs"]


@pytest.fixture(params=["mine", "ordinary_user"])
def lab(request, new_house):
    user = request.getfixturevalue("ordinary_user") if request.param == "ordinary_user" else None
    return new_house(user)


@pytest.mark.parametrize("name", RESULTS)
def test_in_the_default_profile(lab, name):
    code, wanted = RESULTS[name]
    run = lab.json("run", "-t", "200", "-c", code)
    check(run, wanted)
    if name == "plots":
        assert sorted(os.path.basename(one["path"]) for one in run["artifacts"]) == [
            "plot.pdf", "plot.png", "plot.svg"]


@pytest.mark.parametrize("name", RESULTS)
def test_without_subprocesses(house, name):
    """The limits of safe_eval but for its time and memory, which a busy test machine needs."""
    code, wanted = RESULTS[name]
    house.start("--set", "profile.lab.inherits=safe_eval", "--set", "profile.lab.wall=200",
                "--set", "profile.lab.memory=1G")
    check(house.json("run", "-P", "lab", "-c", code), wanted)


def test_workers_of_joblib(lab):
    run = lab.json("run", "-P", "data_processing", "-t", "200", "-c", PROCESSES)
    check(run, "190.0\nTrue\n")
