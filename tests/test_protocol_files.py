"""A protocol is one file, one line in the register, one texts file, one capture: what is missing is named."""

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

TUNNELS = {"mpls", "ppp", "gre", "overlays"}

NOT_TAUGHT_YET: set[str] = set()
"""Files whose headers are read for the sake of what they carry, and whose own texts are still to be written."""

NOT_IN_A_CAPTURE = {
    "raw": "the lab captures at Ethernet ends",
    "null": "BSD's loopback: no such system in the lab",
    "sll": "older tcpdump -i any",
    "sll2": "tcpdump -i any",
    "llc": "Linux sends no 802.3 frames of its own",
    "ieee8021ad": "the lab's wire adds one tag",
    "ipv6.hopopts": "no scenario asks for it",
    "ipv6.dstopts": "no scenario asks for it",
    "ipv6.routing": "no scenario asks for it, and its type 0 is forbidden (RFC 5095)",
    "ipv6.fraghdr": "no scenario sends more than fits",
    "ah": "needs keys on both ends",
}
"""Protocols that captures/ has no packet of, with the reason; those of TUNNELS besides. The corpus has them all."""


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
    texts = f"sniffkit/explanations/texts/{stem}.toml"
    if (ROOT / texts).exists() == (stem in NOT_TAUGHT_YET):
        missing.append(f"{texts}, or it has one now and leaves NOT_TAUGHT_YET")
    assert not missing, f"sniffkit/protocols/{stem}.py lacks {', '.join(missing)}"


@pytest.mark.parametrize("name", [protocol.name for protocol in REGISTER])
def test_a_protocol_can_be_seen_in_a_sample_capture(name: str) -> None:
    tunnels = {protocol.name for stem in TUNNELS for protocol in protocol_files()[stem]}
    assert (name in protocols_captured()) != (name in tunnels or name in NOT_IN_A_CAPTURE), (
        f"{name}: record a capture with it (sniffkit/lab, make captures), or say in NOT_IN_A_CAPTURE why not"
    )
