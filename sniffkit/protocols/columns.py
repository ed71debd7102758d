"""A batch at once: one NumPy column a field, computed when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from sniffkit.protocols import REGISTER
from sniffkit.protocols.protocol import IDLE, Headers, Options, gather
from sniffkit.protocols.walk import PROTOCOLS, walk
from sniffkit.sources.batch import pieces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.protocol import Messages, OptionField, Protocol
    from sniffkit.protocols.reassembly import Reassembler, Whole
    from sniffkit.sources.batch import Batch

__all__ = ["PROTOCOLS", "Columns", "Rows", "protocol_of"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Every header of one protocol in a batch, sorted by packet, then outermost first; all arrays (m,).

    row:          int64, index of the packet in the batch (repeats where a packet carries two)
    offset:       int64, in ``batch.octets``, where the header begins
    present:      int64, octets captured from there, none beyond the enclosing layer's length
    length:       int64, octets this layer has on the wire by the enclosing lengths, its header included
    quoted:       bool, inside an ICMP error or otherwise of unknown payload length
    parent:       int32, code (place in PROTOCOLS) of the layer directly below; 0 is the frame itself
    parent_index: int64, index into that protocol's Rows
    """

    row: NDArray[np.int64]
    offset: NDArray[np.int64]
    present: NDArray[np.int64]
    length: NDArray[np.int64]
    quoted: NDArray[np.bool_]
    parent: NDArray[np.int32]
    parent_index: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)


@cache
def protocol_of(field: str) -> str | None:
    """Return the protocol whose Rows a field's column runs along; None for a field that no column has."""
    if field in FRAME:
        return "frame"
    for protocol in REGISTER:
        if field in protocol.header.place or field in protocol.derived or field in protocol.sparse:
            return protocol.name
        if protocol.messages and any(field in shape.place for shape in protocol.messages.shapes.values()):
            return protocol.name
    return None


FRAME = ("frame.number", "frame.time_epoch", "frame.len", "frame.cap_len", "frame.interface_id")
"""What the capture itself says; ``frame.time_epoch`` in nanoseconds."""


