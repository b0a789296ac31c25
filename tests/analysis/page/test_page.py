"""The page: what stands in it, and that a real browser draws it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caviar.scheduler import Results, Sweep
from caviar.scheduler.analysis.page.data import page_data
from caviar.scheduler.analysis.page.page import write_page
from caviar.search_spaces import Choice, InverseLog, Log, Ordinal, SearchSpace

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
KINDS, SIZES = ["</script><b>", "plain & simple"], [16, 64, 256]
SPACE = SearchSpace(
    {
        "lr": Log(1e-4, 1.0),
        "momentum": InverseLog(0.9, 0.999, when={"kind": ["</script><b>"]}),
        "kind": Choice(KINDS),
        "size": Ordinal(SIZES),
        "nested": Choice([[1, 2], {"a": "<i>"}]),
    }
)


def train(trial: Any) -> Any:
    """Never called: the sweeps are simulated."""
    yield {}


def simulated(trials: int, metric: str = "loss<b>", mode: str = "min", steps: int = 9) -> Results:
    """A sweep of curves that fall, or rise, over some decades."""

    def curve(config: Any, seed: int) -> list[float]:
        values = (abs(np.log10(config["lr"]) + 2) + 0.01) / np.arange(1, steps + 1) ** 2
        return list(values if mode == "min" else -values)

    fields: Any = {"resource": {"max": steps}, "budget": {"trials": trials}, "metric": metric, "mode": mode}
    fields["proposer"] = "model" if trials < 1000 else "design"
    return Sweep(train, space=SPACE, name="s", **fields).simulate(curve)


def data_of(results: Results) -> dict[str, Any]:
    return page_data(results, SPACE.domains, "epoch", results.best.trial)


def in_browser(page: Path, profile: Path, *options: str) -> tuple[str, list[str]]:
    """The document after its script has run, and what the console said."""
    assert BROWSER is not None
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [BROWSER, "--headless", "--no-sandbox", *quiet, f"--user-data-dir={profile}", "--enable-logging=stderr"]
    command += ["--virtual-time-budget=20000", *options, "--dump-dom", page.as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    return run.stdout, [line for line in run.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium to open the page with")
@pytest.mark.parametrize(
    ("trials", "options"),
    [(60, ["--disable-gpu"]), (3000, ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"])],
    ids=["as SVG", "many, by WebGL"],
)
@pytest.mark.slow
def test_a_browser_draws_every_plot_and_complains_about_nothing(
    tmp_path: Path, trials: int, options: list[str]
) -> None:
    write_page(simulated(trials), tmp_path / "page.html")
    document, console = in_browser(tmp_path / "page.html", tmp_path / "profile", *options)
    complaints = [line for line in console if "GPU stall due to ReadPixels" not in line]
    assert complaints == []
    assert 'data-drawn="true"' in document
    for plot in ("curves", "progress", "hyperparameters"):
        drawn = document[document.index(f'id="{plot}"') :]
        assert re.match(r'id="\w+" class="plot js-plotly-plot"', drawn)
        assert "main-svg" in drawn
    assert document.count('class="xtick"') > 10
    assert ("<canvas" in document) == (trials > 1000)


def test_the_page_loads_nothing_and_escapes_everything(tmp_path: Path) -> None:
    write_page(simulated(20), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    head, _, rest = text.partition("</main>")
    assert "default-src 'none'" in head
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?!data:)", text)
    assert "<b>" not in re.sub(r"<b>[\d.e+-]+</b>", "", head)
    assert "loss&lt;b&gt;" in head
    assert rest.count("</script>") == 3


def test_the_table_has_the_best_trials_and_says_how_many_are_left_out(tmp_path: Path) -> None:
    results = simulated(60)
    write_page(results, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    first = re.search(r'<tbody><tr><td class="number" data-value="(\d+)">', text)
    assert first is not None
    assert int(first[1]) == results.best.trial
    assert text.count("<tr><td class") == 50
    assert "10 more are in trials.parquet" in text


def test_curves_are_few_traces_with_gaps_between_the_trials() -> None:
    results = simulated(60)
    curves = data_of(results)["curves"]
    assert curves["drawn"] == curves["trials"] == 60
    assert len(curves["groups"]) <= 6
    gaps = sum(int(np.isnan(group["y"]).sum()) for group in curves["groups"])
    points = sum(len(group["y"]) for group in curves["groups"])
    assert gaps == 60 - len(curves["groups"])
    assert points - gaps == len(results.reports())


def test_trials_that_went_further_have_a_stronger_shade() -> None:
    groups = data_of(simulated(60))["curves"]["groups"]
    reach = [max(group["x"]) for group in sorted(groups, key=lambda group: float(group["shade"]))]
    assert reach == sorted(reach)
    assert reach[-1] == 9


def test_of_too_many_points_the_best_trials_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caviar.scheduler.analysis.page.data._MOST_POINTS", 60)
    results = simulated(90)
    curves = data_of(results)["curves"]
    drawn = {int(trial) for group in curves["groups"] for trial in group["trial"]}
    assert curves["drawn"] < 60 < curves["trials"] == 90
    assert results.best.trial in drawn


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_so_far_only_gets_better_and_ends_at_the_best_value(mode: str) -> None:
    results = simulated(40, mode=mode)
    progress = data_of(results)["progress"]
    values = progress["y"] if mode == "min" else -progress["y"]
    assert (np.diff(values) <= 0).all()
    assert progress["y"][-1] == results.best.value
    assert progress["x"][-1] == len(results.reports())


def test_a_metric_that_spans_decades_has_a_log_axis_and_a_negative_one_has_not() -> None:
    assert data_of(simulated(40))["log"]
    assert data_of(simulated(40, mode="max"))["log"] is None


def test_every_hyperparameter_is_drawn_on_its_own_scale() -> None:
    panels = {panel["name"]: panel for panel in data_of(simulated(40))["hyperparameters"]["panels"]}
    scales = {name: panel["scale"] for name, panel in panels.items()}
    assert scales == {"lr": "log", "momentum": "inverse_log", "kind": "options", "size": "options", "nested": "options"}
    assert panels["kind"]["labels"] == ["&lt;/script&gt;&lt;b&gt;", "plain &amp; simple"]
    assert panels["size"]["labels"] == ["16", "64", "256"]
    assert panels["nested"]["labels"] == ["[1,2]", "{&quot;a&quot;:&quot;&lt;i&gt;&quot;}"]


def test_panels_show_where_the_search_looked_and_how_much_each_hyperparameter_matters() -> None:
    results = simulated(60)
    panels = {panel["name"]: panel for panel in data_of(results)["hyperparameters"]["panels"]}
    regions = results.regions().to_pylist()
    last = {row["hyperparameter"]: row for row in regions if row["proposal"] == regions[-1]["proposal"]}
    assert {len(panel["bands"]) for panel in panels.values()} == {len({row["proposal"] for row in regions})}
    assert panels["lr"]["bands"][-1] == [(last["lr"]["low"], last["lr"]["high"])]
    assert panels["momentum"]["bands"][-1] == [(1 - last["momentum"]["high"], 1 - last["momentum"]["low"])]
    kinds = [place for place, kind in enumerate(KINDS) if kind in json.loads(last["kind"]["options"])]
    assert panels["kind"]["bands"][-1] == [(place - 0.5, place + 0.5) for place in kinds]
    sizes = [place for place, size in enumerate(SIZES) if last["size"]["low"] <= size <= last["size"]["high"]]
    assert panels["size"]["bands"][-1] == [(place - 0.5, place + 0.5) for place in sizes]
    assert re.fullmatch(r"[\d.]+ %", panels["lr"]["importance"])


def test_without_a_model_there_are_no_bands_and_nothing_is_said_of_them(tmp_path: Path) -> None:
    results = Sweep(
        train, space=SPACE, name="s", metric="loss", resource={"max": 1}, budget={"trials": 9}, controller="random"
    ).simulate(lambda config, seed: [float(str(config["lr"]))])
    panels = data_of(results)["hyperparameters"]["panels"]
    assert all(panel["bands"] == [] and panel["importance"] is None for panel in panels)
    write_page(results, tmp_path / "page.html")
    assert "The band is" not in (tmp_path / "page.html").read_text()


def test_an_inactive_hyperparameter_has_no_point() -> None:
    panels = {panel["name"]: panel for panel in data_of(simulated(40))["hyperparameters"]["panels"]}
    middles = np.round(panels["kind"]["x"])
    assert np.array_equal(np.isnan(panels["momentum"]["x"]), middles == 1)


def test_without_plotly_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import json, sys\n"
        "sys.modules['plotly'] = None\n"
        "from caviar.scheduler.analysis.page import page\n"
        "try:\n    page.write_page(None, 'page.html')\n"
        "except page.ResultsError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "The page needs plotly, which is not installed: pip install 'caviar[report]'.\n"


def test_a_space_that_is_not_known_is_guessed_from_the_values() -> None:
    results = simulated(40)
    panels = {each["name"]: each for each in page_data(results, {}, "step", 0)["hyperparameters"]["panels"]}
    assert panels["lr"]["scale"] == "log"
    assert panels["size"]["scale"] == "options"


def test_numbers_are_json(tmp_path: Path) -> None:
    write_page(simulated(10), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    match = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    assert match is not None
    assert json.loads(match[1])["metric"] == "loss&lt;b&gt;"
