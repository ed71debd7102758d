"""Every protocol that has no table of ours: Scapy's dissectors, loaded when first needed, in the shape of our layers.

Field ids are made of Wireshark's protocol name and Scapy's field name (``dhcp.ciaddr``, ``ntp.stratum``): they are not
all display-filter names. Nothing here raises, and nothing of Scapy reaches the terminal.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Layer, Packet

LONGEST = 65_535
MOST_FIELDS = 400

READ_BY_SCAPY: dict[str, dict[int, tuple[str, str]]] = {
    "ip.proto": {
        2: ("scapy.layers.igmp", "IGMP"),
        50: ("scapy.layers.ipsec", "ESP"),
        88: ("scapy.contrib.eigrp", "EIGRP"),
        89: ("scapy.contrib.ospf", "OSPF_Hdr"),
        103: ("scapy.contrib.pim", "PIMv2Hdr"),
        112: ("scapy.layers.vrrp", "VRRP"),
        115: ("scapy.layers.l2tp", "L2TP"),
        132: ("scapy.layers.sctp", "SCTP"),
    },
    "eth.type": {
        0x8809: ("scapy.contrib.slowprot", "SlowProtocol"),
        0x8863: ("scapy.layers.ppp", "PPPoED"),
        0x888E: ("scapy.layers.eap", "EAPOL"),
        0x88CC: ("scapy.contrib.lldp", "LLDPDU"),
        0x88E5: ("scapy.contrib.macsec", "MACsec"),
        0x88F7: ("scapy.contrib.ptp_v2", "PTP"),
    },
    "llc.dsap": {0x42: ("scapy.layers.l2", "STP")},
    "llc.pid.00000c": {0x2000: ("scapy.contrib.cdp", "CDPv2_HDR")},
    "ppp": {
        0x8021: ("scapy.layers.ppp", "PPP_IPCP"),
        0xC021: ("scapy.layers.ppp", "PPP_LCP"),
        0xC023: ("scapy.layers.ppp", "PPP_PAP"),
        0xC223: ("scapy.layers.ppp", "PPP_CHAP"),
    },
    "udp.port": {
        67: ("scapy.layers.dhcp", "BOOTP"),
        68: ("scapy.layers.dhcp", "BOOTP"),
        69: ("scapy.layers.tftp", "TFTP"),
        123: ("scapy.layers.ntp", "NTP"),
        137: ("scapy.layers.netbios", "NBNSHeader"),
        138: ("scapy.layers.netbios", "NBTDatagram"),
        161: ("scapy.layers.snmp", "SNMP"),
        162: ("scapy.layers.snmp", "SNMP"),
        500: ("scapy.layers.isakmp", "ISAKMP"),
        520: ("scapy.layers.rip", "RIP"),
        546: ("scapy.layers.dhcp6", "DHCP6"),
        547: ("scapy.layers.dhcp6", "DHCP6"),
        1645: ("scapy.layers.radius", "Radius"),
        1701: ("scapy.layers.l2tp", "L2TP"),
        1812: ("scapy.layers.radius", "Radius"),
        1813: ("scapy.layers.radius", "Radius"),
        1985: ("scapy.layers.hsrp", "HSRP"),
        2055: ("scapy.layers.netflow", "NetflowHeader"),
    },
}
"""Module and class for what learners meet; of other numbers the octets are shown and Scapy stays unloaded."""

LINKS: dict[int, tuple[str, str]] = {
    105: ("scapy.layers.dot11", "Dot11"),
    119: ("scapy.layers.dot11", "PrismHeader"),
    127: ("scapy.layers.dot11", "RadioTap"),
    187: ("scapy.layers.bluetooth", "HCI_Hdr"),
    189: ("scapy.layers.usb", "USBpcap"),
    192: ("scapy.layers.ppi", "PPI"),
    195: ("scapy.layers.dot15d4", "Dot15d4FCS"),
    201: ("scapy.layers.bluetooth", "HCI_PHDR_Hdr"),
    227: ("scapy.layers.can", "CAN"),
    230: ("scapy.layers.dot15d4", "Dot15d4"),
    249: ("scapy.layers.usb", "USBpcap"),
}

BACK_TO_TABLES = {
    "IP": ("ip.version", 4),
    "IPv6": ("ip.version", 6),
    "ARP": ("eth.type", 0x0806),
    "Ether": ("ethernet", 0),
    "Dot3": ("ethernet", 0),
    "LLC": ("llc", 0),
}
"""Scapy's layers that we read better ourselves: there our tables go on."""

