"""ARP as a class sees it: who asks, who answers, what everyone knows afterwards, and what is odd.

A is 10.0.0.1 at 02:…:0a, B 10.0.0.2 at 02:…:0b, M the mallory of every such story.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from sniffkit.analysis.neighbours.arp_table import ArpTable
from tests.analysis.messages import arp_values, ids, one, sentences, told, told_of_file
from tests.analysis.reference import NEEDED, captures, reference

EVERYONE = "ff:ff:ff:ff:ff:ff"
NOBODY = "00:00:00:00:00:00"
A, B, M = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:66"
A_IP, B_IP = "10.0.0.1", "10.0.0.2"

ROOT = Path(__file__).parents[3]


def arp(
    opcode: int, sender: str, sender_ip: str, target: str, target_ip: str, to: str = EVERYONE, frame: str = ""
) -> bytes:
    """A frame with an ARP message in it; ``frame`` is the frame's source where that is another."""
    octets = bytes.fromhex((to + (frame or sender)).replace(":", "")) + b"\x08\x06"
    octets += bytes.fromhex("0001080006040001"[:-4]) + opcode.to_bytes(2, "big")
    for mac, ip in ((sender, sender_ip), (target, target_ip)):
        octets += bytes.fromhex(mac.replace(":", "")) + bytes(map(int, ip.split(".")))
    return octets.ljust(60, b"\0")


def who_has(target_ip: str, sender: str = A, sender_ip: str = A_IP, to: str = EVERYONE) -> bytes:
    return arp(1, sender, sender_ip, NOBODY, target_ip, to)


def is_at(ip: str, mac: str, asker: str = A, asker_ip: str = A_IP, to: str = "", frame: str = "") -> bytes:
    return arp(2, mac, ip, asker, asker_ip, to or asker, frame)


def known(table: ArpTable) -> dict[tuple[int, str], dict[str, str]]:
    """What every host has in its table, without the packets that say so."""
    return {host: {ip: entry.mac for ip, entry in entries.items()} for host, entries in table.hosts.now.items()}


def to_ip(destination: str, mac: str, source: str = A_IP, sender: str = A) -> bytes:
    """A frame to ``mac`` with an IP packet to ``destination`` in it."""
    return bytes(Ether(src=sender, dst=mac) / IP(src=source, dst=destination, id=1) / UDP(sport=40000, dport=9))


def test_a_reply_answers_a_question_and_both_sides_learn() -> None:
    """The asker learns from the reply; the asked one had learned from the question already (RFC 826)."""
    table = ArpTable()
    facts = told(table, [who_has(B_IP), is_at(B_IP, B)])
    assert ids(facts, 1) == ["arp.request"]
    assert ids(facts, 2) == ["arp.reply", "arp.table.learned", "arp.table.owner-learned"]
    assert one(facts, 2, "arp.reply") == {
        "address": B_IP, "mac": B, "target": A_IP, "asker": A_IP, "number": 1, "elapsed_ns": 1_000_000,
    }  # fmt: skip
    assert known(table) == {(-1, A): {B_IP: B}, (-1, B): {A_IP: A}}
    (exchange,) = table.finish()
    assert (exchange.kind, exchange.packet, exchange.asked) == ("resolution", 1, [1])
    assert [(answer.packet, answer.mac, answer.elapsed_ns) for answer in exchange.answers] == [(2, B, 1_000_000)]
    assert [(change.packet, change.host_mac, change.ip) for change in exchange.changes] == [(1, B, A_IP), (2, A, B_IP)]
    assert exchange.warnings == []
    sentences(facts)


def test_the_answer_may_come_in_a_later_batch() -> None:
    table = ArpTable()
    facts = told(table, [who_has(B_IP), is_at(B_IP, B)], size=1)
    assert one(facts, 2, "arp.reply")["number"] == 1


