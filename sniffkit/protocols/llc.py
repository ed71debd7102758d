"""LLC and SNAP: what follows in an Ethernet frame that has a length where others have a type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.header import Field, Form, Header, flag, hexadecimal, parent
from sniffkit.protocols.protocol import Carried, Headers, Protocol

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader

SNAP = 0xAA
"""Both service access points of a SNAP header."""

ETHERTYPE_OUIS = (0x000000, 0x0000F8)
"""SNAP organisations whose protocol number is an EtherType (RFC 1042; 0000f8 bridged by Cisco)."""

SNAP_HEADER = Header("llc", "RFC 1042", (hexadecimal("llc.oui", 24), hexadecimal("llc.type", 16)))

HEADER = Header(
    "llc",
    "IEEE 802.2 section 3.2",
    (
        parent("llc.dsap", 8, 2),
        Field("llc.dsap.sap", 7),
        flag("llc.dsap.ig"),
        parent("llc.ssap", 8, 2),
        Field("llc.ssap.sap", 7),
        flag("llc.ssap.cr"),
        hexadecimal("llc.control", 8, 4),
    ),
)
"""The control field has one octet here (unnumbered frames, nearly all); the packet view knows its longer forms."""

START = Header("llc", HEADER.rfc, HEADER.fields[:-1])


def read(reader: Reader) -> None:
    """Read the control field, one or two octets, and a SNAP header."""
    read_control(reader)
    access_point = reader.value("llc.dsap")
    if access_point != SNAP or reader.value("llc.ssap") != SNAP:
        reader.carry("llc.dsap", access_point)
        return
    if not reader.fixed(SNAP_HEADER):
        return
    organisation, number = reader.value("llc.oui"), reader.value("llc.type")
    if organisation in ETHERTYPE_OUIS:
        reader.carry("eth.type", number)
        return
    reader.layer.fields[-1].id = "llc.cisco_pid" if organisation == 0xC else "llc.pid"
    reader.carry(f"llc.pid.{organisation:06x}", number)


def read_control(reader: Reader) -> None:
    """Read the control field (IEEE 802.2 section 5.2)."""
    if reader.left == 0:
        reader.problem("llc.header-cut", promised=HEADER.octets, present=reader.end - reader.start)
        return
    first = reader.octets[reader.at]
    poll = "llc.control.f" if reader.value("llc.ssap.cr") else "llc.control.p"
    if first & 3 == 3:
        modifier = "llc.control.u_modifier_resp" if poll.endswith("f") else "llc.control.u_modifier_cmd"
        reader.derive("llc.control", first, f"0x{first:04x}", offset=reader.at)
        reader.bits(
            1,
            (modifier, 3, Form.HEX),
            (poll, 1, Form.FLAG),
            (modifier, 2, Form.HEX),
            ("llc.control.ftype", 2, Form.HEX),
        )
        return
    # information and supervisory frames: two octets, the low one first on the wire
    word = first | reader.number(reader.at + 1 - reader.start, 1) << 8
    reader.derive("llc.control", word, f"0x{word:04x}", offset=reader.at)
    if first & 1:
        reader.bits(
            2,
            ("llc.control.reserved", 4, Form.DECIMAL),
            ("llc.control.s_ftype", 2, Form.HEX),
            ("llc.control.ftype", 2, Form.HEX),
            ("llc.control.n_r", 7, Form.DECIMAL),
            (poll, 1, Form.FLAG),
        )
    else:
        reader.bits(
            2,
            ("llc.control.n_s", 7, Form.DECIMAL),
            ("llc.control.ftype", 1, Form.HEX),
            ("llc.control.n_r", 7, Form.DECIMAL),
            (poll, 1, Form.FLAG),
        )


def step(headers: Headers) -> list[Carried]:
    """Say what each frame carries: by its service access point, or by SNAP's EtherType."""
    point = headers.field("llc.dsap")
    unnumbered = headers.field("llc.control") & 3 == 3
    snap = (point == SNAP) & (headers.field("llc.ssap") == SNAP) & unnumbered & (headers.present >= 8)
    organisation = headers.word(3) << 8 | headers.octet(5)
    typed = snap & ((organisation == ETHERTYPE_OUIS[0]) | (organisation == ETHERTYPE_OUIS[1]))
    return [
        Carried("eth.type", headers.word(6), 8, where=typed),
        Carried("llc.dsap", point, 3, where=unnumbered & ~snap),
    ]


PROTOCOL = Protocol("llc", HEADER, {"llc": (0,), "eth.type": (0x0004,)}, read, step, start=START)
