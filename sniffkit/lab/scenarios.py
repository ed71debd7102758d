"""Every scenario of the lab, in the order they are taught: one line each, with what its recording needs.

What a scenario is for and what its packets show stands in explanations/texts/lab.toml under ``lab.<name>``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.lab import arp_scenes, closing, delivery, dns_scenes, neighbours, opening, questions, viewpoints
from sniffkit.lab.wire import FAR, MIDDLE, NEAR

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSROOM, DNS_WORLD = "classroom", "dns"
CLIENT_SIDE, SERVER_SIDE, TRUNK, MIRROR = (NEAR,), (FAR,), (MIDDLE,), (NEAR, FAR)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario and the conditions it is recorded under.

    play:   gets the stage of its world: Stage, or DnsStage
    world:  the classroom, or the DNS world with its servers
    at:     where on the wire between client and router the recording is made
    delay:  seconds a frame takes over that wire, each way
    format: pcap or pcapng

    In the DNS world:
    at_resolver:   recorded is the resolver's wire and not the client's
    with_resolver: there is a resolver
    """

    name: str
    play: Callable[..., None]
    world: str = CLASSROOM
    at_resolver: bool = False
    with_resolver: bool = True
    at: tuple[str, ...] = CLIENT_SIDE
    delay: float = 0.01
    ask_arp: bool = False
    ipv6: bool = False
    keep_offload: bool = False
    snap_length: int = 262_144
    format: str = "pcap"

    @property
    def file_name(self) -> str:
        """Name of its capture in captures/."""
        return f"{self.name}.{self.format}"


SCENARIOS = (
    Scenario("handshake-close-4", closing.handshake_close_4),
    Scenario("close-3-segment", closing.close_3_segment),
    Scenario("server-closes-first", closing.server_closes_first),
    Scenario("half-close-data", closing.half_close_data),
    Scenario("fin-with-data", closing.fin_with_data),
    Scenario("simultaneous-close", closing.simultaneous_close, delay=0.05),
    Scenario("fin-again-in-time-wait", closing.fin_again_in_time_wait),
    Scenario("reset-by-abort", closing.reset_by_abort),
    Scenario("reset-data-unread", closing.reset_data_unread),
    Scenario("peer-vanished", closing.peer_vanished),
    Scenario("refused-port", opening.refused_port),
    Scenario("unanswered-syn", opening.unanswered_syn),
    Scenario("syn-retransmitted", opening.syn_retransmitted),
    Scenario("synack-lost", opening.synack_lost, at=SERVER_SIDE),
    Scenario("simultaneous-open", opening.simultaneous_open, delay=0.05),
    Scenario("old-duplicate-syn", opening.old_duplicate_syn, at=SERVER_SIDE),
    Scenario("half-open-peer", opening.half_open_peer),
    Scenario("fast-open", opening.fast_open),
    Scenario("port-reuse", opening.port_reuse),
    Scenario("lost-segment", delivery.lost_segment),
    Scenario("out-of-order", delivery.out_of_order, at=SERVER_SIDE),
    Scenario("repeated-segment", delivery.repeated_segment, at=SERVER_SIDE),
    Scenario("timeout-retransmission", delivery.timeout_retransmission),
    Scenario("zero-window", delivery.zero_window),
    Scenario("keepalive", delivery.keepalive),
    Scenario("sticky-nagle", delivery.sticky_nagle),
    Scenario("udp-question-answer", questions.udp_question_answer),
    Scenario("udp-lost", questions.udp_lost),
    Scenario("udp-closed-port", questions.udp_closed_port),
    Scenario("arp-ping", neighbours.arp_ping, ask_arp=True),
    Scenario("ipv6-neighbour-discovery", neighbours.ipv6_neighbour_discovery, ipv6=True, format="pcapng"),
    Scenario("arp-unanswered", arp_scenes.arp_unanswered, ask_arp=True),
    Scenario("arp-detection", arp_scenes.arp_detection, ask_arp=True),
    Scenario("arp-announcement", arp_scenes.arp_announcement, ask_arp=True),
    Scenario("arp-duplicate", arp_scenes.arp_duplicate, ask_arp=True),
    Scenario("arp-spoofing", arp_scenes.arp_spoofing, ask_arp=True),
    Scenario("arp-proxy", arp_scenes.arp_proxy, ask_arp=True),
    Scenario("vlan", neighbours.vlan, at=TRUNK, ask_arp=True),
    Scenario("dns-lookup", questions.dns_lookup),
    Scenario("dns-client", dns_scenes.lookups, DNS_WORLD, delay=0.001),
    Scenario("dns-resolver", dns_scenes.lookups, DNS_WORLD, at_resolver=True, delay=0.001),
    Scenario("dns-from-the-root", dns_scenes.from_the_root, DNS_WORLD, with_resolver=False),
    Scenario("dns-signed", dns_scenes.signed, DNS_WORLD, with_resolver=False),
    Scenario("dns-faults", dns_scenes.faults, DNS_WORLD, with_resolver=False),
    Scenario("http-exchange", questions.http_exchange, ask_arp=True, format="pcapng"),
    Scenario("offload", viewpoints.offload, keep_offload=True),
    Scenario("midstream", viewpoints.midstream),
    Scenario("one-direction", viewpoints.one_direction),
    Scenario("captured-twice", viewpoints.captured_twice, at=MIRROR, delay=0.00005),
    Scenario("clock-set-back", viewpoints.clock_set_back),
    Scenario("snap-length", viewpoints.snap_length, snap_length=68),
)


def find(name: str) -> Scenario | None:
    """Return the scenario of that name."""
    return next((scenario for scenario in SCENARIOS if scenario.name == name), None)
