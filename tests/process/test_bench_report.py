"""The HTML report in a real browser: it asks for nothing, complains of nothing, and its sliders compute."""

from __future__ import annotations

import math

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.report import html
from bench.report.document import Axes, Code, Document, Heat, Line, Plot, Section, WhatIf
from bench.trial.page import Lines, Table
from browser import CHROMIUM, open_page
from tunings import tuning, verdict

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
pytest.importorskip("matplotlib")

PLOT = Plot("A plot", "it falls & rises", [Axes("s", "/s", [Line("a <line>", [0, 1, 2], [2, 1, 3])])])
HEAT = Heat("Grid", "threads", ["1", "2"], [("1", [1.0, None]), ("2", [2.0, 4.0])], (1, 1), "the best has a star")
FIGURES = """
  const cells = [...document.querySelectorAll("td[data-key]")];
  return Object.fromEntries(cells.map(cell => [cell.dataset.key, Number(cell.dataset.figure)]));
"""


def what_if(**changes: float) -> WhatIf:
    start = {"rate_per_s": 8.0, "service_s": 0.1, "slots": 1, "bound": 1000, "cpu_s": 0.0, "cores": 2}
    return WhatIf(title="What if", origin="a test", **(start | changes))  # type: ignore[arg-type]


def page(*parts: object) -> str:
    return html.page(Document("A <title>", ["All is well."], ["beware"], [Section("All", list(parts))]))  # type: ignore[arg-type]


def test_it_asks_for_nothing_and_complains_of_nothing():
    seen = open_page(page(PLOT, PLOT, HEAT, what_if()), "return document.querySelectorAll('svg[role=img]').length")
    assert seen == {"told": 2, "problems": [], "asked": []}


def test_one_slot_and_endless_room_wait_as_the_formula_of_one_server_says():
    told = open_page(page(what_if()), FIGURES)["told"]
    assert told["refused"] == pytest.approx(0, abs=1e-9)
    assert told["busy"] == pytest.approx(0.8)
    assert told["wait"] == pytest.approx(0.8 / (10 - 8))  # rho / (mu - lambda)
    # P(W > t) = rho exp(-(mu - lambda) t)
    assert told["wait95"] == pytest.approx(math.log(0.8 / 0.05) / (10 - 8), rel=1e-6)


def test_no_room_to_wait_refuses_as_erlangs_loss_table_says():
    told = open_page(page(what_if(rate_per_s=100.0, slots=10, bound=10)), FIGURES)["told"]
    assert told["refused"] == pytest.approx(0.2146, abs=5e-5)  # 10 erlangs on 10 lines
    assert told["wait"] == 0


def test_sliders_compute_anew():
    script = f"""
      const before = (() => {{ {FIGURES} }})();
      const slider = document.querySelector("input[name=instances]");
      slider.value = 1000 / 49;  // the second of 1 to 50
      slider.dispatchEvent(new Event("input"));
      return [before, (() => {{ {FIGURES} }})()];
    """
    before, after = open_page(page(what_if()), script)["told"]
    assert (before["busy"], after["busy"]) == (pytest.approx(0.8), pytest.approx(0.4))
    assert after["wait"] == pytest.approx(0.4 / (10 - 4))
    assert before["taken"] == pytest.approx(after["taken"]) == pytest.approx(8)


def test_a_machine_without_the_cpu_for_it_is_told():
    script = "return document.querySelector('td[data-key=cores]').textContent"
    assert "MORE THAN IT HAS" in open_page(page(what_if(rate_per_s=9.0, cpu_s=0.5)), script)["told"]
    assert "MORE" not in open_page(page(what_if(rate_per_s=1.0, cpu_s=0.5)), script)["told"]


def test_on_a_narrow_screen_nothing_sticks_out_and_letters_can_be_read():
    """What is wide scrolls within its own frame."""
    script = """
      document.documentElement.style.width = document.body.style.maxWidth = "400px";
      const letters = [...document.querySelectorAll("svg text")].map(each => each.getBoundingClientRect().height);
      const framed = each => each.closest(".wide, pre");
      const out = [...document.querySelectorAll("body *")].filter(
        each => !framed(each.parentElement) && each.getBoundingClientRect().right > 400
      );
      return {smallest: Math.min(...letters), out: out.map(each => each.outerHTML.slice(0, 80))};
    """
    wide = Table("Wide", [f"head {number}" for number in range(20)], [["cell"] * 20])
    words = Lines("Lines", ["a" * 200, "/a/long/path" * 20])
    told = open_page(page(PLOT, HEAT, wide, words, Code("Code", "x" * 300), what_if(cpu_s=0.5)), script)["told"]
    assert told["out"] == []
    assert told["smallest"] >= 9


def test_dark_and_light_differ_and_can_be_read():
    script = """
      const linear = part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      const luminance = colour => {
        probe.fillStyle = colour;
        probe.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data].map(each => linear(each / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const paper = each => {
        const own = getComputedStyle(each).backgroundColor;
        return own === "rgba(0, 0, 0, 0)" ? paper(each.parentElement) : own;
      };
      return [...document.querySelectorAll("figcaption, .heat td, aside h2, h1, .lead, thead th")].map(each => {
        const [low, high] = [getComputedStyle(each).color, paper(each)].map(luminance).sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
      });
    """
    dark = page(PLOT, HEAT).replace("(prefers-color-scheme: dark)", "all")
    for text in (page(PLOT, HEAT), dark):
        ratios = open_page(text, script)["told"]
        assert len(ratios) >= 8
        assert min(ratios) >= 4.5


def test_a_plan_is_a_page_whose_sliders_begin_with_its_own_figures(tmp_path):
    path = tmp_path / "plan.html"
    options = [
        "--service",
        "100ms",
        "--blocking",
        "all",
        "--threads",
        "4",
        "--rate",
        "100",
        "--sku",
        "Standard_D2as_v4",
    ]
    assert CliRunner().invoke(main, ["capacity", *options, "-o", str(path)]).exit_code == 0
    script = f"""
      const before = (() => {{ {FIGURES} }})();
      const slider = document.querySelector("input[name=rate]");
      slider.value = 1000;
      slider.dispatchEvent(new Event("input"));
      const words = document.querySelector("p.lead").textContent;
      return {{before, after: (() => {{ {FIGURES} }})(), words, plots: document.querySelectorAll("svg").length}};
    """
    seen = open_page(path.read_text(), script)
    told = seen["told"]
    assert (seen["problems"], seen["asked"], told["plots"]) == ([], [], 1)
    assert told["words"].startswith("One instance takes ")
    assert told["before"]["taken"] == pytest.approx(100, rel=1e-3)
    assert told["after"]["refused"] > 0.5 > told["before"]["refused"]


def test_a_tuning_is_a_page_with_the_chosen_cell_marked(tmp_path):
    tuning(verdict()).save(tmp_path)
    path = tmp_path / "tuning.html"
    assert CliRunner().invoke(main, ["report", str(tmp_path), "-o", str(path)]).exit_code == 0
    script = """
      const cells = [...document.querySelectorAll("td")].filter(cell => cell.textContent.includes("★"));
      return {chosen: cells.map(cell => cell.textContent.trim()), plots: document.querySelectorAll("svg").length};
    """
    seen = open_page(path.read_text(), script)
    assert (seen["problems"], seen["asked"]) == ([], [])
    assert seen["told"] == {"chosen": ["71 ★"], "plots": 2}