class Columns:
    """The fields of a batch of packets as columns."""

    def __init__(self, batch: Batch, reassembler: Reassembler | None = None) -> None:
        """Begin with a batch.

        reassembler: puts fragments together, those of earlier batches too: give every batch the same one, in order.
        The packet that completes a datagram then has the rows of what the datagram holds; those lie behind the
        octets of the batch, so ``self.batch`` is another one than ``batch``.
        """
        self.batch = batch
        self._reassembler = reassembler
        self.datagrams: dict[int, list[Whole]] = {}
        self._found: list[list[Headers]] | None = None
        self._left_out: dict[int, list[NDArray[np.int64]]] = {}
        self._rows: dict[str, Rows] = {}
        self._order: dict[int, NDArray[np.int64] | None] = {}
        self._windows: dict[str, NDArray[np.void]] = {}
        self._columns: dict[str, NDArray[Any]] = {}
        self._options: dict[str, Options] = {}
        self._sparse: dict[str, tuple[NDArray[np.int64], NDArray[Any]]] = {}
        if reassembler is not None:
            self._headers(0)  # now, while the batch is the next one in order

    def rows(self, protocol: str) -> Rows:
        """Return every header of a protocol (Wireshark's name) that is wholly captured; KeyError if it is unknown."""
        if protocol not in self._rows:
            if protocol not in PROTOCOLS:
                raise KeyError(protocol)
            self._rows[protocol] = self._frames() if protocol == "frame" else self._collect(PROTOCOLS.index(protocol))
        return self._rows[protocol]

    def __getitem__(self, field: str) -> NDArray[Any]:
        """Return a field's column, one value for each of ``rows(protocol_of(field))``; KeyError if it has none.

        Unsigned integers of the smallest width that holds the field; MAC addresses uint64; IPv4 uint32; IPv6
        (m, 2) uint64; flags uint8; ``frame.time_epoch`` int64 nanoseconds; lengths that can be unknown int64 with -1.
        """
        if field not in self._columns:
            self._columns[field] = self._column(field)
        return self._columns[field]

    def sparse(self, field: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return an optional field: index into its protocol's Rows (ascending, may repeat), and the values."""
        if field not in self._sparse:
            name = protocol_of(field)
            protocol = _protocol(name) if name else None
            if protocol is not None and field in protocol.sparse:
                self._sparse[field] = self._read_option(self.options(protocol.name), protocol.sparse[field])
            elif protocol is not None and protocol.messages is not None:
                self._sparse[field] = self._read_message(protocol, protocol.messages, field)
            else:
                raise KeyError(field)
        return self._sparse[field]

    def left_out(self, protocol: str) -> NDArray[np.int64]:
        """Return the packets, ascending, in which a header of the protocol is announced that ``rows`` does not have."""
        import numpy as np

        code = PROTOCOLS.index(protocol)
        self._headers(code)
        found = self._left_out.get(code)
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)

    def options(self, protocol: str) -> Options:
        """Return every option of every header of a protocol."""
        if protocol not in self._options:
            read = _protocol(protocol).options
            if read is None:
                raise KeyError(protocol)
            self._options[protocol] = read(self)
        return self._options[protocol]

    def window(self, protocol: str) -> NDArray[np.void]:
        """Return the fixed headers of a protocol, (m,) of its header's dtype."""
        if protocol not in self._windows:
            rows = self.rows(protocol)
            headers = self._headers(PROTOCOLS.index(protocol))
            header = _protocol(protocol).header
            once = len(headers) == 1
            self._windows[protocol] = headers[0].fixed() if once else gather(self.batch.octets, rows.offset, header)
        return self._windows[protocol]

    def having(self, field: str) -> NDArray[np.int64]:
        """Return which of its protocol's Rows have an optional field that lies in an option, ascending."""
        name = protocol_of(field)
        protocol = _protocol(name) if name else None
        if protocol is None or field not in protocol.sparse:
            raise KeyError(field)
        return self.options(protocol.name).headers_with(protocol.sparse[field])

    def walk_options(self, protocol: str, header_length: NDArray[np.uint8]) -> Options:
        """Find options of the shape kind, length, value (kinds 0 and 1 are one octet, 0 ends) in all headers at once.

        header_length: (m,) where each header says it ends. An option that does not fit ends its header's list.
        """
        import numpy as np

        rows, fixed = self.rows(protocol), _protocol(protocol).header.octets
        start, room = rows.offset + fixed, header_length - np.uint8(fixed)
        long = header_length > fixed
        first = self._behind(protocol, 4).view(">u4").astype(np.uint32)
        kind, length = (first >> np.uint32(8)).astype(np.uint8), first.astype(np.uint8)
        usual = (first >> np.uint32(16) == 0x0101) & (kind > 1) & (length == room - np.uint8(IDLE))
        usual &= long & (rows.present >= header_length)
        alone = kind * usual
        index = np.flatnonzero(long & ~usual & (rows.present > fixed))
        at = start[index]
        limit = at + np.minimum(header_length[index], rows.present[index]) - fixed
        octets = self.batch.octets
        found: list[tuple[NDArray[Any], ...]] = [(index[:0], kind[:0], at[:0], at[:0])]
        while len(index):
            kind = octets[at]
            length = octets[at + 1].astype(np.int64)
            length[kind <= 1] = 1
            going = (kind != 0) & (length >= 1) & (at + length <= limit) & ((kind == 1) | (length >= 2))
            if not going.all():
                index, at, limit, kind, length = (
                    index[going], at[going], limit[going], kind[going], length[going],
                )  # fmt: skip
            real = kind != 1
            found.append((index[real], kind[real], at[real], length[real]))
            at = at + length
            going = at < limit
            index, at, limit = index[going], at[going], limit[going]
        return Options(alone, start, room, *(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _behind(self, protocol: str, width: int) -> NDArray[np.void]:
        """Copy the ``width`` octets that follow each fixed header of a protocol, (m,)."""
        headers, fixed = self._headers(PROTOCOLS.index(protocol)), _protocol(protocol).header.octets
        if len(headers) == 1:
            return headers[0].gather(fixed, width)
        return pieces(self.batch.octets, self.rows(protocol).offset + fixed, width)

    def _read_option(self, options: Options, spec: OptionField) -> tuple[NDArray[np.int64], NDArray[Any]]:
        import numpy as np

        index, offset, length = options.holding(spec)
        place = offset + spec.at
        if spec.every:
            count = (length - 2) // spec.every
            which = np.repeat(np.arange(len(index)), count)
            number = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
            index, place = index[which], place[which] + number * spec.every
        values = np.zeros(len(index), np.uint64)
        for octet in range(spec.width):
            values = (values << np.uint64(8)) | self.batch.octets[place + octet]
        return index, values.astype(np.min_scalar_type((1 << 8 * max(spec.width, 1)) - 1))

    def _read_message(
        self, protocol: Protocol, messages: Messages, field: str
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        import numpy as np

        rows, selector = self.rows(protocol.name), self[messages.selector]
        code = self[messages.code] if messages.code else None
        found: list[tuple[NDArray[np.int64], NDArray[Any]]] = []
        for key, shape in messages.shapes.items():
            if field not in shape.place:
                continue
            if isinstance(key, tuple):
                chosen = (selector == key[0]) & (code == key[1])
            else:
                special = [other[1] for other in messages.shapes if isinstance(other, tuple) and other[0] == key]
                chosen = selector == key
                if special and code is not None:
                    chosen &= ~np.isin(code, special)
            place = shape.place[field]
            chosen &= rows.present >= protocol.header.octets + place.first_octet + place.octets
            index = np.flatnonzero(chosen)
            window = gather(self.batch.octets, rows.offset[index] + protocol.header.octets, shape)
            found.append((index, shape.column(window, field)))
        index = np.concatenate([part[0] for part in found])
        order = np.argsort(index, kind="stable")
        return index[order], np.concatenate([part[1] for part in found])[order]

    def _headers(self, code: int) -> list[Headers]:
        if self._found is None:
            self._found, octets = walk(self.batch, self._left_out, self._reassembler, self.datagrams)
            if octets is not self.batch.octets:
                self.batch = replace(self.batch, octets=octets)
        return self._found[code]

    def _sorted(self, code: int) -> NDArray[np.int64] | None:
        """Return the order that sorts a protocol's headers as met by packet and depth; None where they are sorted."""
        import numpy as np

        if code not in self._order:
            headers = self._headers(code)
            order = None
            if len(headers) > 1:
                # rounds come one after the other, so a stable sort by packet keeps the outermost first
                order = np.argsort(np.concatenate([one.row for one in headers]), kind="stable")
            self._order[code] = order
        return self._order[code]

    def _collect(self, code: int) -> Rows:
        import numpy as np

        headers = self._headers(code)
        if not headers:
            nothing = np.empty(0, np.int64)
            return Rows(nothing, nothing, nothing, nothing, nothing.astype(bool), nothing.astype(np.int32), nothing)
        order = self._sorted(code)

        def together(name: str) -> Any:
            if order is None:
                return getattr(headers[0], name)
            return np.concatenate([getattr(one, name) for one in headers])[order]

        flags = [np.zeros(len(one), bool) if one.quoted is None else one.quoted for one in headers]
        quoted = flags[0] if order is None else np.concatenate(flags)[order]
        parent, parent_index = together("parent"), together("parent_index")
        for other, found in enumerate(self._found or ()):
            moved = self._sorted(other) if other and len(found) > 1 else None
            if moved is not None:
                place = np.empty(len(moved), np.int64)
                place[moved] = np.arange(len(moved))
                chosen = parent == other
                parent_index = parent_index.copy()
                parent_index[chosen] = place[parent_index[chosen]]
        length = together("length")
        whole = order is None and headers[0].present is length
        present = length if whole else together("present")
        return Rows(together("row"), together("offset"), present, length, quoted, parent, parent_index)

    def _frames(self) -> Rows:
        import numpy as np

        batch, rows = self.batch, len(self.batch)
        nowhere = np.full(rows, -1, np.int64)
        length = np.maximum(batch.length, batch.captured)
        return Rows(
            np.arange(rows), batch.offset, batch.captured, length, np.zeros(rows, bool), nowhere.astype(np.int32),
            nowhere,
        )  # fmt: skip

    def _column(self, field: str) -> NDArray[Any]:
        import numpy as np

        batch = self.batch
        if field == "frame.number":
            return np.arange(batch.first, batch.first + len(batch), dtype=np.int64)
        if field in FRAME:
            said: dict[str, NDArray[Any]] = {
                "frame.time_epoch": batch.time_ns,
                "frame.len": batch.length,
                "frame.cap_len": batch.captured,
                "frame.interface_id": batch.interface,
            }
            return said[field]
        name = protocol_of(field)
        if name is None:
            raise KeyError(field)
        protocol = _protocol(name)
        if field in protocol.derived:
            return protocol.derived[field](self)
        if field not in protocol.header.place:
            raise KeyError(field)
        headers = self._headers(PROTOCOLS.index(name))
        return headers[0].field(field) if len(headers) == 1 else protocol.header.column(self.window(name), field)


@cache
def _protocol(name: str) -> Protocol:
    for protocol in REGISTER:
        if protocol.name == name:
            return protocol
    raise KeyError(name)
