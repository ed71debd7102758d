"""What TEACHING.md asks of names and addresses is taught, in both languages: its points 86, 87 and 105 to 109.

Each point names a sample, how it is shown, and words that must be read there. Where a textbook is wrong (its marks W),
the right statement is among the words.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

CAPTURES = Path(__file__).parents[2] / "captures"

pytestmark = pytest.mark.skipif(not (CAPTURES / "dns-resolver.pcap").exists(), reason="no sample capture")

POINTS = {
    "86 ARP: a broadcast question, an answer to the asker alone": (
        ("explain", "arp-ping.pcap"),
        ("It asks every station of this broadcast domain", "the answer goes to 10.0.0.2 alone",
         "routers do not pass the question on", "for it has no IP header",
         "now keeps 10.0.0.1 → 02:00:00:00:00:01 in its ARP table", "Nothing in it proves that it is true"),
        ("广播域", "只单播给 10.0.0.2", "路由器不会转发", "0x0806", "ARP 表", "证明"),
    ),
    "86, W29: IPv6 asks in another way": (
        ("explain", "ipv6-neighbour-discovery.pcapng"),
        ("neighbour",),
        ("邻居",),
    ),
    "87, W30: IP and MAC addresses are not paired one to one": (
        ("explain", "arp-proxy.pcap"),
        ("one MAC address may stand for several IP addresses. The two are not paired one to one.",),
        ("一个 MAC 地址", "一一对应"),
    ),
    "105: the client asks its resolver for the whole work (RD=1)": (
        ("explain", "dns-resolver.pcap"),
        ("10.0.0.2 asks 10.0.0.53 for the A records of www.school.test and wants the work done for it (RD=1",
         '"you find it and tell me the result"'),
        ("要求对方代劳（RD=1，期望递归）", "“你去查，把结果告诉我”"),
    ),
    "106, W39: the root refers, it forwards nothing": (
        ("explain", "dns-resolver.pcap"),
        ("10.0.0.53 asks 192.0.2.1 for the A records of www.school.test without asking for recursion (RD=0)",
         '"I do not know www.school.test; test is looked after by ns1.nic.test, ask there"',
         "The address comes along as glue (ns1.nic.test is 192.0.2.11)",
         "192.0.2.1 passes nothing on, the asker goes on."),
        ("不要求递归（RD=0）", "“我不知道 www.school.test，test 由 ns1.nic.test 负责，去那里问”",
         "胶水记录（glue）", "192.0.2.1 并不转发，由提问者自己继续查"),
    ),
    "106, W39: caches answer most of it": (
        ("explain", "dns-resolver.pcap"),
        ("This comes from the cache of 10.0.0.53", "whom to ask below them it knew from its cache"),
        ("来自 10.0.0.53 的缓存", "下一级该问谁，它从缓存里就知道"),
    ),
    "107: the top-level domain refers to the zone's own servers": (
        ("dns", "dns-resolver.pcap"),
        ("asks 192.0.2.11 (top-level domain test) for www.school.test A",
         '"I don\'t know; school.test is looked after by ns1.school.test, ns2.school.test: ask there"'),
        ("向 192.0.2.11（顶级域 test）查询 www.school.test A",
         "“我不知道；school.test 由 ns1.school.test、ns2.school.test 负责，去那里问”"),
    ),
    "108: the answer with AA=1, and back to the client with RA=1": (
        ("explain", "dns-resolver.pcap"),
        ("AA=1: 203.0.113.2 is authoritative", "RA=1, AA=0: 10.0.0.53 is a resolver",
         "What this answer rests on: 10.0.0.53 asked 192.0.2.1 (.) → 192.0.2.1 (.) → 192.0.2.11 (test) → 203.0.113.2",
         "the name is an alias (CNAME), library.school.test → books.shop.example"),
        ("AA=1：203.0.113.2 是权威服务器", "RA=1、AA=0：10.0.0.53 是替客户端查询的解析器",
         "10.0.0.53 依次问了 192.0.2.1 (.) → 192.0.2.1 (.) → 192.0.2.11 (test) → 203.0.113.2",
         "这个名字是别名（CNAME），library.school.test → books.shop.example"),
    ),
    "108: a tree with times, cached steps in it": (
        ("dns", "dns-resolver.pcap"),
        ("├─ packets 4 → 5, 10.5 ms: asks 192.0.2.1 (the root) for www.school.test A",
         "└─ packet 10, 43.5 ms after the question", "└╌ not seen: any step",
         "├╌ not seen: the root, top-level domain test. 10.0.0.53 knew already whom to ask next: from its cache."),
        ("├─ 分组 4 → 5，10.5 ms：向 192.0.2.1（根）查询 www.school.test A",
         "└─ 分组 10，距提问 43.5 ms", "└╌ 没有看到任何一步",
         "├╌ 没有看到：根、顶级域 test。10.0.0.53 已经知道下一步该问谁：来自缓存。"),
    ),
    "109: the way of a question, as far as packets show it": (
        ("explain", "dns-resolver.pcap"),
        ("its TTL is 63. Systems begin with a few usual values; from 64 it lost 1, one at each router",
         "Switches pass frames on and leave no trace in them."),
        ("它的 TTL 是 63", "每个路由器减 1", "交换机只转发帧，不会在其中留下痕迹"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_point_is_taught(point: str, language: str, sniffkit: Callable[..., Any]) -> None:
    (command, sample), english, chinese = POINTS[point]
    out = sniffkit(command, CAPTURES / sample, "--lang", language).out
    for words in english if language == "en" else chinese:
        assert words in out


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Packet 1 asked for www.school.test, yet 192.0.2.1 is only told the part that it needs, test"),
        ("zh", "分组 1 要查的是 www.school.test，而 192.0.2.1 只被告知它需要的那一部分 test"),
    ],
)
def test_106_w39_the_root_need_not_see_the_whole_name(
    language: str, words: str, tmp_path: Path, sniffkit: Callable[..., Any]
) -> None:
    """A resolver with QNAME minimisation (RFC 9156) asks the root for no more than the top-level domain."""
    link = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")
    whole = dns.message.make_query("www.school.test", "A")
    part = dns.message.make_query("test", "NS", flags=0)
    reply = dns.message.make_response(part)
    reply.authority.append(dns.rrset.from_text("test.", 60, "IN", "NS", "ns1.nic.test."))
    packets = [
        link / IP(src="10.0.0.2", dst="10.0.0.53") / UDP(sport=4000, dport=53) / whole.to_wire(),
        link / IP(src="10.0.0.53", dst="192.0.2.1") / UDP(sport=4001, dport=53) / part.to_wire(),
        link / IP(src="192.0.2.1", dst="10.0.0.53") / UDP(sport=53, dport=4001) / reply.to_wire(),
    ]
    path = tmp_path / "minimised.pcap"
    wrpcap(str(path), packets)
    assert words in sniffkit("explain", path, "--lang", language).out
    assert "QNAME" in sniffkit("dns", path, "--lang", "en").out
