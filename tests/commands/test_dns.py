"""`sniffkit dns`: every question with its answer, for people and for programs."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap, wrpcap

LOOKUP = Path(__file__).parents[2] / "captures" / "dns-lookup.pcap"

pytestmark = pytest.mark.skipif(not LOOKUP.exists(), reason="no sample capture")

KEYS = {
    "id", "name", "type", "client", "server", "transport", "query_packet", "response_packet", "query_packets",
    "response_packets", "rtt_ms", "rcode", "flags", "answers", "authority", "additional", "retransmissions",
}  # fmt: skip


SAMPLES = ["dns-lookup", "dns-resolver", "dns-from-the-root", "dns-faults"]


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_told_as_reviewed(
    sample: str, language: str, sniffkit: Callable[..., Any], expected: Callable[..., None]
) -> None:
    run = sniffkit("dns", LOOKUP.with_name(f"{sample}.pcap"), "--lang", language, width=80)
    assert (run.code, run.err) == (0, "")
    expected(f"dns/{sample}.{language}.txt", run.out)


def test_a_resolver_s_steps_stand_below_the_question_they_serve(sniffkit: Callable[..., Any]) -> None:
    """Each packet number of the sample once: what stands in a tree is not told a second time below it."""
    out = sniffkit("dns", LOOKUP.with_name("dns-resolver.pcap"), "--lang", "en").out
    questions = [line for line in out.splitlines() if line[:5].strip().isdigit()]
    assert [line.split()[0] for line in questions] == ["1", "11", "13", "23", "27", "31", "45"]
    assert out.count("packets 4 → 5, 10.5 ms: asks 192.0.2.1 (the root) for www.school.test A") == 1
    assert '"I don\'t know; test is looked after by ns1.nic.test: ask there"' in out
    assert "the address of ns1.nic.test, 192.0.2.11, comes along as glue" in out
    assert out.count("not seen: any step. 10.0.0.53 asks nobody, it still has the answer: from its cache.") == 2
    assert "not seen: the root, top-level domain test. 10.0.0.53 knew already whom to ask next: from its cache." in out


def test_a_step_is_told_alone_where_the_filter_leaves_out_the_question_it_serves(sniffkit: Callable[..., Any]) -> None:
    out = sniffkit("dns", LOOKUP.with_name("dns-resolver.pcap"), "--lang", "en", "-Y", "frame.number == 7").out
    assert [line.split()[0] for line in out.splitlines() if line[:5].strip().isdigit()] == ["6"]


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
def test_the_tree_has_an_ascii_form(encoding: str) -> None:
    command = [sys.executable, "-m", "sniffkit", "dns", str(LOOKUP.with_name("dns-resolver.pcap")), "--lang", "en"]
    settings = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    out = subprocess.run(command, capture_output=True, env=settings, check=True).stdout.decode()
    assert out.isascii()
    assert max(map(len, out.splitlines())) <= 80  # an arrow is wider in ASCII
    step = "|- packets 4 -> 5, 10.5 ms: asks 192.0.2.1 (the root) for www.school.test"
    assert f"\n      {step}\n      |  A\n      |  " in out
    assert "\n      `- packet 10, 43.5 ms after the question" in out
    assert "\n      `. not seen: any step." in out


def test_json_keeps_the_contract(sniffkit: Callable[..., Any]) -> None:
    first, second = (json.loads(line) for line in sniffkit("dns", "--json", LOOKUP).out.splitlines())
    assert set(first) >= KEYS
    assert (first["name"], first["type"], first["transport"]) == ("www.example.com", "A", "udp")
    assert (first["query_packets"], first["response_packets"], first["retransmissions"]) == ([1], [2], 0)
    assert first["answers"] == [{"name": "www.example.com", "type": "A", "ttl": 300, "data": "93.184.216.34"}]
    assert (first["rcode"], second["rcode"], second["answers"]) == ("NOERROR", "NXDOMAIN", [])
    assert 0 < first["rtt_ms"] < 1000


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A question asked twice and never answered, an answer to nobody, and a name with an escape sequence in it."""
    link = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")
    query = dns.message.make_query("lost.test", "AAAA")
    reply = dns.message.make_response(dns.message.make_query("nobody.test", "A"))
    reply.answer.append(dns.rrset.from_text("nobody.test.", 60, "IN", "A", "192.0.2.1"))
    nasty = dns.message.make_query("\\027[31mred.test", "A")
    there = link / IP(src="10.0.0.2", dst="10.0.0.53") / UDP(sport=4000, dport=53)
    back = link / IP(src="10.0.0.53", dst="10.0.0.2") / UDP(sport=53, dport=4001)
    path = tmp_path / "odd.pcap"
    packets = [there / query.to_wire(), there / query.to_wire(), back / reply.to_wire(), there / nasty.to_wire()]
    for at, packet in enumerate(packets):
        packet.time = 1_700_000_000 + at
    wrpcap(str(path), packets)
    return path


