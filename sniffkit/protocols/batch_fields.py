"""Any field of a batch, by its id: from columns where they have it, else from the packets that may carry it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sniffkit.protocols import REGISTER
from sniffkit.protocols.columns import Columns
from sniffkit.protocols.field_types import EITHER, NAMED_AFTER, READ_SINGLY, Kind, field_types, protocol_names
from sniffkit.protocols.frame_fields import FrameFields
from sniffkit.protocols.occurrences import Occurrences, Spans, nothing
from sniffkit.protocols.single_packets import SinglePackets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.field_types import FieldType
    from sniffkit.sources.batch import Batch

TYPED_FROM = 0x0600
"""Below, an Ethernet type is a length, and Wireshark gives it another name (IEEE 802.3 section 3.2.6)."""

LARGEST_LENGTH = 1500

IN_COLUMNS = frozenset(protocol.name for protocol in REGISTER) - READ_SINGLY

ALWAYS_THERE = {"sll": ("sll", "sll2"), "llc": ("llc",), "gre": ("gre",)}
"""Protocols that are read singly though their headers begin alike, and the tables of each."""

SEVERAL_TIMES = "sll.unused"
"""Stands once more behind a short address, in the second version."""

ONLY_ITS_HEADER = frozenset({"eth", "vlan", "ieee8021ad", "ipv6", "udp", "mpls"})
LENGTH_IN_HEADER = {"ip": "ip.hdr_len", "tcp": "tcp.hdr_len"}
"""Protocols of which a slice takes the header only; of the others all octets from it on, as Wireshark does."""


class BatchFields:
    """Reads fields of one batch, each of them once.

    others:   fields that are not in the octets (tcp.stream ...), from whoever was given the batch first
    messages: what TCP streams hold, as in ``SinglePackets``
    """

    def __init__(
        self,
        columns: Columns,
        frames: FrameFields,
        others: Callable[[str], Occurrences | None] | None = None,
        messages: Mapping[int, Sequence[tuple[bytes, int]]] | None = None,
    ) -> None:
        self.columns = columns
        self._frames = frames
        self._others = others
        self._messages = messages
        self._found: dict[str, Occurrences] = {}
        self._singly: SinglePackets | None = None

    @property
    def batch(self) -> Batch:
        """The batch; its octets may have grown by datagrams put together."""
        return self.columns.batch

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def singly(self) -> SinglePackets:
        """The packets that are read one by one."""
        if self._singly is None:
            self._singly = SinglePackets(self.columns, self._messages)
        return self._singly

    def occurrences(self, id: str) -> Occurrences:
        """Return every occurrence of a field or protocol; KeyError if there is no such field."""
        if id not in self._found:
            self._found[id] = self._read(id)
        return self._found[id]

    def header(self, id: str) -> Occurrences:
        """Return a protocol's headers as a slice sees them: ``tcp[13]``."""
        import numpy as np

        found = self.occurrences(id)
        length = found.values.length
        if id in ONLY_ITS_HEADER:
            length = np.minimum(length, self.columns.window(id).dtype.itemsize)
        elif id in LENGTH_IN_HEADER:
            octets = self.columns[LENGTH_IN_HEADER[id]]
            length = np.minimum(length, octets if len(octets) == len(found) else length)
        return Occurrences(found.packet, Spans(found.values.buffer, found.values.start, length))

    def present(self, id: str) -> NDArray[np.bool_]:
        """Return which packets have a field or protocol, bool (n,)."""
        import numpy as np

        there = np.zeros(len(self.batch), np.bool_)
        there[self.occurrences(id).packet] = True
        return there

    def _read(self, id: str) -> Occurrences:
        import numpy as np

        other = self._others(id) if self._others is not None else None
        if other is not None:
            return other
        if id in EITHER:
            one, two = EITHER[id]
            return interleaved(self.occurrences(one), self.occurrences(two))
        if id.startswith("frame."):
            return self._frames.occurrences(id, self)
        if id in protocol_names():
            return self._protocol(id)
        field = field_types()[id]
        if field.protocol == "dns":
            found = self.singly.plain_dns.header(id)
            if found is not None:
                return self._with_others(found, self.singly.field(field, self._odd_dns()))
            asked = self.singly.plain_dns.question(id)
            if asked is not None:
                others = np.union1d(self._odd_dns(), asked[1])
                return self._with_others(asked[0], self.singly.field(field, others))
        fixed = self._fixed(field) if field.protocol in ALWAYS_THERE and id != SEVERAL_TIMES else None
        if fixed is not None:
            return fixed
        if field.protocol not in IN_COLUMNS:
            return self.singly.field(field)
        found = self._column(id, field.protocol)
        if found is None:
            return self.singly.field(field)
        again = self.columns.left_out(field.protocol)
        if len(again):
            found = replaced(found, self.singly.field(field, again), again)
        return self._both_versions(found) if id == "ip.version" else found

    def _fixed(self, field: FieldType) -> Occurrences | None:
        """Return a field of those octets that every header of a protocol begins with, None for any other field."""
        import numpy as np

        parts = []
        odd = [np.empty(0, np.int64)]
        for protocol in REGISTER:
            if protocol.name not in ALWAYS_THERE[field.protocol]:
                continue
            rows, always = self.columns.rows(protocol.name), protocol.start or protocol.header
            odd.append(self.columns.left_out(protocol.name))
            if field.id in always.place:
                values = protocol.header.column(self.columns.window(protocol.name), field.id)
                parts.append(Occurrences(rows.row, octet_spans(values, field.kind)))
            elif field.id in protocol.header.place and len(rows):
                return None
        if not parts:
            return None
        found, again = together(parts) if len(parts) > 1 else parts[0], np.unique(np.concatenate(odd))
        return replaced(found, self.singly.field(field, again), again) if len(again) else found

    def _both_versions(self, found: Occurrences) -> Occurrences:
        """Return ``ip.version`` with the versions of IPv6 headers, which Wireshark keeps under this name, too."""
        import numpy as np

        other = self.occurrences("ipv6.version")
        four, six = self.columns.rows("ip"), self.columns.rows("ipv6")
        order = None
        if len(four) == len(found) and len(six) == len(other):
            packet = np.concatenate([four.row, six.row])
            order = np.lexsort((np.concatenate([four.offset, six.offset]), packet))
        return together([found, other], order)

    def _column(self, id: str, protocol: str) -> Occurrences | None:
        """Return a field that columns have, None for one that they have not."""
        import numpy as np

        columns, rows = self.columns, self.columns.rows(protocol)
        if id in ("eth.type", "vlan.etype"):
            return picked(rows.row, columns[id], columns[id] >= TYPED_FROM)
        if id == "eth.invalid_lentype":
            number = columns["eth.type"]
            return picked(rows.row, number, (number < TYPED_FROM) & (number > LARGEST_LENGTH))
        if id in ("eth.len", "vlan.len"):
            number = columns["eth.type" if id == "eth.len" else "vlan.etype"]
            return picked(rows.row, number, number <= LARGEST_LENGTH)
        if id == "ip.len":
            # 0 is what segmentation offload leaves; Wireshark then says what there is
            return Occurrences(rows.row, np.where(columns[id] == 0, rows.length, columns[id]))
        if id == "tcp.payload":
            octets = columns["tcp.hdr_len"].astype(np.int64)
            return self._payload(rows.row, rows.offset + octets, rows.present - octets, columns["tcp.len"] > 0)
        if id == "udp.payload":
            octets = columns["udp.length"].astype(np.int64)
            octets[octets == 0] = rows.length[octets == 0]
            return self._payload(rows.row, rows.offset + 8, np.minimum(rows.present, octets) - 8, octets > 8)
        if id == "tcp.options.sack_perm":
            index, _ = columns.sparse(id)
            return Occurrences(rows.row[index], Spans.of([b"\x04\x02"] * len(index)))
        for known in REGISTER:
            if known.name == protocol:
                if id in known.derived:
                    values = columns[id]
                    return picked(rows.row, values, values >= 0)
                if id in known.header.place:
                    return Occurrences(rows.row, octet_spans(columns[id], field_types()[id].kind))
                if id in known.sparse or (
                    known.messages and any(id in s.place for s in known.messages.shapes.values())
                ):
                    index, values = columns.sparse(id)
                    return Occurrences(rows.row[index], octet_spans(values, field_types()[id].kind))
        return None

    def _payload(
        self, row: NDArray[np.int64], start: NDArray[np.int64], length: NDArray[np.int64], has: NDArray[np.bool_]
    ) -> Occurrences:
        import numpy as np

        at = np.flatnonzero(has & (length > 0))
        return Occurrences(row[at], Spans(self.batch.octets, start[at], length[at]))

    def _odd_dns(self) -> NDArray[np.int64]:
        """Return the packets with DNS that has to be looked for packet by packet."""
        import numpy as np

        return np.setdiff1d(self.singly.candidates("dns"), self.singly.plain_dns.packet, assume_unique=True)

    @staticmethod
    def _with_others(found: Occurrences, others: Occurrences) -> Occurrences:
        return together([found, others]) if len(others) else found

    def _protocol(self, id: str) -> Occurrences:
        """Return the headers of a protocol; the octets of each are all from its first one on."""
        import numpy as np

        if id in ("dns", "mdns"):
            return self._with_others(self.singly.plain_dns.layers(id), self.singly.layers(id, self._odd_dns()))
        if id in ("llmnr", "erspan"):
            return self.singly.layers(id)
        names = ALWAYS_THERE.get(id) or (NAMED_AFTER.get(id, id),)
        parts, odd = [], [np.empty(0, np.int64)]
        for name in names:
            rows = self.columns.rows(name)
            parts.append(Occurrences(rows.row, Spans(self.batch.octets, rows.offset, np.maximum(rows.present, 0))))
            odd.append(self.columns.left_out(name) if name != "frame" else odd[0])
        parts = [part for part in parts if len(part)] or parts[:1]
        found, again = together(parts) if len(parts) > 1 else parts[0], np.unique(np.concatenate(odd))
        return replaced(found, self.singly.layers(id, again), again) if len(again) else found


