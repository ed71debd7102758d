"""DNS, field by field: the header, the questions, and each record with what its type makes of its data.

``dns_message`` reads the same octets as a message, ``analysis.dns.messages`` in bulk. mDNS (RFC 6762) and LLMNR
(RFC 4795) have the format on ports of their own and mean some bits otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.protocols.dns_name import BadName, name_text, read_name
from sniffkit.protocols.dns_records import read_data, read_options
from sniffkit.protocols.header import Field, Form, Header, flag, hexadecimal, parent
from sniffkit.protocols.protocol import Protocol

if TYPE_CHECKING:
    from sniffkit.protocols.packet import Reader

MOST_RECORDS = 512
"""Records listed of one message; the rest is shown as octets, for a message that is only long cannot tire a reader."""

OPT = 41

HEADER = Header(
    "dns",
    "RFC 1035 section 4.1.1; RFC 4035 section 3.1.6 (AD), 3.2.2 (CD)",
    (
        hexadecimal("dns.id", 16),
        parent("dns.flags", 16, 4),
        flag("dns.flags.response"),
        Field("dns.flags.opcode", 4),
        flag("dns.flags.authoritative"),
        flag("dns.flags.truncated"),
        flag("dns.flags.recdesired"),
        flag("dns.flags.recavail"),
        flag("dns.flags.z"),
        flag("dns.flags.authenticated"),
        flag("dns.flags.checkdisable"),
        Field("dns.flags.rcode", 4),
        Field("dns.count.queries", 16),
        Field("dns.count.answers", 16),
        Field("dns.count.auth_rr", 16),
        Field("dns.count.add_rr", 16),
    ),
)

NOTHING = Header("dns", HEADER.rfc, ())

LAYER_OF_PORT = {5353: "mdns", 5355: "llmnr"}

LINK_LOCAL_NAMES = {"dns.flags.authoritative": "dns.flags.conflict", "dns.flags.recdesired": "dns.flags.tentative"}
"""LLMNR's own bits (RFC 4795 section 2.1.1) stand where DNS has these."""

UPDATE, UPDATE_NAMES = (
    5,
    {
        "dns.count.queries": "dns.count.zones",
        "dns.count.answers": "dns.count.prerequisites",
        "dns.count.auth_rr": "dns.count.updates",
    },
)
"""The same counts in a dynamic update (RFC 2136 section 2.2)."""


def read(reader: Reader) -> None:
    """Read a message, over TCP behind its length (RFC 1035 section 4.2.2)."""
    if reader.packet.layers[-2].protocol == "tcp":
        length = reader.number(0, 2)
        if reader.left < 2 or length < HEADER.octets or length + 2 > reader.wire_end - reader.at:
            # the rest of the message is in other segments
            reader.problem("dns.message-in-segments", promised=length + 2, present=reader.left)
            reader.add("dns.data", reader.left, Form.OCTETS)
            return
        reader.add("dns.length", 2)
        reader.end = min(reader.end, reader.start + 2 + length)
    origin = reader.at
    if not reader.fixed(HEADER):
        return
    counts = [reader.value(f"dns.count.{name}") for name in ("queries", "answers", "auth_rr", "add_rr")]
    family = rename(reader)
    try:
        for _ in range(min(counts[0], MOST_RECORDS)):
            read_question(reader, origin, family)
        for _ in range(min(sum(counts[1:]), MOST_RECORDS)):
            if not read_record(reader, origin, family):
                break
    except BadName as bad:
        reader.problem(bad.id, offset=origin + bad.place)
    reader.add("dns.data", reader.left, Form.OCTETS)


