"""Why the fields of a frame or an ARP message have the values they have here: who is meant, and whose address it is."""

from __future__ import annotations

from collections.abc import Callable

from sniffkit.explanations.asked_field import Asked, Meaning, Reason, because
from sniffkit.explanations.ip_field_reasons import kind_of_address
from sniffkit.protocols.addresses import MacKind, locally_administered, mac_kind

BROADCAST = "ff:ff:ff:ff:ff:ff"
NOBODY = "00:00:00:00:00:00"
NO_ADDRESS = "0.0.0.0"

GROUPS = (
    ("01:00:5e:", "ipv4"),
    ("33:33:", "ipv6"),
    ("01:80:c2:00:00:0", "link"),  # 802.1D: bridges never forward these
)
"""Beginnings of group addresses whose use is known (RFC 1112 section 6.4, RFC 2464 section 7, IEEE 802.1D)."""

REQUEST, REPLY = 1, 2

LEAST_FRAME = 60
"""Octets of a frame without its check sequence (IEEE 802.3)."""

MADE_HERE = {"private", "link-local", "unique-local", "shared", "loopback"}


def destination_mac(asked: Asked) -> Reason | None:
    """Why ``eth.dst``: everyone, a group, the next router, or one neighbour."""
    mac = asked.field.text
    if not mac:
        return None
    if mac_kind(mac) is MacKind.BROADCAST:
        return because("mac.broadcast")
    if mac_kind(mac) is MacKind.UNSPECIFIED:
        return because("mac.nobody")
    if mac_kind(mac) is MacKind.MULTICAST:
        kind = next((kind for start, kind in GROUPS if mac.startswith(start)), "other")
        return because(f"mac.group-{kind}", mac=mac)
    if across_a_router(asked, "src", "dst"):
        return because("mac.next-hop", address=network_address(asked, "dst"), mac=mac)
    return one_mac(asked, "dst")


def source_mac(asked: Asked) -> Reason | None:
    """Why ``eth.src``: the sender, or the router that passed the packet on."""
    mac = asked.field.text
    if not mac:
        return None
    if mac_kind(mac) is MacKind.UNSPECIFIED:
        return because("mac.nobody")
    if mac_kind(mac) is not MacKind.UNICAST:
        return because("mac.group-source", mac=mac)
    if across_a_router(asked, "dst", "src"):
        return because("mac.last-hop", address=network_address(asked, "src"), mac=mac)
    return one_mac(asked, "src")


def across_a_router(asked: Asked, near: str, far: str) -> bool:
    """Tell whether the packet must have a router on this link: one address is private, the other one public."""
    here, there = network_address(asked, near), network_address(asked, far)
    return kind_of_address(here) in MADE_HERE and kind_of_address(there) == "global"


def network_address(asked: Asked, side: str) -> str:
    """Return the outermost IP address of a side ("src" or "dst"), "" where there is none."""
    network = next((layer for layer in asked.packet.layers if layer.protocol in ("ip", "ipv6")), None)
    found = network.first(f"{network.protocol}.{side}") if network is not None else None
    return found.text if found is not None else ""


def one_mac(asked: Asked, side: str) -> Reason:
    """Return what is known of a single interface's address: set locally, or of which vendor."""
    mac = asked.field.text
    if locally_administered(mac):
        return because("mac.local", mac=mac)
    found = asked.packet.first(f"eth.{side}.oui_resolved")
    known = asked.facts.get("vendor_eth_src" if side == "src" else "vendor_eth_dst")
    vendor = known or (found.text if found is not None else "")
    return because("mac.vendor", vendor=vendor, oui=mac[:8]) if vendor else because("mac.one", oui=mac[:8])


def ether_type(asked: Asked) -> Reason | None:
    """Why an EtherType: what follows."""
    carried = Meaning("eth.type", asked.number)
    return because("ethertype", type=asked.field.text, carried=carried) if carried.known else None


