"""Every scenario has its text in both languages, its capture, and its line in the list of captures."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sniffkit.lab.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]


def test_each_scenario_has_its_capture_and_each_capture_its_scenario() -> None:
    recorded = {path.name for path in (ROOT / "captures").glob("*.pcap*")}
    assert recorded == {scenario.file_name for scenario in SCENARIOS}


def test_names_are_not_given_twice() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)


def test_each_scenario_has_a_title_and_says_what_happens() -> None:
    texts = tomllib.loads((ROOT / "sniffkit/explanations/texts/lab.toml").read_text("utf-8"))
    told = {id.removeprefix("lab."): parts for id, parts in texts.items() if "title" in parts}
    assert set(told) == {scenario.name for scenario in SCENARIOS}
    for name, parts in told.items():
        assert set(parts) == {"title", "what"}, name