NAMES = {
    "BOOTP": "dhcp", "DHCP": "dhcp", "OSPF_Hdr": "ospf", "OSPF_Hello": "ospf", "EAPOL": "eapol", "PPPoED": "pppoed",
    "NBNSHeader": "nbns", "NBTDatagram": "nbdgm", "CDPv2_HDR": "cdp", "STP": "stp", "Dot11": "wlan",
    "RadioTap": "radiotap", "Dot15d4": "wpan", "Dot15d4FCS": "wpan", "PIMv2Hdr": "pim", "PPP_LCP": "lcp",
    "PPP_IPCP": "ipcp", "PPP_PAP": "pap", "PPP_CHAP": "chap", "NTPHeader": "ntp", "SlowProtocol": "slow",
    "IGMP": "igmp", "HCI_Hdr": "hci_h4", "NetflowHeader": "cflow", "PrismHeader": "prism",
}  # fmt: skip
"""Wireshark's names of layers; of others Scapy's name in small letters."""

FAMILIES = (
    ("IGMP", "igmp"), ("NTP", "ntp"), ("DHCP6", "dhcpv6"), ("SCTP", "sctp"), ("LLDPDU", "lldp"), ("Dot11", "wlan"),
    ("OSPF", "ospf"), ("SNMP", "snmp"), ("TFTP", "tftp"), ("RIP", "rip"), ("ISAKMP", "isakmp"),
)  # fmt: skip
"""Wireshark's names for whole families of Scapy's layers, by how their names begin."""


def read_rest(
    packet: Packet, octets: bytes, start: int, end: int, following: tuple[str, int] | None
) -> tuple[int, tuple[str, int]] | None:
    """Read what no table of ours reads, and add its layers to ``packet``.

    octets[start:end] is what is left; following its number in a number space. Returns where one of our tables can go
    on, and with what, or None when all is read.
    """
    if end <= start:
        return None
    if following is not None and end - start <= LONGEST:
        found = dissector(*following)
        if found is not None:
            try:
                start, back = read_by_scapy(packet, octets, start, end, found)
            except Exception:
                back = None
            if back is not None:
                return start, back
    if end > start:
        packet.layers.append(data_layer(octets, start, end))
    return None


def data_layer(octets: bytes, start: int, end: int) -> Layer:
    """Make a layer of octets that nothing reads."""
    from sniffkit.protocols.packet import FieldValue, Layer

    raw = octets[start:end]
    layer = Layer("data", start, len(raw), [], [], end, 0)
    layer.fields.append(FieldValue("data.data", raw, raw.hex(), start, 0, 8 * len(raw)))
    layer.fields.append(FieldValue("data.len", len(raw), str(len(raw)), start, 0, 0))
    return layer


@cache
def dissector(space: str, number: int) -> Any:
    """Return Scapy's class for a number in a number space, None where there is none."""
    place = LINKS.get(number) if space == "link" else READ_BY_SCAPY.get(space, {}).get(number)
    return None if place is None else load(*place)


@cache
def load(module: str, name: str) -> Any:
    """Import a Scapy layer without a word on the terminal; None where it is missing."""
    import importlib
    import logging
    import warnings

    # Scapy sets its own level while it is imported, so it is told again afterwards
    logging.getLogger("scapy").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module("scapy.layers.inet")
            found = getattr(importlib.import_module(module), name, None)
        except Exception:
            found = None
        if found is None and module == "scapy.layers.igmp":  # before Scapy 2.7 it was a contribution
            return load("scapy.contrib.igmp", name)
    for logger in ("scapy", "scapy.runtime", "scapy.loading", "scapy.interactive"):
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
    return found


def read_by_scapy(
    packet: Packet, octets: bytes, start: int, end: int, dissect: Any
) -> tuple[int, tuple[str, int] | None]:
    """Add a layer for each layer Scapy finds; return where its reading ends, and with what our tables go on."""
    layer = dissect(octets[start:end])
    while layer.name != "NoPayload":
        kind = type(layer).__name__
        if kind in BACK_TO_TABLES:
            return start, BACK_TO_TABLES[kind]
        header = header_of(layer)
        if kind in ("Raw", "Padding") or header is None or octets[start : start + len(header)] != header:
            break
        packet.layers.append(layer_of(layer, kind, header, start))
        start += len(header)
        packet.layers[-1].payload_offset = start
        packet.layers[-1].payload_length = end - start
        layer = layer.payload
    return start, None


