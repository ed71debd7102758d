"""What a protocol file hands to the two readers: its header table, and how to get from it to what it carries.

A layer names what it carries as a number in a *number space* (``eth.type`` 0x0800, ``ip.proto`` 6, ``udp.port`` 53,
``link`` 1); a protocol says in ``carried_in`` under which numbers it is found. The register in ``__init__`` brings the
two together, so no protocol knows another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from sniffkit.sources.batch import HEAD, pieces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.header import Header
    from sniffkit.protocols.packet import Reader
    from sniffkit.sources.batch import Heads

    Array: TypeAlias = NDArray[Any]


@dataclass(slots=True)
class Headers:
    """Headers of one protocol met at the same depth of a batch, ascending by packet; all arrays (m,).

    row, offset, present, length, parent, parent_index: as in ``columns.Rows``; where nothing was cut ``present`` and
    ``length`` are one and the same array, so that it is worked out once
    quoted: bool, or None while no row is
    octets: the batch's buffer
    heads:  its packets' first octets, None for datagrams that were put together
    reach:  a header begins at most so many octets behind its packet's beginning
    evenly: all of them begin so many, neither more nor less
    fields: columns of the fixed header that were asked for; not to be written to
    """

    header: Header
    octets: NDArray[np.uint8]
    heads: Heads | None
    reach: int
    evenly: bool
    row: NDArray[np.int64]
    offset: NDArray[np.int64]
    present: NDArray[np.int64]
    length: NDArray[np.int64]
    quoted: NDArray[np.bool_] | None
    parent: NDArray[np.int32]
    parent_index: NDArray[np.int64]
    depth: int
    window: NDArray[np.void] | None = None
    fields: dict[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    def field(self, id: str) -> Array:
        """Return a field of the fixed header, (m,)."""
        if id not in self.fields:
            self.fields[id] = self.header.column(self.fixed(), id)
        return self.fields[id]

    def gather(self, distance: int, width: int) -> NDArray[np.void]:
        """Copy the ``width`` octets that stand ``distance`` after each header's start."""
        heads = self.heads
        if heads is None or self.reach + distance + width > HEAD:
            return pieces(self.octets, self.offset + distance, width)
        if not self.evenly:
            return heads.at(self.row, self.offset + distance, width)
        stretch = heads.stretch(self.reach + distance, width)
        every = len(self) == len(stretch) and bool((self.row[1:] > self.row[:-1]).all())
        return stretch.copy() if every else stretch[self.row]

    def fixed(self) -> NDArray[np.void]:
        """Return the fixed headers, (m,) of the header's dtype."""
        if self.window is None:
            self.window = self.gather(0, self.header.octets).view(self.header.dtype)
        return self.window

    def first_octet(self) -> NDArray[np.uint8]:
        """Return the first octet of each header."""
        import numpy as np

        octets: NDArray[np.uint8] = self.fixed().view(np.uint8).reshape(len(self), self.header.octets)[:, 0]
        return octets

    def octet(self, distance: int | Array) -> NDArray[np.uint8]:
        """Return the octet that stands ``distance`` after each header's start (0 beyond the buffer)."""
        found: NDArray[np.uint8] = self.octets[(self.offset + distance).clip(max=len(self.octets) - 1)]
        return found

    def word(self, distance: int | Array) -> NDArray[np.int64]:
        """Return the two octets at ``distance`` as a big-endian number."""
        return (self.octet(distance).astype("i8") << 8) | self.octet(distance + 1)

    def select(self, index: Array) -> Headers:
        """Return the headers at ``index`` (positions or a mask)."""
        length = self.length[index]
        return Headers(
            self.header,
            self.octets,
            self.heads,
            self.reach,
            self.evenly,
            self.row[index],
            self.offset[index],
            length if self.present is self.length else self.present[index],
            length,
            None if self.quoted is None else self.quoted[index],
            self.parent[index],
            self.parent_index[index],
            self.depth,
            None if self.window is None else self.window[index],
        )


@dataclass(slots=True)
class Carried:
    """What some headers carry.

    space, number: the number space and each header's number in it ((m,) or one for all); two where either of two
                   ports may say it: the lower one first, as in tshark
    header:        octets from the header's start to what it carries
    length:        octets carried on the wire, None for all that is left (it is cut to that anyway)
    where:         (m,) bool, None for all headers
    quoted:        (m,) bool or True: what is carried has an unknown length from here on; None: as before
    """

    space: str
    number: Array | int | tuple[Array, Array]
    header: Array | int
    length: Array | None = None
    where: NDArray[np.bool_] | None = None
    quoted: NDArray[np.bool_] | bool | None = None


IDLE = 2
"""Octets before the one option of a usual header: two options that do nothing, so that it begins at a word."""


