"""IPv6 finds neighbours, free addresses and routers."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    ICMPv6MLDMultAddrRec,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from sniffkit.analysis.neighbours.discovery import NeighbourDiscovery
from tests.analysis.messages import ids, one, sentences, told, told_of_file

ROOT = Path(__file__).parents[3]
A_MAC, B_MAC, M_MAC = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:66"
A, B, GROUP = "fe80::a", "fe80::b", "ff02::1:ff00:b"


def framed(packet: Packet, mac: str = A_MAC) -> bytes:
    return bytes(Ether(src=mac, dst="33:33:00:00:00:01") / packet)


def asks(source: str = A, target: str = B, mac: str = A_MAC, to: str = GROUP) -> bytes:
    question = ICMPv6ND_NS(tgt=target)
    if source != "::":
        question /= ICMPv6NDOptSrcLLAddr(lladdr=mac)
    return framed(IPv6(src=source, dst=to, hlim=255) / question, mac)


def tells(target: str = B, mac: str = B_MAC, to: str = A, solicited: int = 1) -> bytes:
    answer = ICMPv6ND_NA(tgt=target, S=solicited, R=0) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    return framed(IPv6(src=target, dst=to, hlim=255) / answer, mac)


def test_an_advertisement_answers_a_solicitation_and_both_learn() -> None:
    discovery = NeighbourDiscovery()
    facts = told(discovery, [asks(), tells()])
    assert one(facts, 1, "nd.solicitation")["group"] == GROUP
    answer = one(facts, 2, "nd.advertisement")
    assert (answer["number"], answer["elapsed_ns"], answer["asker"], answer["mac"]) == (1, 1_000_000, A, B_MAC)
    assert {host: {ip: one.mac for ip, one in rows.items()} for host, rows in discovery.hosts.now.items()} == {
        (-1, B_MAC): {A: A_MAC},
        (-1, A_MAC): {B: B_MAC},
    }
    assert ids(facts, 2)[1:] == ["nd.cache.learned", "nd.cache.owner-learned"]
    (exchange,) = discovery.finish()
    assert (exchange.kind, exchange.asked, exchange.answers[0].packet) == ("resolution", [1], 2)
    sentences(facts)


def test_a_question_repeated_and_one_by_unicast() -> None:
    discovery = NeighbourDiscovery()
    facts = told(discovery, [(0, asks()), (1, asks()), (2, asks()), (60, asks(to=B))])
    assert one(facts, 3, "nd.solicitation-again")["times"] == 3
    assert ids(facts, 4) == ["nd.solicitation-directly"]
    discovery.finish()
    assert discovery.counts["unanswered"] == 2
    sentences(facts)


def test_is_this_address_free() -> None:
    """Silence is the good answer; the owner's advertisement to all is the bad one."""
    free = NeighbourDiscovery()
    told(free, [asks("::")])
    free.finish()
    assert free.counts["unanswered"] == 0
    taken = NeighbourDiscovery()
    facts = told(taken, [asks("::"), asks("::"), tells(to="ff02::1", solicited=0)])
    assert [ids(facts, number) for number in (1, 2, 3)] == [
        ["nd.is-it-free"],
        ["nd.is-it-free-again"],
        ["nd.address-taken"],
    ]
    assert one(facts, 3, "nd.address-taken")["number"] == 2
    assert taken.finish()[0].warnings == ["nd.address-taken"]
    sentences(facts)


def test_two_stations_that_want_one_address() -> None:
    facts = told(NeighbourDiscovery(), [asks("::"), asks("::", mac=M_MAC)])
    assert one(facts, 2, "nd.address-wanted-twice")["other"] == A_MAC
    sentences(facts)


def test_advertisements_that_nobody_asked_for() -> None:
    facts = told(NeighbourDiscovery(), [tells(to="ff02::1", solicited=0), tells()])
    assert ids(facts, 1) == ["nd.advertisement-to-all"]
    assert ids(facts, 2) == ["nd.advertisement-unasked"]
    sentences(facts)


def test_an_address_that_moves() -> None:
    moved = [(0, asks()), (0.1, tells()), (0.2, tells(mac=M_MAC))]
    facts = told(NeighbourDiscovery(), moved)
    assert one(facts, 3, "nd.address-conflict")["other"] == B_MAC
    facts |= told(NeighbourDiscovery(), [*moved[:2], (900, tells(mac=M_MAC))])
    assert "nd.answer-changed" in ids(facts, 3)
    sentences(facts)


