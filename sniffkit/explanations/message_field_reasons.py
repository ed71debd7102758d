"""Why ports, checksums and the fields of UDP, ICMP and DNS messages have the values they have here."""

from __future__ import annotations

from collections.abc import Callable

from sniffkit.explanations.asked_field import Asked, Meaning, Reason, because
from sniffkit.protocols.checksum import BAD, GOOD
from sniffkit.protocols.ports import port_kind

ECHO_REQUESTS = {"icmp": 8, "icmpv6": 128}

NEIGHBOUR_SOLICITATION = 135

COVERED = {"ip": "header", "icmp": "message"}
"""What a checksum covers, where that is not pseudo-header, header and data."""

CODES = {"icmp": (3, 5, 11, 12), "icmpv6": (1, 3, 4)}
"""Types whose codes have meanings of their own in the catalogue; the others only have code 0."""


def port(asked: Asked) -> Reason | None:
    """Why a port: the service's, or the one the client's system chose; without known roles what kind it is."""
    if asked.value is None:
        return None
    protocol, side = asked.id.split(".")
    number, kind = asked.number, port_kind(asked.number)
    service = Meaning(f"port.{protocol}", number)
    values: dict[str, object] = {"port": number, "kind": Meaning(f"port.{kind}")}
    sender = asked.facts.get("sender")
    if sender is not None and (sender == "server") != (side == "srcport"):
        return because(f"port.client-{kind}", port=number)
    known = "-service" if service.known else ""
    if known:
        values["service"] = service
    elif sender is None:
        return because(f"port.some-{kind}", port=number)
    return because(f"port.{'some' if sender is None else 'server'}{known}", **values)


def checksum(asked: Asked) -> Reason | None:
    """Why a checksum fits or not, where it was computed; a fact (of a whole direction) counts more than the one sum."""
    protocol, own = asked.layer.protocol, asked.layer.checksum
    if protocol == "udp" and asked.number == 0 and asked.packet.layer("ipv6") is None:
        return because("checksum.none")
    fact = asked.facts.get(f"checksum_{protocol}")
    state = fact or ({GOOD: "good", BAD: "bad"}.get(own.state) if own is not None else None)
    if state in ("offload", "unchecked"):
        return because(f"checksum.{state}")
    if state == "good":
        return because(f"checksum.good-{COVERED.get(protocol, 'pseudo')}")
    if state != "bad":
        return None
    if own is None or own.expected is None:
        return because("checksum.bad")
    if own.unfinished:
        return because("checksum.unfinished", value=asked.field.text)
    return because("checksum.bad-expected", value=asked.field.text, expected=f"0x{own.expected:04x}")


def udp_length(asked: Asked) -> Reason | None:
    """Why ``udp.length``: 8 octets of header and the data."""
    if asked.number < 8:
        return because("udp.length.zero" if asked.number == 0 else "udp.length.short", length=asked.number)
    return because("udp.length", data=asked.number - 8, length=asked.number)


def message_code(asked: Asked) -> Reason | None:
    """Why a code: what it means for this type."""
    protocol = asked.layer.protocol
    kind = asked.beside(f"{protocol}.type")
    if kind not in CODES[protocol]:
        return because("message.only-code") if asked.number == 0 else None
    meaning = Meaning(f"{protocol}.code.{kind}", asked.number)
    return because("message.code", type=kind, code=asked.number, meaning=meaning) if meaning.known else None


def echo_identifier(asked: Asked) -> Reason | None:
    """Why an echo's identifier: chosen by the asker, copied by the answer."""
    return because("echo.identifier-ask" if is_echo_request(asked) else "echo.identifier-answer", id=asked.field.text)


def echo_number(asked: Asked) -> Reason | None:
    """Why an echo's sequence number: which ping this is, or which one it answers."""
    packet, elapsed = asked.facts.get("acked_packet"), asked.facts.get("acked_rtt_ns")
    if is_echo_request(asked):
        return because("echo.number-ask", number=asked.number)
    if packet is None or elapsed is None:
        return because("echo.number-answer", number=asked.number)
    return because("echo.number-answers", number=asked.number, packet=packet, elapsed_ns=elapsed)


def is_echo_request(asked: Asked) -> bool:
    """Tell whether the message asks."""
    protocol = asked.layer.protocol
    return asked.beside(f"{protocol}.type") == ECHO_REQUESTS[protocol]


def next_hop_mtu(asked: Asked) -> Reason | None:
    """Why an MTU in an error: how large TCP segments may now be (RFC 1191, RFC 8201)."""
    if asked.number == 0:
        return because("message.mtu-unknown")
    headers = 40 if asked.layer.protocol == "icmp" else 60
    return because("message.mtu", mtu=asked.number, headers=headers, segment=asked.number - headers)