def picked(row: NDArray[np.int64], values: NDArray[Any], chosen: NDArray[np.bool_]) -> Occurrences:
    """Return the values of a column that are there."""
    if chosen.all():
        return Occurrences(row, values)
    at = chosen.nonzero()[0]
    return Occurrences(row[at], values[at])


def octet_spans(values: NDArray[Any], kind: Kind) -> Any:
    """Return a column of OCTETS as Spans, any other as it is."""
    import numpy as np

    if kind is not Kind.OCTETS:
        return values
    if values.ndim == 1:
        width = values.dtype.itemsize
        raw = np.ascontiguousarray(values.astype(values.dtype.newbyteorder(">"))).view(np.uint8)
    else:
        width = values.shape[1]
        raw = np.ascontiguousarray(values).reshape(-1)
    start = np.arange(len(values), dtype=np.int64) * width
    return Spans(raw, start, np.full(len(values), width, np.int64))


def together(parts: list[Occurrences], order: NDArray[np.int64] | None = None) -> Occurrences:
    """Return several fields as one, sorted by packet, in a packet in the order of ``order`` (or of the parts)."""
    import numpy as np

    packet = np.concatenate([part.packet for part in parts])
    if order is None:
        order = np.argsort(packet, kind="stable")
    values = [part.values for part in parts]
    joined: Any
    if isinstance(values[0], Spans):
        shift = np.cumsum([0, *(len(one.buffer) for one in values[:-1])])
        joined = Spans(
            np.concatenate([one.buffer for one in values]),
            np.concatenate([one.start + by for one, by in zip(values, shift.tolist(), strict=True)]),
            np.concatenate([one.length for one in values]),
        )
    else:
        joined = np.concatenate(values)
        if joined.dtype.kind == "f":  # NumPy's way out for signed beside 64 unsigned bits
            joined = np.concatenate([one.astype(np.uint64) for one in values])
    texts = None
    if all(part.texts is not None for part in parts):
        flat = [text for part in parts for text in part.texts or ()]
        texts = [flat[at] for at in order.tolist()]
    return Occurrences(packet[order], joined[order], texts)


def interleaved(one: Occurrences, two: Occurrences) -> Occurrences:
    """Return both ends of each header, one after the other."""
    import numpy as np

    order = None
    if len(one) == len(two) and np.array_equal(one.packet, two.packet):
        order = np.arange(2 * len(one)).reshape(2, -1).T.reshape(-1)
    return together([one, two], order)


def replaced(found: Occurrences, other: Occurrences, packets: NDArray[np.int64]) -> Occurrences:
    """Return a field with the occurrences in some packets (ascending) replaced by those of another reading."""
    import numpy as np

    if not len(other):
        other = Occurrences(other.packet, found.values[:0])
    keep = np.flatnonzero(~np.isin(found.packet, packets))
    left = found.select(keep)
    return together([Occurrences(left.packet, left.values), Occurrences(other.packet, other.values)])


__all__ = ["BatchFields", "nothing", "together"]