def test_a_question_asked_again_is_one_exchange_and_never_answered() -> None:
    """Linux asks three times, a second apart, and then gives up."""
    table = ArpTable()
    facts = told(table, [(0, who_has(B_IP)), (1, who_has(B_IP)), (2, who_has(B_IP))])
    assert one(facts, 3, "arp.request-again") == {
        "address": A_IP, "mac": A, "target": B_IP, "number": 2, "first": 1, "times": 3, "elapsed_ns": 10**9,
    }  # fmt: skip
    (exchange,) = table.finish()
    assert exchange.asked == [1, 2, 3]
    assert exchange.answers == []
    assert table.counts["unanswered"] == 1
    assert table.unanswered == [exchange]
    sentences(facts)


def test_an_entry_is_checked_by_asking_its_station_alone() -> None:
    facts = told(ArpTable(), [who_has(B_IP, to=B)])
    assert one(facts, 1, "arp.request-directly")["asked_mac"] == B
    sentences(facts)


def test_a_checked_entry_was_there_before_and_stays() -> None:
    """Whoever asks one station alone knows its MAC address: nothing is learned, and nobody else was asked."""
    table = ArpTable()
    facts = told(table, [who_has(B_IP, to=B), is_at(B_IP, B)])
    assert ids(facts, 2) == ["arp.reply-directly", "arp.table.owner-learned"]
    assert known(table)[-1, A] == {B_IP: B}
    sentences(facts)


def test_probes_then_an_announcement() -> None:
    """A new address is asked for under 0.0.0.0 and announced when nobody answers (RFC 5227)."""
    probe = arp(1, A, "0.0.0.0", NOBODY, A_IP)
    announcement = arp(1, A, A_IP, NOBODY, A_IP)
    table = ArpTable()
    facts = told(table, [(0, probe), (1, probe), (2, probe), (4, announcement), (6, announcement)])
    assert [ids(facts, number) for number in range(1, 6)] == [
        ["arp.probe"],
        ["arp.probe-again"],
        ["arp.probe-again"],
        ["arp.announcement-after-probe"],
        ["arp.announcement-again"],
    ]
    assert one(facts, 4, "arp.announcement-after-probe")["number"] == 3
    assert [(e.kind, e.packet, e.asked) for e in table.finish()] == [
        ("probe", 1, [1, 2, 3]),
        ("announcement", 4, [4]),
        ("announcement", 5, [5]),
    ]
    assert table.counts["unanswered"] == 0  # silence is the good answer to a probe
    sentences(facts)


def test_a_probe_that_is_answered_is_a_conflict() -> None:
    table = ArpTable()
    facts = told(table, [arp(1, A, "0.0.0.0", NOBODY, B_IP), is_at(B_IP, B, asker_ip="0.0.0.0")])
    assert one(facts, 2, "arp.probe-answered")["mac"] == B
    (exchange,) = table.finish()
    assert exchange.kind == "probe"
    assert "arp.address-conflict" in exchange.warnings
    sentences(facts)


def test_two_stations_probing_for_one_address_must_both_give_way() -> None:
    facts = told(ArpTable(), [arp(1, A, "0.0.0.0", NOBODY, B_IP), arp(1, M, "0.0.0.0", NOBODY, B_IP)])
    assert one(facts, 2, "arp.probe-crossed")["other"] == A
    sentences(facts)


def test_gratuitous_and_unsolicited_replies_answer_nobody() -> None:
    table = ArpTable()
    facts = told(table, [arp(2, B, B_IP, EVERYONE, B_IP), is_at(B_IP, B)])
    assert ids(facts, 1) == ["arp.gratuitous"]
    assert ids(facts, 2) == ["arp.unsolicited-reply"]
    exchanges = table.finish()
    assert [(e.kind, e.question, e.answers[0].ip) for e in exchanges] == [
        ("gratuitous", None, B_IP),
        ("unsolicited-reply", None, B_IP),
    ]
    sentences(facts)


