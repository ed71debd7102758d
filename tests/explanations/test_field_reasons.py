"""Reasons as a whole: each one the code gives has a sentence, each sentence is given, and no octets make them fail."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffkit.explanations.asked_field import FieldFacts
from sniffkit.explanations.catalogue import Catalogue, read_texts
from sniffkit.explanations.field_reasons import REASONS, field_reason
from sniffkit.protocols.packet import Packet, read_packet
from sniffkit.sources import open_capture
from tests.explanations.reasons import ETHERNET, RAW

ROOT = Path(__file__).parent.parent.parent
CAPTURES = sorted((ROOT / "captures").glob("*.pcap*"))
ENGLISH, CHINESE = Catalogue("en"), Catalogue("zh")

ALL_FACTS = FieldFacts(
    sender="client",
    phase="data",
    steps=(),
    marks=(),
    client=("ESTABLISHED", "ESTABLISHED"),
    server=("ESTABLISHED", "ESTABLISHED"),
    relative_seq=1,
    relative_ack=201,
    ack_advance=200,
    acked_packet=3,
    acked_rtt_ns=1_000_000,
    window_scale=7,
)


def keys_in_code() -> set[str]:
    """Return a pattern for each key that ``because(...)`` is given: ``tcp\\.flags\\.reset\\..+`` for an f-string."""
    found = set()
    for path in sorted((ROOT / "sniffkit" / "explanations").glob("*_field_reasons.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "because":
                found.update(patterns(node.args[0]))
    return found


def patterns(key: ast.expr) -> Iterator[str]:
    if isinstance(key, ast.Constant):
        yield re.escape(str(key.value))
    elif isinstance(key, ast.JoinedStr):
        yield "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".+" for p in key.values)
    elif isinstance(key, ast.IfExp):
        yield from patterns(key.body)
        yield from patterns(key.orelse)
    elif ast.unparse(key).startswith("named.get"):
        yield r"tcp\.flags\.ecn\..+"
    else:
        pytest.fail(f"write keys as they are, not {ast.unparse(key)}")


def test_code_and_sentences_know_each_other() -> None:
    code = keys_in_code()
    sentences = {key.removeprefix("reason.") for key in read_texts("field_reasons")}
    assert len(code) > 100
    assert not {pattern for pattern in code if not any(re.fullmatch(pattern, key) for key in sentences)}, "no sentence"
    assert not {key for key in sentences if not any(re.fullmatch(pattern, key) for pattern in code)}, "never given"


def test_a_reason_is_asked_of_fields_that_exist() -> None:
    taught = {id for stem in ("ethernet", "vlan", "llc", "link", "arp", "ipv4", "ipv6", "icmp", "icmpv6", "tcp", "udp",
                              "dns") for id in read_texts(stem)}  # fmt: skip
    assert set(REASONS) <= taught


def tell_everything(packet: Packet, facts: FieldFacts | None = None) -> int:
    """Say every reason of a packet in both languages; return how many there were."""
    count = 0
    for layer in packet.layers:
        for field in layer.fields:
            found = field_reason(field.id, packet, facts, layer=layer, field=field)
            if found is not None:
                sentences = found.told(ENGLISH), found.told(CHINESE)
                assert not re.search("[{}]", "".join(sentences)), found
                count += 1
    return count


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_reason_in_the_sample_captures_can_be_told(path: Path) -> None:
    told = 0
    with open_capture(str(path)) as source:
        for batch in source:
            for row in range(min(len(batch), 50)):
                octets = batch.packet(row)
                packet = read_packet(octets, int(batch.link_type[row]), int(batch.length[row]))
                told += tell_everything(packet) + tell_everything(packet, ALL_FACTS)
    assert told


@given(st.binary(max_size=120), st.sampled_from([ETHERNET, RAW]))
def test_no_octets_make_a_reason_fail(octets: bytes, link_type: int) -> None:
    tell_everything(read_packet(octets, link_type, len(octets)), ALL_FACTS)


@given(st.binary(min_size=40, max_size=80), st.booleans())
def test_no_tcp_header_makes_a_reason_fail(octets: bytes, with_facts: bool) -> None:
    datagram = b"\x45\0" + len(octets).to_bytes(2, "big") + octets[4:9] + b"\x06" + octets[10:]
    tell_everything(read_packet(datagram, RAW, len(datagram)), ALL_FACTS if with_facts else None)


def test_a_field_without_anything_particular_has_no_reason() -> None:
    assert field_reason("ip.version", Packet()) is None
    assert field_reason("tcp.seq_raw", Packet()) is None
