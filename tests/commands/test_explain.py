"""`sniffkit explain` on the sample captures: what a user reads, and what a program reads."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CAPTURES = Path(__file__).parents[2] / "captures"
SAMPLES = sorted(path for path in CAPTURES.iterdir() if path.suffix in (".pcap", ".pcapng"))

pytestmark = pytest.mark.skipif(not SAMPLES, reason="no sample captures")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_told_as_reviewed(
    path: Path, language: str, sniffkit: Callable[..., Any], expected: Callable[..., None]
) -> None:
    """The whole account, wrapped for a terminal of 80 cells; reviewed as a diff when it changes (`make expected`)."""
    run = sniffkit("explain", path, "--lang", language, width=80)
    assert (run.code, run.err) == (0, "")
    expected(f"explain/{path.stem}.{language}.txt", run.out)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_listing_is_one_line_a_packet(path: Path, sniffkit: Callable[..., Any], expected: Callable[..., None]) -> None:
    listing = sniffkit("explain", "-q", path)
    records = [json.loads(line) for line in sniffkit("explain", "-q", "--json", path).out.splitlines()]
    assert len(listing.out.splitlines()) == len(records)
    assert all("layers" not in record and "notes" not in record for record in records)
    expected(f"explain-q/{path.stem}.txt", listing.out)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_json_keeps_the_contract(path: Path, sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("explain", "--json", path)
    assert run.code == 0
    for number, line in enumerate(run.out.splitlines(), 1):
        record = json.loads(line)
        assert record["number"] == number
        assert record["time_epoch"].count(".") == 1
        assert len(record["time_epoch"].partition(".")[2]) == 9
        assert record["protocols"] == [layer["protocol"] for layer in record["layers"]]
        for note in record["notes"]:
            assert note["level"] in ("lesson", "note", "warning")
            assert "{" not in note["text"]
        if record["tcp"] is not None:
            assert set(record["tcp"]) >= {"sender", "phase", "steps", "client", "server", "marks"}
            assert isinstance(record["tcp_stream"], int)
        for layer in record["layers"]:
            assert covered_once(layer), (number, layer["protocol"])


def covered_once(layer: dict[str, Any]) -> bool:
    """Say whether the fields cover every bit of the layer's header exactly once."""
    bits: list[int] = []
    for field in layer["fields"]:
        start = field["offset"] * 8 + field["bit"]
        bits.extend(range(start, start + field["bits"]))
    return sorted(bits) == list(range(layer["offset"] * 8, (layer["offset"] + layer["length"]) * 8))


def test_both_languages_tell_the_same(sniffkit: Callable[..., Any]) -> None:
    """A translation changes sentences, never what is told."""
    for path in SAMPLES:
        both = [
            [
                [(note["id"], note["level"]) for note in json.loads(line)["notes"]]
                for line in sniffkit("explain", "--json", "--lang", language, path).out.splitlines()
            ]
            for language in ("en", "zh")
        ]
        assert both[0] == both[1], path.name


def test_lines_fit_the_terminal(sniffkit: Callable[..., Any]) -> None:
    from rich.cells import cell_len

    for path in SAMPLES:
        for language in ("en", "zh"):
            out = sniffkit("explain", "--lang", language, path, width=80).out
            told = out[: out.rindex("\n\n")]  # the tables at the end may be wider
            long = [line for line in told.partition("\n\n")[0].splitlines() if cell_len(line) > 80]
            assert not long, (path.name, language, long[:3])


def test_one_conversation(sniffkit: Callable[..., Any]) -> None:
    path = CAPTURES / "port-reuse.pcap"
    records = [json.loads(line) for line in sniffkit("explain", "--json", "--conversation", 1, path).out.splitlines()]
    assert records
    assert {record["tcp_stream"] for record in records} == {1}


def test_count(sniffkit: Callable[..., Any]) -> None:
    path = CAPTURES / "handshake-close-4.pcap"
    assert len(sniffkit("explain", "-q", "-c", 3, path).out.splitlines()) == 3