def frame_length(asked: Asked) -> Reason | None:
    """Why the field is a length and no type."""
    return because("frame-length", length=asked.number)


def padding(asked: Asked) -> Reason | None:
    """Why padding: the frame would be shorter than Ethernet allows."""
    octets = asked.field.bits // 8
    without = asked.field.offset
    if without + octets > LEAST_FRAME + 4 or not octets:
        return None
    return because("padding", without=without, octets=octets, least=LEAST_FRAME)


def vlan_id(asked: Asked) -> Reason | None:
    """Why a VLAN number: its tag is the outer one, names no VLAN, or names this one."""
    if asked.number == 0:
        return because("vlan.priority-only")
    inside = asked.inside()
    outer = inside is not None and inside.protocol in ("vlan", "ieee8021ad")
    return because("vlan.outer" if outer else "vlan.member", id=asked.number)


def arp_sender_mac(asked: Asked) -> Reason | None:
    """Why the sender's MAC address: the answer, or the asker introducing itself; told if the frame says otherwise."""
    frame = asked.packet.first("eth.src")
    mac, ip = asked.field.text, asked.written("arp.src.proto_ipv4")
    if frame is not None and frame.text != mac:
        return because("arp.sender-differs", mac=mac, frame=frame.text)
    if asked.beside("arp.opcode") == REPLY:
        return because("arp.answer", mac=mac, ip=ip)
    if ip == NO_ADDRESS:
        return because("arp.probe-sender", mac=mac)
    return because("arp.asker", mac=mac, ip=ip)


def arp_sender_ip(asked: Asked) -> Reason | None:
    """Why the sender's IP address: none in a probe, the announced one in an announcement (RFC 5227)."""
    ip, target = asked.field.text, asked.written("arp.dst.proto_ipv4")
    if ip == NO_ADDRESS:
        return because("arp.probe", ip=target)
    if ip == target:
        return because("arp.announcement", ip=ip)
    return because("arp.answered" if asked.beside("arp.opcode") == REPLY else "arp.asker-ip", ip=ip)


def arp_target_mac(asked: Asked) -> Reason | None:
    """Why the target's MAC address: unknown in a request, the asker's in a reply."""
    mac = asked.field.text
    if asked.beside("arp.opcode") == REPLY:
        return because("arp.target-asker", mac=mac)
    frame = asked.packet.first("eth.dst")
    if frame is not None and frame.text == mac and mac not in (BROADCAST, NOBODY):
        return because("arp.target-checked", mac=mac)
    return because("arp.target-unknown" if mac == NOBODY else "arp.target-filled", mac=mac)


def arp_target_ip(asked: Asked) -> Reason | None:
    """Why the target's IP address: the one that is sought, or the asker's."""
    ip, sender = asked.field.text, asked.written("arp.src.proto_ipv4")
    if ip == sender:
        return because("arp.announcement", ip=ip)
    if asked.beside("arp.opcode") == REPLY:
        return because("arp.target-asker-ip", ip=ip)
    return because("arp.probe" if sender == NO_ADDRESS else "arp.sought", ip=ip)


LINK_REASONS: dict[str, Callable[[Asked], Reason | None]] = {
    "eth.dst": destination_mac,
    "eth.src": source_mac,
    "eth.type": ether_type,
    "eth.len": frame_length,
    "eth.padding": padding,
    "vlan.id": vlan_id,
    "vlan.etype": ether_type,
    "vlan.len": frame_length,
    "ieee8021ad.id": vlan_id,
    "ieee8021ah.etype": ether_type,
    "sll.etype": ether_type,
    "llc.type": ether_type,
    "arp.src.hw_mac": arp_sender_mac,
    "arp.src.proto_ipv4": arp_sender_ip,
    "arp.dst.hw_mac": arp_target_mac,
    "arp.dst.proto_ipv4": arp_target_ip,
}