def header_of(layer: Any) -> bytes | None:
    """Return the octets of one of Scapy's layers without what it carries, None where that cannot be told."""
    whole: bytes = layer.original
    carried: bytes = layer.payload.original if layer.payload.name != "NoPayload" else b""
    if layer.raw_packet_cache is not None:
        return bytes(layer.raw_packet_cache)
    if not carried:
        return whole
    # behind what is carried padding may stand, so its place is sought from the end
    place = whole.rfind(carried)
    return whole[:place] if place >= 0 else None


def layer_of(scapy_layer: Any, kind: str, header: bytes, start: int) -> Layer:
    """Put one of Scapy's layers in the shape of ours."""
    from sniffkit.protocols.packet import FieldValue, Layer

    name = NAMES.get(kind) or next((short for start_of, short in FAMILIES if kind.startswith(start_of)), "")
    name = name or re.sub(r"[^a-z0-9]+", "_", kind.lower()).strip("_")
    layer = Layer(name, start, len(header))
    try:
        layer.fields = measured(scapy_layer, name, header, start)
    except Exception:
        layer.fields = []
    if sum(field.bits for field in layer.fields) != 8 * len(header):
        # Scapy's fields and the octets don't add up (compressed, or fields in another order): values without places
        for field in layer.fields:
            field.bits, field.offset, field.bit = 0, start, 0
        if header:
            layer.fields.append(FieldValue(f"{name}.octets", header, header.hex(), start, 0, 8 * len(header)))
    return layer


def measured(scapy_layer: Any, name: str, header: bytes, start: int) -> list[Any]:
    """List a layer's fields with their places, found by letting each field read its own octets again."""
    from sniffkit.protocols.packet import FieldValue

    found: list[FieldValue] = []
    left: Any = header
    bit = 0
    for field in scapy_layer.fields_desc[:MOST_FIELDS]:
        octets_left = left[0] if isinstance(left, tuple) else left
        if not octets_left and not isinstance(left, tuple):
            break
        left, _ = field.getfield(scapy_layer, left)
        octets_left, bits_used = (left[0], left[1]) if isinstance(left, tuple) else (left, 0)
        place = (len(header) - len(octets_left)) * 8 + bits_used
        if place > bit:
            value, text = shown(scapy_layer, field)
            found.append(FieldValue(f"{name}.{field.name}", value, text, start + bit // 8, bit % 8, place - bit))
        bit = place
    if bit < 8 * len(header) and bit % 8 == 0:
        raw = header[bit // 8 :]
        found.append(FieldValue(f"{name}.octets", raw, raw.hex(), start + bit // 8, 0, 8 * len(raw)))
    return found


def shown(scapy_layer: Any, field: Any) -> tuple[int | str | bytes, str]:
    """Return a field's value and text: numbers and octets as they are, everything else as Scapy writes it."""
    value = scapy_layer.getfieldval(field.name)
    if isinstance(value, bool | int) and type(value) in (int, bool):
        return int(value), str(int(value))
    if isinstance(value, bytes):
        return value, value.hex()
    text = str(field.i2repr(scapy_layer, value)) if value is not None else ""
    return text, text


@cache
def mac_vendor(mac: str) -> str:
    """Return who made the network card with this address, "" where that is unknown (table of ``scapy.libs.manuf``).

    An address that someone made up (locally administered) or that means many stations (group) has no maker.
    """
    if int(mac[:2], 16) & 0b11:
        return ""
    digits = mac.upper().replace("-", ":")
    return vendors().get(digits[:8], "")


@cache
def vendors() -> dict[str, str]:
    """Return the makers by the first three octets of their addresses (IEEE MA-L; longer prefixes are left out)."""
    try:
        from scapy.libs.manuf import DATA
    except Exception:
        return {}
    table = {}
    for line in str(DATA).splitlines():
        prefix, _, names = line.partition("\t")
        prefix = prefix.strip()
        if len(prefix) == 8:
            table[prefix.upper()] = names.split("\t")[-1].strip()
    return table
