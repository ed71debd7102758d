"""The DNS messages of a batch that stand whole in a UDP datagram of their own, found in columns.

Nearly all DNS is so. The fixed header of these is read for all at once (RFC 1035 section 4.1.1), and what lies behind
it without the layers below; only what is left is read packet by packet.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sniffkit.protocols.dns import HEADER, UPDATE
from sniffkit.protocols.dns_name import BadName, name_text, read_name
from sniffkit.protocols.occurrences import Occurrences, Spans
from sniffkit.protocols.packet import FieldValue, Layer, Packet, Place, read_layers
from sniffkit.protocols.protocol import gather
from sniffkit.protocols.walk import PROTOCOLS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

MDNS, LLMNR = 5353, 5355
PORTS = ("udp.srcport", "udp.dstport")

ESCAPE = re.compile(rb"\\(?:([0-9]{3})|(.))", re.DOTALL)

LEFT_OUT_OF_QUERIES = frozenset({"dns.flags.rcode", "dns.flags.authoritative", "dns.flags.recavail"})
"""Bits that mean nothing in a question; Wireshark has no fields for them there."""


class PlainDns:
    """Such messages; LLMNR and updates, which have other names for some fields, are not among them.

    packet: int64 (m,) rows of the batch, ascending, each once; at: int64 (m,) their index in ``rows("dns")``
    """

    def __init__(self, columns: Columns) -> None:
        import numpy as np

        self._columns = columns
        rows = columns.rows("dns")
        plain = (rows.parent == PROTOCOLS.index("udp")) & ~rows.quoted & (rows.present >= HEADER.octets)
        at = np.flatnonzero(plain)
        ports = [columns[port][rows.parent_index[at]] for port in PORTS]
        self._mdns = (ports[0] == MDNS) | (ports[1] == MDNS)
        self._window = gather(columns.batch.octets, rows.offset[at], HEADER)
        good = (ports[0] != LLMNR) & (ports[1] != LLMNR) & (HEADER.column(self._window, "dns.flags.opcode") != UPDATE)
        alone = np.ones(len(rows.row), np.bool_)
        alone[1:] &= rows.row[1:] != rows.row[:-1]
        alone[:-1] &= rows.row[1:] != rows.row[:-1]
        good &= alone[at] & ~np.isin(rows.row[at], columns.left_out("dns"))
        self.at, self._mdns, self._window = at[good], self._mdns[good], self._window[good]
        self.packet: NDArray[np.int64] = rows.row[self.at]
        self._place: dict[int, int] | None = None

    def header(self, id: str) -> Occurrences | None:
        """Return a field of the fixed header, None where it is no such field."""
        if id not in HEADER.place:
            return None
        values = HEADER.column(self._window, id)
        if id in LEFT_OUT_OF_QUERIES:
            answers = HEADER.column(self._window, "dns.flags.response").nonzero()[0]
            return Occurrences(self.packet[answers], values[answers])
        return Occurrences(self.packet, values)

    def question(self, id: str) -> tuple[Occurrences, NDArray[np.int64]] | None:
        """Return ``dns.qry.name`` or ``dns.qry.type`` of messages with one question; and the packets of all others.

        None where it is another field.
        """
        import numpy as np

        if id not in ("dns.qry.name", "dns.qry.type"):
            return None
        octets, rows = self._columns.batch.octets, self._columns.rows("dns")
        counts = HEADER.column(self._window, "dns.count.queries")
        data = octets.data
        places: list[int] = []
        names: list[str] = []
        types: list[int] = []
        left: list[int] = []
        start = rows.offset[self.at]
        ends = (start + rows.present[self.at]).tolist()
        for row, count, begin, end in zip(self.packet.tolist(), counts.tolist(), start.tolist(), ends, strict=True):
            message = bytes(data[begin:end])
            try:
                labels, after = read_name(message, HEADER.octets)
            except BadName:
                count = 2  # noqa: PLW2901 - as with several questions, it is read whole
            if count == 0:
                continue
            if count > 1 or after + 4 > len(message):
                left.append(row)
                continue
            places.append(row)
            name = name_text(labels)
            names.append(unescaped(name) if "\\" in name else name)
            types.append(message[after] << 8 | message[after + 1])
        packet, others = np.array(places, np.int64), np.array(left, np.int64)
        if id == "dns.qry.type":
            return Occurrences(packet, np.array(types, np.uint16)), others
        column = np.empty(len(names), object)
        column[:] = names
        return Occurrences(packet, column, ["<Root>" if name == "." else name for name in names]), others

    def layers(self, protocol: str) -> Occurrences:
        """Return the messages of ``dns`` or ``mdns``, each with all octets of its packet from there on."""
        import numpy as np

        chosen = np.flatnonzero(self._mdns == (protocol == "mdns"))
        packet, batch, rows = self.packet[chosen], self._columns.batch, self._columns.rows("dns")
        start, present = rows.offset[self.at[chosen]], rows.present[self.at[chosen]]
        end = batch.offset[packet] + batch.captured[packet]
        length = np.where(start < end, end - start, present)
        return Occurrences(packet, Spans(batch.octets, start, length))

    def place(self, packet: int) -> int:
        """Return which message a packet has, -1 for none."""
        if self._place is None:
            self._place = {row: place for place, row in enumerate(self.packet.tolist())}
        return self._place.get(packet, -1)

    def layer(self, place: int) -> Layer:
        """Read one message, without the layers below it."""
        columns, at = self._columns, int(self.at[place])
        rows = columns.rows("dns")
        start = int(rows.offset[at])
        octets = columns.batch.octets[start : start + int(rows.present[at])].tobytes()
        below = Layer("udp", 0)
        for port in PORTS:
            number = int(columns[port][rows.parent_index[at]])
            below.fields.append(FieldValue(port, number, str(number), 0, 0, 16))
        packet = Packet([below])
        length: Any = rows.length[at]
        read_layers(packet, octets, Place(0, int(length), ("udp.port", 53)), None)
        return packet.layers[1]


def unescaped(name: str) -> str:
    r"""Return a name in presentation form (RFC 1035 section 5.1) as Wireshark has it: only control characters escaped.

    They are in octal: ``\\033`` of the one is ``\\027`` of the other.
    """
    raw = ESCAPE.sub(lambda found: bytes((int(found[1]),)) if found[1] else found[2], name.encode("ascii", "replace"))
    text = raw.decode("utf-8", "replace")
    return "".join(one if one.isprintable() or one in "\t\n\r\a\b\f\v" else f"\\{ord(one):03o}" for one in text)
