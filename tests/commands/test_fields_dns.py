"""DNS in ``sniffkit fields``: messages that go over several TCP segments, and names with odd octets in them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rrset
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import wrpcap

from tests.commands.conftest import Run

FIELDS = [
    "dns.length",
    "dns.id",
    "dns.flags.response",
    "dns.qry.name",
    "dns.qry.name.len",
    "dns.count.answers",
    "dns.a",
]


def as_tshark(path: Path, fields: list[str]) -> str | None:
    """What tshark prints, None where it is not installed."""
    if not shutil.which("tshark"):
        return None
    asked = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *asked]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def ours(path: Path, fields: list[str], sniffkit: Callable[..., Run]) -> str:
    run = sniffkit("fields", path, *(word for field in fields for word in ("-e", field)))
    assert (run.code, run.err) == (0, "")
    assert isinstance(run.out, str)
    return run.out


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """Two questions in one segment; their answers over four, one of them sent twice; after that a third question."""
    there = Ether() / IP(src="10.0.0.2", dst="10.0.0.53")
    back = Ether() / IP(src="10.0.0.53", dst="10.0.0.2")
    asked, answered = b"", b""
    for number, name in ((1, "one.test"), (2, "two.test")):
        query = dns.message.make_query(name, "A", id=number)
        response = dns.message.make_response(query)
        addresses = [f"192.0.2.{host}" for host in range(number, 90)]
        response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "A", *addresses))
        asked += query.to_wire(prepend_length=True)
        answered += response.to_wire(prepend_length=True)
    third = dns.message.make_query("three.test", "A", id=3).to_wire(prepend_length=True)

    def client(seq: int, ack: int, flags: str = "A", octets: bytes = b"") -> Packet:
        return there / TCP(sport=40000, dport=53, seq=1000 + seq, ack=7000 + ack, flags=flags) / octets

    def server(seq: int, ack: int, flags: str = "A", octets: bytes = b"") -> Packet:
        return back / TCP(sport=53, dport=40000, seq=7000 + seq, ack=1000 + ack, flags=flags) / octets

    heard = 1 + len(asked)
    parts = [(at, answered[at : at + 900]) for at in range(0, len(answered), 900)]
    assert len(parts) == 4
    packets = [client(0, 0, "S"), server(0, 1, "SA"), client(1, 1), client(1, 1, "PA", asked), server(1, heard)]
    packets += [server(1 + at, heard, "A", octets) for at, octets in parts[:2]]
    packets += [server(1 + at, heard, "A", octets) for at, octets in parts[1:]]
    packets += [client(heard, 1 + len(answered)), client(heard, 1 + len(answered), "PA", third)]
    path = tmp_path / "stream.pcap"
    wrpcap(str(path), packets)
    return path


def test_a_message_stands_at_the_packet_that_completes_it(stream: Path, sniffkit: Callable[..., Run]) -> None:
    lines = ours(stream, FIELDS, sniffkit).split("\n")
    assert [line.split("\t")[1] for line in lines[:-1]] == [
        "", "", "", "0x0001,0x0002", "", "", "0x0001", "", "", "0x0002", "", "0x0003",
    ]  # fmt: skip
    expected = as_tshark(stream, FIELDS)
    if expected is not None:
        assert "\n".join(lines) == expected


def test_a_filter_finds_it_there(stream: Path, sniffkit: Callable[..., Run]) -> None:
    for filter, numbers in (("dns", "4 7 10 12"), ("dns.a == 192.0.2.2", "7 10"), ("dns.id == 2", "4 10")):
        assert sniffkit("fields", stream, "-e", "frame.number", "-Y", filter).out.split() == numbers.split()


def test_names_are_written_as_tshark_writes_them(tmp_path: Path, sniffkit: Callable[..., Run]) -> None:
    """Control characters in octal, UTF-8 as it is, the rest of odd signs too; dots within labels are just dots."""
    labels = [b"a\x04\x1b\x7f", b"a\\b.c", b"caf\xc3\xa9", b"caf\xe9", b"q\"u ote'\t\n", b"nul\0l"]
    head = bytes.fromhex("000101000001000000000000")
    messages = [head + bytes((len(label),)) + label + b"\x04test\0\0\x01\0\x01" for label in labels]
    packet = Ether() / IP(src="10.0.0.2", dst="10.0.0.53") / UDP(sport=4000, dport=53)
    path = tmp_path / "names.pcap"
    wrpcap(str(path), [packet / message for message in messages])
    fields = ["dns.qry.name", "dns.qry.name.len"]
    printed = ours(path, fields, sniffkit)
    assert printed.splitlines()[0] == "a\\004\\033\\177.test\t9"
    expected = as_tshark(path, fields)
    if expected is not None:
        assert printed == expected