def rename(reader: Reader) -> str:
    """Give the layer and its fields the names they have in mDNS, LLMNR and updates; return the layer's name."""
    below = reader.packet.layers[-2]
    ports = [below.first(f"{below.protocol}.{end}port") for end in ("src", "dst")]
    for found in ports:
        if below.protocol == "udp" and found is not None and found.value in LAYER_OF_PORT:
            reader.layer.protocol = LAYER_OF_PORT[int(found.value)]
    names = LINK_LOCAL_NAMES if reader.layer.protocol == "llmnr" else {}
    if reader.value("dns.flags.opcode") == UPDATE and reader.layer.protocol == "dns":
        names = UPDATE_NAMES
    for field in reader.layer.fields:
        field.id = names.get(field.id, field.id)
    return reader.layer.protocol


def read_question(reader: Reader, origin: int, family: str) -> None:
    """Read one question (RFC 1035 section 4.1.2)."""
    start = reader.at
    labels = add_name(reader, "dns.qry.name", origin)
    length = len(b".".join(labels)) if labels else len("<Root>")
    reader.derive("dns.qry.name.len", length, offset=start)
    reader.derive("dns.count.labels", len(labels), offset=start)
    if reader.left < 4:
        raise BadName("dns.message-cut", reader.at - origin)
    reader.add("dns.qry.type", 2)
    if family == "mdns":
        # the top bit asks for a unicast answer (RFC 6762 section 5.4)
        split_class(reader, "dns.qry.class", "dns.qry.qu")
    else:
        reader.add("dns.qry.class", 2, Form.HEX)


def read_record(reader: Reader, origin: int, family: str) -> bool:
    """Read one record (RFC 1035 section 4.1.3); return whether there was one."""
    if not reader.left:
        reader.problem("dns.record-missing", offset=reader.at)
        return False
    add_name(reader, "dns.resp.name", origin)
    if reader.left < 10:
        raise BadName("dns.message-cut", reader.at - origin)
    kind = reader.add("dns.resp.type", 2) or 0
    if kind == OPT:
        # a record only in form: its class and TTL are values of EDNS (RFC 6891 section 6.1.2)
        if family == "mdns":
            split_class(reader, "dns.rr.udp_payload_size", "dns.resp.cache_flush")
        else:
            reader.add("dns.rr.udp_payload_size", 2)
        reader.add("dns.resp.ext_rcode", 1, Form.HEX)
        reader.add("dns.resp.edns0_version", 1)
        word = int.from_bytes(reader.octets[reader.at : reader.at + 2], "big")
        reader.derive("dns.resp.z", word, f"0x{word:04x}", offset=reader.at)
        reader.bits(2, ("dns.resp.z.do", 1, Form.FLAG), ("dns.resp.z.reserved", 15, Form.HEX))
    else:
        if family == "mdns":
            # the top bit tells caches to forget older records (RFC 6762 section 10.2)
            split_class(reader, "dns.resp.class", "dns.resp.cache_flush")
        else:
            reader.add("dns.resp.class", 2, Form.HEX)
        reader.add("dns.resp.ttl", 4)
    length = reader.add("dns.resp.len", 2) or 0
    if length > reader.left:
        reader.problem("dns.record-cut", promised=length, present=reader.left, offset=reader.at)
        return False
    end = reader.at + length
    if kind == OPT:
        read_options(reader, end)
    else:
        read_data(reader, kind, end, origin)
    return True


def split_class(reader: Reader, name: str, top: str) -> None:
    """Read a class whose top bit means something of its own."""
    reader.bits(2, (top, 1, Form.FLAG), (name, 15, Form.HEX))


def add_name(reader: Reader, id: str, origin: int) -> tuple[bytes, ...]:
    """Read a name at ``at``, add it as a field and return its labels; raise BadName."""
    message = reader.octets[origin : reader.end]
    labels, after = read_name(message, reader.at - origin)
    reader.add(id, origin + after - reader.at, Form.OCTETS)
    field = reader.layer.fields[-1]
    field.value = name_text(labels)
    field.text = "<Root>" if not labels else field.value
    return labels


PROTOCOL = Protocol(
    "dns",
    HEADER,
    {"udp.port": (53, *LAYER_OF_PORT), "udp.guess": (53,), "tcp.port": (53, 5353)},
    read,
    start=NOTHING,
)
