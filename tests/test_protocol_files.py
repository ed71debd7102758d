"""A protocol is one file, one line in the register, one texts file, one test, one capture: what is missing is named."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

import pytest

from sniffkit.protocols import REGISTER
from sniffkit.protocols.packet import read_packet
from sniffkit.protocols.protocol import Protocol
from sniffkit.sources import open_capture

ROOT = Path(__file__).parent.parent

NOT_IN_A_CAPTURE: dict[str, str] = {}
"""Protocols that captures/ has no packet of, with the reason."""


@cache
def protocol_files() -> dict[str, list[Protocol]]:
    """Return the files of sniffkit/protocols that declare protocols: stem -> what they declare."""
    found = {}
    for path in sorted((ROOT / "sniffkit" / "protocols").glob("*.py")):
        if path.stem != "__init__":
            module = importlib.import_module(f"sniffkit.protocols.{path.stem}")
            declared = [value for value in vars(module).values() if isinstance(value, Protocol)]
            if declared:
                found[path.stem] = declared
    return found


@cache
def protocols_captured() -> set[str]:
    """Return the layers met in captures/."""
    met: set[str] = set()
    for path in sorted((ROOT / "captures").glob("*.pcap*")):
        with open_capture(str(path)) as source:
            for batch in source:
                for row in range(len(batch)):
                    packet = read_packet(batch.packet(row), int(batch.link_type[row]), int(batch.length[row]))
                    met.update(layer.protocol for layer in packet.layers)
    return met


def test_there_are_protocols() -> None:
    assert {"ethernet", "ipv4", "tcp"} <= set(protocol_files())


@pytest.mark.parametrize("stem", protocol_files())
def test_a_protocol_file_is_whole(stem: str) -> None:
    missing = [f"{each.name} in REGISTER" for each in protocol_files()[stem] if each not in REGISTER]
    for companion in (f"sniffkit/explanations/texts/{stem}.toml", f"tests/protocols/test_{stem}.py"):
        if not (ROOT / companion).exists():
            missing.append(companion)
    assert not missing, f"sniffkit/protocols/{stem}.py lacks {', '.join(missing)}"


@pytest.mark.parametrize("name", [protocol.name for protocol in REGISTER])
def test_a_protocol_can_be_seen_in_a_sample_capture(name: str) -> None:
    assert (name in protocols_captured()) != (name in NOT_IN_A_CAPTURE), (
        f"{name}: record a capture with it (sniffkit/lab, make captures), or say in NOT_IN_A_CAPTURE why not"
    )