def test_two_answers_with_two_addresses_are_a_conflict() -> None:
    table = ArpTable()
    facts = told(table, [who_has(B_IP), is_at(B_IP, B), is_at(B_IP, M)])
    conflict = one(facts, 3, "arp.address-conflict")
    assert (conflict["mac"], conflict["other"], conflict["number"]) == (M, B, 2)
    assert one(facts, 3, "arp.table.replaced")["before"] == B
    (exchange,) = table.finish()
    assert exchange.warnings == ["arp.address-conflict"]
    assert len(exchange.answers) == 2
    sentences(facts)


def test_an_answer_that_changed_long_after_is_no_conflict() -> None:
    table = ArpTable()
    facts = told(table, [(0, who_has(B_IP)), (0.1, is_at(B_IP, B)), (3600, who_has(B_IP)), (3600.1, is_at(B_IP, M))])
    assert "arp.answer-changed" in ids(facts, 4)
    assert "arp.address-conflict" not in ids(facts, 4)
    assert [e.warnings for e in table.finish()] == [[], ["arp.answer-changed"]]
    sentences(facts)


def test_spoofing_rewrites_the_table_of_the_victim() -> None:
    """M tells A, unasked, that B is at M: A's entry is overwritten, and B's own announcement mends it."""
    table = ArpTable()
    claims = [(0, who_has(B_IP)), (0.02, is_at(B_IP, B)), (0.15, is_at(B_IP, M)), (1, arp(1, B, B_IP, NOBODY, B_IP))]
    facts = told(table, claims)
    assert one(facts, 3, "arp.table.replaced") == {"host": A_IP, "address": B_IP, "mac": M, "before": B, "since": 3}
    assert one(facts, 4, "arp.table.replaced")["mac"] == B
    assert "arp.address-conflict" in ids(facts, 4)
    assert known(table)[-1, A] == {B_IP: B}
    sentences(facts)


def test_a_question_that_was_answered_waits_for_nobody() -> None:
    """Whoever has the address answers at once; a reply that comes 130 ms after the answer is one nobody asked for."""
    table = ArpTable()
    facts = told(table, [(0, who_has(B_IP)), (0.02, is_at(B_IP, B)), (0.15, is_at(B_IP, M))])
    late = one(facts, 3, "arp.reply-too-late")
    assert (late["number"], late["answer"], late["elapsed_ns"]) == (1, 2, 130_000_000)
    question, forged = table.finish()
    assert (question.kind, [answer.mac for answer in question.answers], question.warnings) == ("resolution", [B], [])
    assert (forged.kind, forged.question) == ("unsolicited-reply", None)
    assert forged.warnings == ["arp.address-conflict", "arp.answer-changed"]
    sentences(facts)


def test_a_question_sent_twice_may_be_answered_twice() -> None:
    table = ArpTable()
    told(table, [(0, who_has(B_IP)), (1, who_has(B_IP)), (1.2, is_at(B_IP, B)), (2.2, is_at(B_IP, B))])
    (exchange,) = table.finish()
    assert [answer.packet for answer in exchange.answers] == [3, 4]


def test_a_reply_without_any_question_in_the_capture() -> None:
    table = ArpTable()
    facts = told(
        table,
        [(0, who_has(B_IP)), (0.1, is_at(B_IP, B)), (100, is_at(B_IP, M)), (101, arp(1, B, B_IP, NOBODY, B_IP))],
    )
    assert "arp.unsolicited-reply" in ids(facts, 3)
    assert one(facts, 3, "arp.table.replaced")["before"] == B
    sentences(facts)


def test_a_sender_that_is_not_the_frames_source_is_said() -> None:
    facts = told(ArpTable(), [who_has(B_IP), is_at(B_IP, B, frame=M)])
    assert one(facts, 2, "arp.sender-differs-from-frame") == {"mac": B, "frame_mac": M}
    sentences(facts)