@dataclass(frozen=True, slots=True)
class Options:
    """Every option of every header of one protocol.

    Nearly every segment has two octets that do nothing and then one option that fills its header. Those options are
    not listed; arrays (m,), one entry a header:
    usual: uint8, the kind of that option, 0 for a header of another shape
    start: int64, where the header's options begin in the batch's buffer
    room:  uint8, how many octets they take

    All others, those of one header by place, are; arrays (k,):
    index:  into the protocol's Rows, in no order
    kind:   uint8
    offset: where the option begins in the batch's buffer
    length: its octets, kind and length octets included; it lies within what was captured
    """

    usual: NDArray[np.uint8]
    start: NDArray[np.int64]
    room: NDArray[np.uint8]
    index: NDArray[np.int64]
    kind: NDArray[np.uint8]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]

    def headers_with(self, field: OptionField) -> NDArray[np.int64]:
        """Return the index of each header, ascending, in which an option holds a field's value."""
        import numpy as np

        found: NDArray[np.bool_] = (self.usual == field.kind) & field.fits(self.room - np.uint8(IDLE))
        if len(self.kind):
            other = np.flatnonzero(self.kind == field.kind)
            found[self.index[other[field.fits(self.length[other])]]] = True
        return np.flatnonzero(found)

    def holding(self, field: OptionField) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return index, offset and length of the options that hold a field's value, by header and then by place."""
        import numpy as np

        usual, other = np.flatnonzero(self.usual == field.kind), np.flatnonzero(self.kind == field.kind)
        index, offset, length = self.index[other], self.offset[other], self.length[other]
        if len(usual):
            index = np.concatenate((usual, index))
            offset = np.concatenate((self.start[usual] + IDLE, offset))
            length = np.concatenate((self.room[usual].astype(np.int64) - IDLE, length))
        fits = field.fits(length)
        if not fits.all():
            index, offset, length = index[fits], offset[fits], length[fits]
        if (index[1:] < index[:-1]).any():
            order = np.argsort(index, kind="stable")
            index, offset, length = index[order], offset[order], length[order]
        return index, offset, length


@dataclass(frozen=True, slots=True)
class OptionField:
    """A value inside an option: options of ``kind`` and (if given) one of ``lengths``, ``width`` octets at ``at``.

    ``every`` > 0: the value repeats each ``every`` octets to the option's end (SACK blocks).
    """

    kind: int
    at: int
    width: int
    lengths: tuple[int, ...] = ()
    every: int = 0

    def fits(self, length: Array) -> NDArray[np.bool_]:
        """Return which options of its kind, so many octets long, hold the value."""
        import numpy as np

        found: NDArray[np.bool_] = length >= self.at + self.width
        if self.lengths:
            found &= np.isin(length, self.lengths) if len(self.lengths) > 1 else length == self.lengths[0]
        return found


@dataclass(frozen=True)
class Messages:
    """Headers of a protocol whose shape after the fixed part depends on a field of it (``icmp.type``).

    shapes: by the selector's value, or by (value, code) where ``code`` names a second field that decides; a Header's
    first bit is the first after the fixed header
    """

    selector: str
    shapes: Mapping[int | tuple[int, int], Header]
    code: str = ""

    def shape(self, value: int, code: int = 0) -> Header | None:
        """Return the header that follows for a selector and code."""
        return self.shapes.get((value, code)) or self.shapes.get(value)


def read_nothing_more(reader: Reader) -> None:
    """Read a protocol whose fixed header is all there is; the rest is payload of unknown kind."""


@dataclass(frozen=True)
class Protocol:
    """One protocol for both readers.

    read:       packet view: called after the fixed header was read, adds options and says what is carried
    step:       column view: says what the headers carry
    valid:      column view: which headers are really headers of this protocol (version 4 ...), None for all
    derived:    columns computed from others, by id
    options:    finds the options of all headers; ``sparse`` says which values lie in them
    messages:   headers that go on in a way that depends on one of their fields
    layer:      Wireshark's name of the layer, where it is not ``name``
    start:      what the packet view reads first, where the sizes of what follows stand in it (ARP); None: ``header``
    bounds_frame: its length field says where the packet ends: what the frame has beyond it is padding or a trailer
    """

    name: str
    header: Header
    carried_in: Mapping[str, Iterable[int]]
    read: Callable[[Reader], None] = read_nothing_more
    step: Callable[[Headers], Sequence[Carried]] | None = None
    valid: Callable[[Headers], Array | None] | None = None
    derived: Mapping[str, Callable[[Columns], Array]] = field(default_factory=dict)
    options: Callable[[Columns], Options] | None = None
    sparse: Mapping[str, OptionField] = field(default_factory=dict)
    messages: Messages | None = None
    start: Header | None = None
    layer: str = ""
    bounds_frame: bool = False


def gather(octets: NDArray[np.uint8], offset: NDArray[np.int64], header: Header) -> NDArray[np.void]:
    """Copy the header that begins at each offset, (m,) of ``header.dtype``; the offsets lie inside packets."""
    return pieces(octets, offset, header.octets).view(header.dtype)