def advertises(lifetime: int = 1800, managed: int = 0, to: str = "ff02::1") -> bytes:
    message = ICMPv6ND_RA(routerlifetime=lifetime, M=managed) / ICMPv6NDOptSrcLLAddr(lladdr=B_MAC)
    message /= ICMPv6NDOptPrefixInfo(prefix="2001:db8:1::", prefixlen=64)
    return framed(IPv6(src=B, dst=to, hlim=255) / message, B_MAC)


def test_routers_introduce_themselves() -> None:
    discovery = NeighbourDiscovery()
    solicitation = framed(IPv6(src=A, dst="ff02::2", hlim=255) / ICMPv6ND_RS())
    facts = told(
        discovery,
        [(0, solicitation), (4, solicitation), (4.1, advertises(managed=1)), (100, advertises()), (200, advertises(0))],
    )
    assert ids(facts, 2) == ["nd.router-solicitation-again"]
    assert ids(facts, 3) == ["nd.router-answer", "nd.prefixes", "nd.use-dhcp"]
    answer = one(facts, 3, "nd.router-answer")
    assert (answer["number"], answer["router"], answer["lifetime"]) == (2, B, 1800)
    assert one(facts, 3, "nd.prefixes")["prefixes"] == "2001:db8:1::/64"
    assert ids(facts, 4) == ["nd.router-advertisement"]
    assert ids(facts, 5) == ["nd.router-no-default"]
    assert discovery.routers == {B: B_MAC}
    sentences(facts)


def test_redirects_and_listener_reports() -> None:
    redirect = ICMPv6ND_Redirect(tgt="fe80::c", dst="2001:db8::9")
    report = ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(dst=GROUP)])
    facts = told(
        NeighbourDiscovery(),
        [framed(IPv6(src=B, dst=A, hlim=255) / redirect), framed(IPv6(src=A, dst="ff02::16", hlim=1) / report)],
    )
    assert one(facts, 1, "nd.redirect") == {"router": B, "better": "fe80::c", "destination": "2001:db8::9"}
    assert one(facts, 2, "nd.listener-report")["groups"] == GROUP
    sentences(facts)


def test_messages_cut_anywhere() -> None:
    for whole in (asks(), tells(), advertises()):
        for length in range(14, len(whole)):
            sentences(told(NeighbourDiscovery(), [whole[:length]]))


def test_caches_after_a_packet_and_an_entry_that_moves() -> None:
    """B's advertisement to all nodes names another MAC address: A, who had the old one, follows it (O=1)."""
    moved = ICMPv6ND_NA(tgt=B, S=0, R=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=M_MAC)
    packets = [asks(), tells(), (5, framed(IPv6(src=B, dst="ff02::1", hlim=255) / moved, M_MAC))]
    for after, mac in ((2, B_MAC), (3, M_MAC)):
        discovery = NeighbourDiscovery(after=after)
        facts = told(discovery, packets)
        assert discovery.hosts.then[-1, A_MAC][B].mac == mac
    assert one(facts, 3, "nd.cache.replaced")["before"] == B_MAC
    sentences(facts)


def test_a_checked_entry_was_there_before_and_stays() -> None:
    discovery = NeighbourDiscovery(after=1)
    facts = told(discovery, [asks(to=B), tells()])
    assert ids(facts, 2) == ["nd.advertisement-directly", "nd.cache.owner-learned"]
    assert discovery.hosts.then[-1, A_MAC][B].mac == B_MAC
    sentences(facts)


def test_the_frame_goes_to_the_router_and_the_packet_further() -> None:
    server = IPv6(src="2001:db8::a", dst="2001:db8:1::34", hlim=64) / UDP(sport=40000, dport=9)
    far = bytes(Ether(src=A_MAC, dst=B_MAC) / server)
    router = framed(IPv6(src=B, dst="ff02::1", hlim=255) / ICMPv6ND_RA() / ICMPv6NDOptSrcLLAddr(lladdr=B_MAC), B_MAC)
    facts = told(NeighbourDiscovery(), [far, router, far, far])
    assert one(facts, 3, "nd.through-gateway")["gateway"] == B
    assert sorted(facts) == [2, 3]
    sentences(facts)


def test_a_question_captured_twice_is_one() -> None:
    discovery = NeighbourDiscovery()
    facts = told(discovery, [(0, asks()), (0.00002, asks()), (0.01, tells())])
    assert ids(facts, 2) == ["frame.captured-twice"]
    assert discovery.finish()[0].asked == [1]


def test_the_samples_of_the_lab() -> None:
    path = ROOT / "captures" / "ipv6-neighbour-discovery.pcapng"
    if not path.exists():
        pytest.skip("captures/ipv6-neighbour-discovery.pcapng is not recorded yet")
    facts = told_of_file(NeighbourDiscovery(), str(path))
    assert any("nd.advertisement" in ids(facts, number) for number in facts)
    sentences(facts)