def test_one_mac_may_stand_for_many_addresses() -> None:
    """Proxy ARP: the router answers for every host behind it; IP and MAC are not paired one to one."""
    packets = []
    for last in range(2, 8):
        packets += [who_has(f"10.0.0.{last}"), is_at(f"10.0.0.{last}", B)]
    facts = told(ArpTable(), packets)
    assert one(facts, 4, "arp.second-address")["other"] == "10.0.0.2"
    assert one(facts, 6, "arp.many-addresses")["count"] == 3
    assert "arp.many-addresses" not in ids(facts, 8) + ids(facts, 10)
    assert one(facts, 12, "arp.many-addresses")["count"] == 6
    sentences(facts)


def test_a_storm_repeats_and_a_scan_goes_round() -> None:
    storm = told(ArpTable(), [who_has(B_IP) for _ in range(60)])
    assert [number for number in storm if "arp.storm" in ids(storm, number)] == [50]
    scan = told(ArpTable(), [who_has(f"10.0.0.{last}") for last in range(2, 62)])
    assert [number for number in scan if "arp.scan" in ids(scan, number)] == [50]
    sentences(storm)
    sentences(scan)


def test_the_same_address_in_two_vlans_is_no_conflict() -> None:
    def tagged(frame: bytes, vlan: int) -> bytes:
        return frame[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + frame[12:]

    from sniffkit.protocols.columns import PROTOCOLS

    if "vlan" not in PROTOCOLS:
        pytest.skip("no VLAN protocol yet")
    packets = [tagged(who_has(B_IP), 1), tagged(is_at(B_IP, B), 1), tagged(who_has(B_IP), 2), tagged(is_at(B_IP, M), 2)]
    table = ArpTable()
    facts = told(table, packets)
    assert "arp.address-conflict" not in ids(facts, 4)
    assert one(facts, 4, "arp.reply")["number"] == 3
    assert known(table)[1, A] == {B_IP: B}
    assert known(table)[2, A] == {B_IP: M}


def test_packets_captured_twice_are_passed_over() -> None:
    import numpy as np

    from sniffkit.protocols.columns import Columns
    from tests.analysis.messages import batches

    (batch,) = batches([who_has(B_IP), who_has(B_IP), is_at(B_IP, B)])
    facts = ArpTable().feed(Columns(batch), np.array([False, True, False]))
    assert sorted(facts) == [0, 2]


def test_memory_stays_bounded_when_nobody_takes_the_exchanges() -> None:
    table = ArpTable(keep=False)
    told(table, [(seconds * 120, who_has(B_IP)) for seconds in range(50)])
    assert table.finish() == []
    assert table.counts["unanswered"] == 50


def test_the_samples_of_the_lab() -> None:
    path = ROOT / "captures" / "arp-ping.pcap"
    if not path.exists():
        pytest.skip("captures/arp-ping.pcap is not recorded yet")
    facts = told_of_file(ArpTable(), str(path))
    assert any("arp.reply" in ids(facts, number) for number in facts)
    sentences(facts)


def test_the_frame_goes_to_the_gateway_and_the_packet_further() -> None:
    """TEACHING 88: ARP finds the gateway, the IP address is the server's. Said once, at the first such packet."""
    near, far = to_ip(B_IP, B), to_ip("93.184.216.34", B)
    facts = told(ArpTable(), [who_has(B_IP), is_at(B_IP, B), near, far, far])
    assert one(facts, 4, "arp.through-gateway") == {
        "source": A_IP, "destination": "93.184.216.34", "mac": B, "gateway": B_IP, "number": 2,
    }  # fmt: skip
    assert sorted(facts) == [1, 2, 4]
    sentences(facts)


@pytest.mark.parametrize(
    ("destination", "mac"),
    [
        ("10.0.0.77", B),  # the same network: B may have two addresses
        ("93.184.216.34", M),  # nobody said who that is
        ("224.0.0.251", B),
        ("255.255.255.255", B),
    ],
)
def test_no_gateway_is_seen_where_none_need_be(destination: str, mac: str) -> None:
    facts = told(ArpTable(), [who_has(B_IP), is_at(B_IP, B), to_ip(destination, mac)])
    assert 3 not in facts


def test_what_proxy_arp_answered_for_is_no_gateway() -> None:
    """To the asker the far host is on its own link, for the router answered in its place."""
    server = "93.184.216.34"
    assert 3 not in told(ArpTable(), [who_has(server), is_at(server, B), to_ip(server, B)])


def test_the_tables_after_each_packet() -> None:
    """What stood in a table after packet n, although packet n+1 showed it: B learns A's address from the question."""
    packets = [who_has(B_IP), is_at(B_IP, B), (10, is_at(B_IP, M))]
    found = []
    for after in (1, 2, 3):
        table = ArpTable(after=after)
        told(table, packets)
        found.append({host: {ip: one.mac for ip, one in rows.items()} for (_, host), rows in table.hosts.then.items()})
    assert found == [{B: {A_IP: A}}, {B: {A_IP: A}, A: {B_IP: B}}, {B: {A_IP: A}, A: {B_IP: M}}]
    assert (table.hosts.then[-1, B][A_IP].packet, table.hosts.then[-1, B][A_IP].seen) == (1, 2)


def test_a_frame_captured_twice_counts_once() -> None:
    """Mirror ports and the any device show a frame twice within microseconds; nobody asks again that soon."""
    packets = [(at + copy, octets) for at, octets in ((0, who_has(B_IP)), (0.01, is_at(B_IP, B))) for copy in (0, 2e-5)]
    table = ArpTable()
    facts = told(table, packets)
    assert [ids(facts, number) for number in (2, 4)] == [["frame.captured-twice"]] * 2
    (exchange,) = table.finish()
    assert (exchange.asked, [answer.packet for answer in exchange.answers]) == ([1], [3])
    assert table.counts["warnings"] == 0
    sentences(facts)


def test_questions_captured_twice_are_no_storm_and_a_storm_stays_one() -> None:
    doubled = [(at / 30 + copy, who_has(B_IP)) for at in range(30) for copy in (0, 2e-5)]
    facts = told(ArpTable(), doubled)
    assert not any("arp.storm" in ids(facts, number) for number in facts)
    loop = told(ArpTable(), [(at / 100_000, who_has(B_IP)) for at in range(300)])  # a frame in a loop of switches
    assert any("arp.storm" in ids(loop, number) for number in loop)


def test_an_address_that_a_host_gave_itself_makes_it_no_router() -> None:
    """169.254/16 until the DHCP server answers, then another, then a third: three in all, and nothing odd."""
    facts = told(ArpTable(), [arp(1, A, ip, NOBODY, ip) for ip in ("169.254.3.4", "10.0.0.5", "10.0.0.6")])
    assert "arp.many-addresses" not in ids(facts, 3)


FIELDS = ("arp.opcode", "arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.hw_mac", "arp.dst.proto_ipv4")


@NEEDED
def test_every_arp_field_of_the_corpus_equals_tsharks() -> None:
    """All values of all captures with ARP in them; those under a header that no table of ours reads are counted."""
    equal, different, unread = 0, [], 0
    for name, path in captures("arp"):
        ours = arp_values(path)
        for number, theirs in reference(name, FIELDS):
            if not theirs[1] or not theirs[2]:
                continue  # no ARP, or not for Ethernet and IPv4
            if number not in ours:
                unread += 1
            elif ours[number] == theirs:
                equal += 1
            else:
                different.append((name, number, ours[number], theirs))
    print(f"ARP: {equal} messages equal, {len(different)} different, {unread} not read by our columns")
    assert equal > 1000
    assert not different, different[:5]
