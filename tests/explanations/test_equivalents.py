"""The filters told under lessons: other programs find the packet with them that the lesson stands on."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from sniffkit.analysis.capture import CaptureAnalysis
from sniffkit.commands.filtering import PacketFilter
from sniffkit.explanations.catalogue import Catalogue, read_texts
from sniffkit.explanations.listing import Listing
from sniffkit.explanations.record import Records
from sniffkit.explanations.story import Story
from sniffkit.sources import open_captures

CAPTURES = sorted((Path(__file__).parents[2] / "captures").glob("*.pcap*"))

LESSONS = {id: entry for id, entry in read_texts("equivalents").items() if "filter" in entry}

SHOWN_BY_NO_SAMPLE = {
    id for id in LESSONS if id.startswith(("nd.router", "nd.redirect", "nd.is-it-free", "dns.mdns", "dns.llmnr"))
} | {
    "arp.gratuitous", "arp.reply-again", "arp.request-directly", "arp.unsolicited-reply", "dns.response.notimp",
    "dns.response.servfail", "icmp.echo-reply-again", "icmp.echo-request-again", "icmp.fragmentation-needed",
    "icmp.host-unreachable", "icmp.network-unreachable", "icmp.packet-too-big", "icmp.port-unreachable",
    "icmp.reassembly-time-exceeded", "icmp.redirect", "icmp.time-exceeded", "nd.advertisement-again",
    "nd.advertisement-to-all", "nd.solicitation-again", "nd.solicitation-directly", "tcp.mark.ack_lost_segment",
    "tcp.mark.spurious_retransmission", "tcp.mark.zero_window_probe", "tcp.mark.zero_window_probe_ack",
    "tcp.reset.gone",
}  # fmt: skip
"""Of these only the grammar is tested."""


@dataclass(frozen=True)
class Told:
    """A lesson at a packet of a sample, with its filters there."""

    id: str
    path: Path
    packet: int
    filter: str
    bpf: str | None


@cache
def told() -> list[Told]:
    """Every lesson with filters of every sample."""
    found = []
    for path in CAPTURES:
        catalogue = Catalogue("en")
        analysis, listing = CaptureAnalysis(), Listing()
        records = Records(catalogue, Story(catalogue))
        with open_captures([str(path)]) as source:
            for batch in source:
                facts = analysis.feed(batch)
                lines = listing.lines(facts)
                for row in range(len(batch)):
                    record = records.record(facts, lines, row)
                    found += [
                        Told(note["id"], path, record["number"], note["filter"], note["bpf"])
                        for note in record["notes"]
                        if "filter" in note
                    ]
    return found


@cache
def ours(path: Path, expression: str) -> list[int]:
    """The packets that our own display filter means."""
    chosen, numbers = PacketFilter(expression), []
    with open_captures([str(path)]) as source:
        chosen.read_from(source)
        for batch in source:
            numbers += [batch.first + row for row in chosen.feed(batch)[1].nonzero()[0].tolist()]
    return numbers


def the_first(id: str) -> Told:
    return next(one for one in told() if one.id == id)


SHOWN = sorted(LESSONS.keys() - SHOWN_BY_NO_SAMPLE)


def test_every_lesson_with_a_filter_is_shown_by_a_sample() -> None:
    assert sorted({one.id for one in told()}) == SHOWN


def test_every_filter_means_its_lessons_packets() -> None:
    missed = [one for one in told() if one.packet not in ours(one.path, one.filter)]
    assert missed == []


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize("expression", sorted({LESSONS[id]["filter"] for id in SHOWN}))
def test_tshark_finds_the_same_packets(expression: str) -> None:
    path = next(one.path for one in told() if one.filter == expression)
    command = ["tshark", "-n", "-r", str(path), "-Y", expression, "-T", "fields", "-e", "frame.number"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [int(number) for number in out.split()] == ours(path, expression)


def times(pcap: bytes) -> set[tuple[int, int]]:
    """The time of every packet of a pcap file of microseconds, little-endian."""
    at, found = 24, set()
    while at < len(pcap):
        seconds, micros, captured, _ = struct.unpack_from("<4I", pcap, at)
        found.add((seconds, micros))
        at += 16 + captured
    return found


@cache
def clock(path: Path) -> dict[int, tuple[int, int]]:
    with open_captures([str(path)]) as source:
        return {
            batch.first + row: divmod(time // 1000, 10**6)
            for batch in source
            for row, time in enumerate(batch.time_ns.tolist())
        }


def selected(path: Path, bpf: str) -> set[tuple[int, int]]:
    command = ["tcpdump", "-r", str(path), "-w", "-", bpf]
    return times(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")
def test_tcpdump_finds_the_packets() -> None:
    wanted: dict[tuple[Path, str], list[Told]] = {}
    for one in told():
        if one.bpf is not None:
            wanted.setdefault((one.path, one.bpf), []).append(one)
    missed = []
    for (path, bpf), lessons in wanted.items():
        found = selected(path, bpf)
        missed += [one for one in lessons if clock(path)[one.packet] not in found]
    assert missed == []


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")
@pytest.mark.parametrize("id", sorted(SHOWN_BY_NO_SAMPLE))
def test_the_others_are_filters_too(id: str) -> None:
    for entry in (LESSONS[id], LESSONS[id].get("ipv6", {})):
        if "filter" in entry:
            PacketFilter(entry["filter"])
        if "bpf" in entry:
            subprocess.run(["tcpdump", "-y", "EN10MB", "-d", entry["bpf"]], capture_output=True, check=True)


def test_where_bpf_has_none_a_reason_is_given() -> None:
    for id, entry in LESSONS.items():
        assert ("bpf" in entry) != ("without-bpf" in entry), id
        if "without-bpf" in entry:
            assert f"equivalents.{entry['without-bpf']}" in read_texts("equivalents")
