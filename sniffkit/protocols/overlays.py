"""Networks on top of UDP: VXLAN and GENEVE between machines of a data centre, GTP in mobile networks, Teredo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, flag, hexadecimal, parent
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader

VXLAN = Header(
    "vxlan",
    "RFC 7348 section 5",
    (
        parent("vxlan.flags", 16, 4),
        flag("vxlan.flag_g"),
        Field("vxlan.flags_reserved", 3),
        flag("vxlan.flag_i"),
        Field("vxlan.flags_reserved", 4),
        flag("vxlan.flag_d"),
        Field("vxlan.flags_reserved", 2),
        flag("vxlan.flag_a"),
        Field("vxlan.flags_reserved", 3),
        Field("vxlan.gbp", 16),
        Field("vxlan.vni", 24),
        Field("vxlan.reserved8", 8),
    ),
)

GENEVE = Header(
    "geneve",
    "RFC 8926 section 3.4",
    (
        Field("geneve.version", 2),
        Field("geneve.option.length", 6, scale=4),
        parent("geneve.flags", 8, 2),
        flag("geneve.flags.oam"),
        flag("geneve.flags.critical"),
        Field("geneve.flags.reserved", 6),
        hexadecimal("geneve.proto_type", 16),
        hexadecimal("geneve.vni", 24),
        hexadecimal("geneve.reserved", 8),
    ),
)

GTP = Header(
    "gtp",
    "3GPP TS 29.281 section 5.1",
    (
        parent("gtp.flags", 8, 2),
        Field("gtp.flags.version", 3),
        flag("gtp.flags.payload"),
        Field("gtp.flags.reserved", 1),
        flag("gtp.flags.e"),
        flag("gtp.flags.s"),
        flag("gtp.flags.pn"),
        hexadecimal("gtp.message", 8),
        Field("gtp.length", 16),
        hexadecimal("gtp.teid", 32),
    ),
)
USER_DATA = 0xFF
"""GTP's message type for a user's packet (G-PDU)."""

TEREDO = Header("teredo", "RFC 4380 section 5.1.1", ())
AUTHENTICATION, ORIGIN = 0x0001, 0x0000


def read_vxlan(reader: Reader) -> None:
    """An Ethernet frame follows."""
    reader.carry("ethernet", 0)


def step_vxlan(headers: Headers) -> list[Carried]:
    """Behind each header follows an Ethernet frame."""
    return [Carried("ethernet", 0, VXLAN.octets)]


def read_geneve(reader: Reader) -> None:
    """Read past the options; the protocol is an EtherType."""
    length = reader.value("geneve.option.length")
    reader.add("geneve.options", min(length, reader.left), Form.OCTETS)
    if reader.at - reader.start == GENEVE.octets + length:
        reader.carry("eth.type", reader.value("geneve.proto_type"))
    else:
        reader.problem("geneve.header-cut", promised=8 + length, present=reader.at - reader.start)


def step_geneve(headers: Headers) -> list[Carried]:
    """Say what each tunnel carries."""
    octets = GENEVE.octets + headers.field("geneve.option.length").astype("i8")
    return [Carried("eth.type", headers.field("geneve.proto_type"), octets)]


def read_gtp(reader: Reader) -> None:
    """Read the optional fields and extension headers; a user's packet follows."""
    if reader.value("gtp.flags.version") != 1 or not reader.value("gtp.flags.payload"):
        return
    end = reader.start + 8 + reader.value("gtp.length")
    if reader.value("gtp.flags") & 7:
        reader.add("gtp.seq_number", 2, Form.HEX)
        reader.add("gtp.npdu_number", 1, Form.HEX)
        following = reader.add("gtp.next", 1, Form.HEX) or 0
        while following and reader.value("gtp.flags.e") and reader.left:
            octets = 4 * reader.octets[reader.at]
            if octets == 0 or octets > reader.left:
                reader.problem("gtp.extension-length", value=octets, present=reader.left)
                return
            reader.add("gtp.ext_hdr.length", 1)
            reader.add("gtp.ext_hdr.data", octets - 2, Form.OCTETS)
            following = reader.add("gtp.next", 1, Form.HEX) or 0
    if reader.value("gtp.message") == USER_DATA and reader.left:
        reader.carry("ip.version", reader.octets[reader.at] >> 4, max(end - reader.at, 0))


def step_gtp(headers: Headers) -> list[Carried]:
    """Say where each user's packet begins, behind at most four extension headers."""
    import numpy as np

    flags = headers.field("gtp.flags")
    optional = flags & 7 != 0
    octets = np.where(optional, 12, 8)
    extended = optional & (flags & 4 != 0)
    for _ in range(4):
        more = extended & (headers.octet(octets - 1) != 0)
        if not more.any():
            break
        octets = octets + np.where(more, 4 * headers.octet(octets).astype("i8"), 0)
    user = (flags >> 4 == 3) & (headers.field("gtp.message") == USER_DATA)
    length = 8 + headers.field("gtp.length").astype("i8") - octets
    return [Carried("ip.version", headers.octet(octets) >> 4, octets, length, user)]


def read_teredo(reader: Reader) -> None:
    """Read the authentication and origin that may stand before the IPv6 packet."""
    if reader.left >= 4 and reader.number(0, 2) == AUTHENTICATION:
        reader.add("teredo.auth", 2, Form.HEX)
        identity = reader.add("teredo.auth.idlen", 1) or 0
        check = reader.add("teredo.auth.aulen", 1) or 0
        reader.add("teredo.auth.id", min(identity, reader.left), Form.OCTETS)
        reader.add("teredo.auth.value", min(check, reader.left), Form.OCTETS)
        reader.add("teredo.auth.nonce", min(8, reader.left), Form.OCTETS)
        reader.add("teredo.auth.conf", 1, Form.OCTETS)
    if reader.left >= 8 and reader.number(reader.at - reader.start, 2) == ORIGIN:
        reader.add("teredo.orig", 2, Form.HEX)
        reader.add("teredo.orig.port", 2)
        reader.add("teredo.orig.addr", 4, Form.IPV4)
    if reader.left and reader.octets[reader.at] >> 4 == 6:
        reader.carry("ip.version", 6)


def step_teredo(headers: Headers) -> list[Carried]:
    """Say where each IPv6 packet begins."""
    import numpy as np

    names = headers.octet(2).astype("i8") + headers.octet(3)
    octets = np.where(headers.word(0) == AUTHENTICATION, 13 + names, 0)
    octets = octets + np.where(headers.word(octets) == ORIGIN, 8, 0)
    return [Carried("ip.version", 6, octets, where=headers.octet(octets) >> 4 == 6)]


VXLAN_PROTOCOL = Protocol("vxlan", VXLAN, {"udp.port": (4789,)}, read_vxlan, step_vxlan)
GENEVE_PROTOCOL = Protocol("geneve", GENEVE, {"udp.port": (6081,)}, read_geneve, step_geneve)
GTP_PROTOCOL = Protocol("gtp", GTP, {"udp.port": (2152,)}, read_gtp, step_gtp)
TEREDO_PROTOCOL = Protocol("teredo", TEREDO, {"udp.port": (3544,)}, read_teredo, step_teredo)