def test_several_files_are_one_capture(sniffkit: Callable[..., Any]) -> None:
    one, other = CAPTURES / "handshake-close-4.pcap", CAPTURES / "close-3-segment.pcap"
    numbers = [json.loads(line)["number"] for line in sniffkit("explain", "-q", "--json", one, other).out.splitlines()]
    assert numbers == list(range(1, 22))


def test_missing_file(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("explain", "no-such-file.pcap")
    assert run.code == 3
    assert run.out == ""
    assert "no-such-file.pcap" in run.err
    assert "Traceback" not in run.err


def test_comments_in_a_capture_are_told(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    """What somebody wrote into a pcapng stands under its packet, or in the summary where it is about all."""
    from sniffkit.sources.writer import create_capture

    path = tmp_path / "commented.pcapng"
    with create_capture(str(path)) as writer:
        writer.write_comment(bytes(60), 1_000_000_000, "look \x1b[31mhere")
    run = sniffkit("explain", path)
    assert r"look \x1b[31mhere" in run.out
    assert "\x1b" not in run.out


def rewritten(name: str, path: Path, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    """A sample with its records (header and octets of each packet) changed."""
    octets = (CAPTURES / name).read_bytes()
    records, at = [], 24
    while at < len(octets):
        size = 16 + struct.unpack_from("<I", octets, at + 8)[0]
        records.append(octets[at : at + size])
        at += size
    path.write_bytes(octets[:24] + b"".join(change(records)))
    return path


def test_where_the_clock_runs_backwards_no_time_is_made_up(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    """Every packet a second before the one ahead of it: no answer took 0 ns, nor less than nothing."""

    def backwards(records: list[bytes]) -> list[bytes]:
        return [struct.pack("<II", 1000 - at, 0) + record[8:] for at, record in enumerate(records)]

    for name in ("handshake-close-4.pcap", "arp-ping.pcap", "dns-lookup.pcap"):
        path = rewritten(name, tmp_path / "backwards.pcap", backwards)
        out = sniffkit("explain", path).out
        assert "the clock ran backwards" in out
        assert not re.search(r" (in|after) (0 ns|-)", out)


def test_an_opening_that_was_never_completed_is_no_handshake(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    """SYN and SYN,ACK without the third segment: the server waits in SYN-RECEIVED."""
    path = rewritten("handshake-close-4.pcap", tmp_path / "two.pcap", lambda records: records[:2])
    assert re.search(r"not completed +not closed", sniffkit("explain", path).out)
    whole = rewritten("handshake-close-4.pcap", tmp_path / "three.pcap", lambda records: records[:3])
    assert re.search(r"handshake +not closed", sniffkit("explain", whole).out)


def test_the_conversation_has_its_number(sniffkit: Callable[..., Any]) -> None:
    out = sniffkit("explain", CAPTURES / "port-reuse.pcap").out
    assert "This is conversation 0 (tcp.stream)" in out
    assert "This is conversation 1 (tcp.stream)" in out


def test_a_header_that_the_snap_length_cuts_is_no_fault(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    """Ten octets of the TCP header were captured; where the packet really ends there it is a warning."""

    def cut(records: list[bytes]) -> list[bytes]:
        return [record[:8] + struct.pack("<II", 44, length) + record[16:60] for record in records[:1]]

    path = tmp_path / "cut.pcap"
    for length, sign in ((74, "·"), (44, "!")):
        told = sniffkit("explain", rewritten("handshake-close-4.pcap", path, cut)).out
        assert f"{sign} The TCP header should have 20 octets; only 10 of them are here." in told
        assert ("made with a snap length" in told) == (length == 74)


def test_what_scapy_reads_is_said_to_be_unexplained(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.layers.ntp import NTP
    from scapy.utils import wrpcap

    path = tmp_path / "ntp.pcap"
    wrpcap(str(path), [Ether(src="02:00:00:00:00:02") / IP(src="10.0.0.2", dst="10.0.0.9") / UDP(dport=123) / NTP()])
    for language, told in (("en", "Read by Scapy's dissector"), ("zh", "由 Scapy 的解析器读出")):
        assert told in sniffkit("explain", "--packet", 1, path, "--lang", language).out
