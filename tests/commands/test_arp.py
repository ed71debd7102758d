"""`sniffkit arp`: who asked, who answered, and who knows whom at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.l2 import ARP, Ether
from scapy.utils import wrpcap

CAPTURES = Path(__file__).parents[2] / "captures"
SAMPLES = [CAPTURES / "arp-ping.pcap", CAPTURES / "ipv6-neighbour-discovery.pcapng", CAPTURES / "arp-spoofing.pcap"]

pytestmark = pytest.mark.skipif(not all(path.exists() for path in SAMPLES), reason="no sample captures")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_told_as_reviewed(
    path: Path, language: str, sniffkit: Callable[..., Any], expected: Callable[..., None]
) -> None:
    run = sniffkit("arp", path, "--lang", language, width=80)
    assert (run.code, run.err) == (0, "")
    expected(f"arp/{path.stem}.{language}.txt", run.out)


def test_json_keeps_the_contract(sniffkit: Callable[..., Any]) -> None:
    (record,) = (json.loads(line) for line in sniffkit("arp", "--json", SAMPLES[0]).out.splitlines())
    assert record["kind"] == "resolution"
    assert record["question"] == {
        "packet": 1, "sender_mac": "02:00:00:00:00:02", "sender_ip": "10.0.0.2", "target_ip": "10.0.0.1",
    }  # fmt: skip
    (answer,) = record["answers"]
    assert (answer["packet"], answer["mac"], answer["ip"]) == (2, "02:00:00:00:00:01", "10.0.0.1")
    assert 0 < answer["rtt_ms"] < 1000
    assert record["warnings"] == []


def test_ipv6_neighbours_come_in_the_same_shape(sniffkit: Callable[..., Any]) -> None:
    (record,) = (json.loads(line) for line in sniffkit("arp", "--json", SAMPLES[1]).out.splitlines())
    assert (record["protocol"], record["kind"], record["answers"][0]["packet"]) == ("icmpv6", "resolution", 2)


def test_every_kind_and_every_warning_has_its_place(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    """Two stations answer one question, and a third announces an address that is not its own frame's."""
    a, b, m = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:66"
    ask = Ether(src=a, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=a, psrc="10.0.0.1", pdst="10.0.0.2")
    told = [Ether(src=mac, dst=a) / ARP(op=2, hwsrc=mac, psrc="10.0.0.2", hwdst=a, pdst="10.0.0.1") for mac in (b, m)]
    probe = Ether(src=b, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=b, psrc="0.0.0.0", pdst="10.0.0.9")
    claim = Ether(src=m, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=b, psrc="10.0.0.8", pdst="10.0.0.8")
    own = Ether(src=b, dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, hwsrc=b, psrc="10.0.0.7", hwdst=b, pdst="10.0.0.7")
    alone = Ether(src=b, dst=a) / ARP(op=2, hwsrc=b, psrc="10.0.0.6", hwdst=a, pdst="10.0.0.1")
    path = tmp_path / "odd.pcap"
    wrpcap(str(path), [ask, *told, probe, claim, own, alone])
    records = [json.loads(line) for line in sniffkit("arp", "--json", path).out.splitlines()]
    assert [record["kind"] for record in records] == [
        "resolution", "probe", "announcement", "gratuitous", "unsolicited-reply",
    ]  # fmt: skip
    assert "arp.address-conflict" in records[0]["warnings"]
    assert "arp.sender-differs-from-frame" in records[2]["warnings"]
    assert [bool(record["question"]) for record in records] == [True, True, True, False, False]
    for language in ("en", "zh"):
        assert sniffkit("arp", path, "--lang", language).code == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_knows_what_after_a_packet(
    language: str, sniffkit: Callable[..., Any], expected: Callable[..., None]
) -> None:
    """Packet 2 is the gateway's answer, packet 5 the attacker's."""
    path = CAPTURES / "arp-spoofing.pcap"
    runs = [sniffkit("arp", path, "--after", after, "--lang", language, width=80) for after in (2, 5)]
    assert [run.code for run in runs] == [0, 0]
    expected(f"arp/arp-spoofing.after.{language}.txt", "\n".join(run.out for run in runs))


def test_the_tables_after_a_packet_as_json(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("arp", "--json", "--after", 1, CAPTURES / "arp-ping.pcap")
    (record,) = (json.loads(line) for line in run.out.splitlines())
    assert record == {
        "kind": "table", "protocol": "arp", "after": 1, "host": "02:00:00:00:00:01", "host_ip": "10.0.0.1",
        "vlan": None, "entries": [{"ip": "10.0.0.2", "mac": "02:00:00:00:00:02", "packet": 1, "seen": 2}],
    }  # fmt: skip


def test_a_packet_that_is_not_there(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("arp", "--after", 99, CAPTURES / "arp-ping.pcap")
    assert (run.code, run.out) == (2, "")
    assert "packet 99 is not there" in run.err


def test_a_late_reply_is_one_nobody_asked_for(sniffkit: Callable[..., Any]) -> None:
    kinds = [json.loads(line) for line in sniffkit("arp", "--json", CAPTURES / "arp-spoofing.pcap").out.splitlines()]
    assert [(one["kind"], one["warnings"]) for one in kinds] == [
        ("resolution", []),
        ("unsolicited-reply", ["arp.address-conflict", "arp.answer-changed"]),
    ]


def test_no_arp_is_said(sniffkit: Callable[..., Any]) -> None:
    path = CAPTURES / "dns-lookup.pcap"
    assert "No ARP and no neighbour discovery" in sniffkit("arp", path).out
    assert sniffkit("arp", "--json", path).out == ""


def test_a_filter_shows_whole_exchanges(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    """Three stations are asked for and one answers: a filter that means only the answer shows its question too."""
    a, b = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
    to_all = Ether(src=a, dst="ff:ff:ff:ff:ff:ff")
    ask = [to_all / ARP(op=1, hwsrc=a, psrc="10.0.0.1", pdst=f"10.0.0.{host}") for host in (2, 3, 4)]
    answer = Ether(src=b, dst=a) / ARP(op=2, hwsrc=b, psrc="10.0.0.3", hwdst=a, pdst="10.0.0.1")
    path = tmp_path / "three.pcap"
    wrpcap(str(path), [*ask, answer])
    for filter, shown in (("arp.opcode == 2", [[2, 4]]), ("arp.dst.proto_ipv4 == 10.0.0.4", [[3]]), ("ip", [])):
        records = [json.loads(line) for line in sniffkit("arp", "--json", path, "-Y", filter).out.splitlines()]
        packets = [one["question_packets"] + [answer["packet"] for answer in one["answers"]] for one in records]
        assert packets == shown
        told, _, summary = sniffkit("arp", path, "-Y", filter, "--lang", "en").out.partition("Who knows whom")
        assert "of the whole capture, not only of what the filter chose" in summary
        numbers = [int(line[:5]) for line in told.splitlines() if line[:5].strip().isdigit()]
        assert numbers == [number for packet in shown for number in packet]
    assert sniffkit("arp", path, "-Y", "arp.opcod").code == 2