def test_what_is_missing_is_null(odd: Path, sniffkit: Callable[..., Any]) -> None:
    lost, nobody, _ = (json.loads(line) for line in sniffkit("dns", "--json", odd).out.splitlines())
    assert (lost["query_packets"], lost["retransmissions"]) == ([1, 2], 1)
    assert [lost[key] for key in ("response_packet", "rtt_ms", "rcode")] == [None, None, None]
    assert (nobody["query_packet"], nobody["response_packet"], nobody["rcode"]) == (None, 3, "NOERROR")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_odd_questions_are_told_and_nothing_of_them_reaches_the_terminal(
    odd: Path, language: str, sniffkit: Callable[..., Any]
) -> None:
    run = sniffkit("dns", "-v", odd, "--lang", language)
    assert run.code == 0
    assert "\x1b" not in run.out
    assert "\\027[31mred.test" in run.out
    assert "nobody.test" in run.out


def test_no_dns_is_said(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("dns", LOOKUP.with_name("arp-ping.pcap"))
    assert "No DNS in the clear" in run.out
    assert sniffkit("dns", "--json", LOOKUP.with_name("arp-ping.pcap")).out == ""


def test_usage_errors(sniffkit: Callable[..., Any]) -> None:
    assert sniffkit("dns").code == 2
    assert sniffkit("dns", "--lang", "fr", LOOKUP).code == 2
    assert sniffkit("dns", "no-such.pcap").code == 3


def test_with_a_filter_the_summary_says_that_it_is_of_everything(sniffkit: Callable[..., Any]) -> None:
    filtered = sniffkit("dns", LOOKUP, "-Y", "dns.id == 0x1234", "--lang", "en").out
    assert "answered 2," in filtered
    assert "of the whole capture" in filtered
    assert "of the whole capture" not in sniffkit("dns", LOOKUP, "--lang", "en").out


def test_a_filter_shows_whole_exchanges(odd: Path, sniffkit: Callable[..., Any]) -> None:
    """A filter that means only the answer shows the question it belongs to, in JSON as in words."""
    for path, filter, names in (
        (LOOKUP, "dns.flags.rcode == 3", ["no-such-name.example.com"]),
        (LOOKUP, "frame.number == 1", ["www.example.com"]),
        (odd, "frame.number == 2", ["lost.test"]),
        (odd, "tcp", []),
    ):
        records = [json.loads(line) for line in sniffkit("dns", "--json", path, "-Y", filter).out.splitlines()]
        assert [record["name"] for record in records] == names
        told = sniffkit("dns", path, "-Y", filter, "--lang", "en").out.partition("\n\n")[0]
        assert [name for name in ("www", "no-such", "lost", "nobody", "red") if f"  {name}" in told] == [
            name.split(".")[0].removesuffix("-name") for name in names
        ]


def test_what_was_captured_twice_is_told_once(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    """On the device "any" each packet of a machine that passes it on appears twice, some microseconds apart."""
    packets = rdpcap(str(LOOKUP))
    doubled = []
    for packet in packets:
        again = packet.copy()
        again.time = packet.time + Decimal("0.00001")
        doubled += [packet, again]
    path = tmp_path / "any.pcap"
    wrpcap(str(path), doubled)
    records = [json.loads(line) for line in sniffkit("dns", "--json", path).out.splitlines()]
    assert [(one["query_packets"], one["response_packets"]) for one in records] == [([1], [3]), ([5], [7])]
    out = sniffkit("dns", path, "--lang", "en").out
    assert "questions 2 (sent again 0), answered 2, without an answer 0; answers to nobody 0" in out


def test_an_answer_in_ip_fragments_is_read_whole(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    query = dns.message.make_query("big.test", "TXT")
    reply = dns.message.make_response(query)
    texts = " ".join(f'"{number} {"x" * 200}"' for number in range(9))
    reply.answer.append(dns.rrset.from_text("big.test.", 60, "IN", "TXT", texts))
    link = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")
    there = link / IP(src="10.0.0.2", dst="10.0.0.53") / UDP(sport=4000, dport=53) / query.to_wire()
    back = IP(src="10.0.0.53", dst="10.0.0.2", id=77) / UDP(sport=53, dport=4000) / reply.to_wire()
    path = tmp_path / "fragments.pcap"
    wrpcap(str(path), [there, *(link / part for part in fragment(back, 1400))])
    (record,) = (json.loads(line) for line in sniffkit("dns", "--json", path).out.splitlines())
    assert (record["rcode"], record["response_packets"]) == ("NOERROR", [3])
    assert record["answers"][0]["data"] == texts


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_cannot_be_seen_is_said(
    language: str, tmp_path: Path, sniffkit: Callable[..., Any], expected: Callable[..., None]
) -> None:
    link = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")
    ends = [("192.0.2.1", 853), ("192.0.2.2", 853), ("1.1.1.1", 443), ("203.0.113.7", 443)]
    packets = [link / IP(src="10.0.0.2", dst=address) / TCP(dport=port, flags="S") for address, port in ends]
    packets.append(link / IP(src="10.0.0.2", dst="192.0.2.1") / UDP(sport=4000, dport=853) / b"encrypted")
    path = tmp_path / "encrypted.pcap"
    wrpcap(str(path), packets)
    expected(f"dns/encrypted.{language}.txt", sniffkit("dns", path, "--lang", language, width=80).out)


NASTY = {
    b"\x0bxn--fiq228c\x07example\0": "xn--fiq228c.example (中文.example)",
    b"\x0bXN--FIQ228C\x07example\0": "XN--FIQ228C.example (中文.example)",
    b"\x0axn--99zt52\x0cxn--mgba3gch\0": "",  # whatever it means: shown as sent, and never half
    b"\x05xn--a\x04test\0": "xn--a.test",  # no such thing in punycode
    b"\x0axn--ab-yxv\x04test\0": "",
    b"\x08\x1b[31mred\x04test\0": "\\027[31mred.test",
    b"\x03a.b\x04test\0": "a\\.b.test",
    b"\x04\xff\x00\x0a\x7f\x04test\0": "\\255\\000\\010\\127.test",
    b"\x08<script>\x04test\0": "<script>.test",
    b"\x06[bold]\x04test\0": "[bold].test",
    b"\x06{name}\x04test\0": "{name}.test",
    b"\0": ".",
}
"""Names on the wire and how they must be shown; "": anything that is safe."""


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("wire", NASTY, ids=repr)
def test_nasty_names_are_shown_both_ways_or_escaped(
    wire: bytes, language: str, tmp_path: Path, sniffkit: Callable[..., Any]
) -> None:
    """In the question, and as the target of an alias in the answer; nothing in it is a format or a style of ours."""
    question = wire + b"\0\1\0\1"
    there = b"\0\7\1\0\0\1\0\0\0\0\0\0" + question
    alias = b"\xc0\x0c\0\5\0\1\0\0\0\x3c" + len(wire).to_bytes(2, "big") + wire
    back = b"\0\7\x81\x80\0\1\0\1\0\0\0\0" + question + alias
    link = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")
    path = tmp_path / "nasty.pcap"
    packets = [
        link / IP(src="10.0.0.2", dst="10.0.0.53") / UDP(sport=4000, dport=53) / there,
        link / IP(src="10.0.0.53", dst="10.0.0.2") / UDP(sport=53, dport=4000) / back,
    ]
    wrpcap(str(path), packets)
    for command in (["dns"], ["dns", "-v"], ["dns", "--color", "always"], ["explain"]):
        run = sniffkit(*command, path, "--lang", language)
        assert (run.code, run.err) == (0, "")
        shown = re.sub("\x1b\\[[0-9;]*m", "", run.out) if "--color" in command else run.out
        assert all(sign == "\n" or sign.isprintable() for sign in shown), ascii(shown)
        if command == ["dns"] and NASTY[wire]:
            assert f"  {NASTY[wire]} A → 2 NOERROR" in shown
    (record,) = (json.loads(line) for line in sniffkit("dns", "--json", path).out.splitlines())
    assert record["name"].isascii()


@pytest.mark.parametrize(
    ("wire", "told"),
    [(b"\xc0\x0c\0\1\0\1", "a compression loop"), (b"\x3faaa", "breaks off"), (b"\0\0\1\0\1", "")],
    ids=["loop", "cut", "root"],
)
def test_a_question_whose_name_cannot_be_read_says_so(
    wire: bytes, told: str, tmp_path: Path, sniffkit: Callable[..., Any]
) -> None:
    """And the command it names says why; the root's name is empty, too, but can be read."""
    path = tmp_path / "unreadable.pcap"
    link = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b") / IP(src="10.0.0.2", dst="10.0.0.53")
    wrpcap(str(path), [link / UDP(sport=4000, dport=53) / (b"\0\7\1\0\0\1\0\0\0\0\0\0" + wire)])
    out = sniffkit("dns", path, "--lang", "en").out
    assert ("cannot be read; sniffkit explain --packet 1 says" in out) == bool(told)
    assert told in sniffkit("explain", "--packet", "1", path, "--lang", "en").out


def exchange_now(number: int, answered: bool = True) -> list[Any]:
    """A question asked now, with its answer 20 ms later."""
    name, now = f"host{number}.example.com.", time.time()
    query = dns.message.make_query(name, "A", id=number + 1)
    packets = [Ether() / IP(src="10.0.0.2", dst="10.0.0.53") / UDP(sport=5000 + number, dport=53) / query.to_wire()]
    if answered:
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.1"))
        packets += [
            Ether() / IP(src="10.0.0.53", dst="10.0.0.2") / UDP(sport=53, dport=5000 + number) / response.to_wire()
        ]
    for row, packet in enumerate(packets):
        packet.time = now + row / 50
    return packets


def test_who_watches_a_pipe_sees_each_answer_at_once(tmp_path: Path) -> None:
    """`tcpdump -w - | sniffkit dns -`: in the order asked, each once, and at once, as nobody wants to wait."""
    told, opened, missing, after = (exchange_now(number, answered=number != 2) for number in range(4))
    wrpcap(str(tmp_path / "a.pcap"), [*told, *opened, told[1], *missing, *after])
    octets = (tmp_path / "a.pcap").read_bytes()
    first = 24 + sum(16 + len(packet) for packet in told)
    command = [sys.executable, "-m", "sniffkit", "dns", "-", "--lang", "en"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(octets[:first])
        running.stdin.flush()
        said = b""
        while b"192.0.2.1" not in said and select.select([running.stdout], [], [], 10)[0]:
            said += os.read(running.stdout.fileno(), 65_536)
        assert b"host0.example.com" in said
        rest, _ = running.communicate(octets[first:])
    found = [int(number) for number in re.findall(r"host(\d)\.example\.com", rest.decode())]
    assert sorted(set(found), key=found.index) == [1, 2, 3]