def solicited_target(asked: Asked) -> Reason | None:
    """Why a neighbour is asked for: to find it, to check it, or to see that nobody has the address (RFC 4862 5.4)."""
    source, destination = asked.packet.first("ipv6.src"), asked.packet.first("ipv6.dst")
    if source is None or destination is None:
        return None
    if source.text == "::":
        return because("neighbour.duplicate-check", target=asked.field.text)
    kind = "asked" if destination.text.startswith("ff") else "checked"
    return because(f"neighbour.{kind}", target=asked.field.text)


def dns_id(asked: Asked) -> Reason | None:
    """Why a DNS id: chosen, copied, or not used (RFC 6762 section 18.1)."""
    if asked.layer.protocol == "mdns":
        return because("dns.id-unused") if asked.number == 0 else None
    return because("dns.id-answer" if is_answer(asked) else "dns.id-question", id=asked.field.text)


def is_answer(asked: Asked) -> bool:
    """Tell whether a DNS message is a response."""
    return asked.beside("dns.flags.response") == 1


def authoritative(asked: Asked) -> Reason | None:
    """Why AA in a response: the zone's own server, or somebody who passes it on."""
    if not is_answer(asked):
        return None
    if asked.number:
        return because("dns.authoritative")
    return because("dns.referral" if is_referral(asked) else "dns.passed-on")


def is_referral(asked: Asked) -> bool:
    """Tell whether a response names other servers and answers nothing itself (RFC 1034 section 4.3.1)."""
    empty = asked.beside("dns.count.answers") == 0 and asked.beside("dns.flags.rcode") == 0
    return is_answer(asked) and empty and asked.layer.first("dns.ns") is not None


def recursion_desired(asked: Asked) -> Reason | None:
    """Why RD: who is to do the searching."""
    if is_answer(asked):
        return because("dns.recursion-copied")
    return because("dns.recursion-asked" if asked.number else "dns.recursion-not-asked")


def recursion_available(asked: Asked) -> Reason | None:
    """Why RA: only a resolver sets it, and only in responses."""
    if not is_answer(asked):
        return None
    return because("dns.resolver" if asked.number else "dns.no-resolver")


def truncated(asked: Asked) -> Reason | None:
    """Why TC: worth a word when it is set."""
    return because("dns.truncated") if asked.number else None


def response_code(asked: Asked) -> Reason | None:
    """Why a response code: the ones whose meaning is easily missed (RFC 2308 section 2)."""
    if not is_answer(asked):
        return because("dns.code-question")
    if asked.number == 3:
        return because("dns.no-such-name")
    if asked.number == 2:
        return because("dns.server-failure")
    if asked.number or asked.beside("dns.count.answers") != 0:
        return None
    return because("dns.code-referral" if is_referral(asked) else "dns.no-such-type")


def answers(asked: Asked) -> Reason | None:
    """Why the number of answers is 0, or how many there are."""
    if not is_answer(asked):
        return because("dns.no-answers-yet") if asked.number == 0 else None
    if asked.number:
        return because("dns.answers", count=asked.number)
    return because("dns.code-referral") if is_referral(asked) else None


def time_to_live(asked: Asked) -> Reason | None:
    """Why a record's time to live: how long it may be kept."""
    if asked.value is None:
        return None
    if asked.number == 0:
        return because("dns.ttl-zero")
    return because("dns.ttl", lifetime_ns=asked.number * 10**9)


MESSAGE_REASONS: dict[str, Callable[[Asked], Reason | None]] = {
    "tcp.srcport": port,
    "tcp.dstport": port,
    "udp.srcport": port,
    "udp.dstport": port,
    "ip.checksum": checksum,
    "tcp.checksum": checksum,
    "udp.checksum": checksum,
    "icmp.checksum": checksum,
    "icmpv6.checksum": checksum,
    "udp.length": udp_length,
    "icmp.code": message_code,
    "icmpv6.code": message_code,
    "icmp.ident": echo_identifier,
    "icmp.seq": echo_number,
    "icmp.mtu": next_hop_mtu,
    "icmpv6.echo.identifier": echo_identifier,
    "icmpv6.echo.sequence_number": echo_number,
    "icmpv6.mtu": next_hop_mtu,
    "icmpv6.nd.ns.target_address": solicited_target,
    "dns.id": dns_id,
    "dns.flags.authoritative": authoritative,
    "dns.flags.truncated": truncated,
    "dns.flags.recdesired": recursion_desired,
    "dns.flags.recavail": recursion_available,
    "dns.flags.rcode": response_code,
    "dns.count.answers": answers,
    "dns.resp.ttl": time_to_live,
}
