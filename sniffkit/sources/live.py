"""A network interface as a source: packets as batches while they happen.

On Linux through the kernel's packet ring, elsewhere (and where a kernel has no ring) through Scapy's sockets, which are
slower and know nothing of drops. The batches have the same shape either way; ``through`` says which it is.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.errors import NotPermitted
from sniffkit.sources.arrival_losses import ArrivalLosses
from sniffkit.sources.batch import Batch, Interface
from sniffkit.sources.capturing import Counters, Taken
from sniffkit.sources.interfaces import ARPHRD_ETHERNET, ARPHRD_LOOPBACK, ARPHRD_NONE, network_interfaces
from sniffkit.sources.packed_records import packed
from sniffkit.sources.ring_packets import (
    COOKED_1,
    COOKED_2,
    COOKED_HEADERS,
    LENGTH,
    NANOSECONDS,
    SECONDS,
    read_frames,
)
from sniffkit.sources.source import Source

if TYPE_CHECKING:
    from sniffkit.sources.capturing import Capturing
    from sniffkit.sources.interfaces import NetworkInterface
    from sniffkit.sources.packed_records import Form
    from sniffkit.sources.packet_ring import PacketRing

ETHERNET, RAW = 1, 101
SNAP_LENGTH = 262_144
"""Octets kept of a packet unless asked otherwise: all of them, for any packet there is."""

LINK_TYPES = {
    ARPHRD_ETHERNET: ETHERNET,
    ARPHRD_LOOPBACK: ETHERNET,
    ARPHRD_NONE: RAW,
    519: RAW,  # raw IP of a modem
    768: RAW,  # tunnels: IPv4 in IPv4, IPv6 in IPv6, IPv6 in IPv4
    769: RAW,
    776: RAW,
    801: 105,  # wireless without, with Prism's, with radiotap's header
    802: 119,
    803: 127,
}
"""Link type by the kernel's number of the hardware; every other is captured cooked, without its own header."""

BLOCK_MILLISECONDS, PATIENT_MILLISECONDS = 50, 200
"""So long the kernel keeps packets until it hands them over: the time from a packet to its line on the screen, and
where there are no lines."""

RESTS = 0.5
"""Seconds a patient reader rests between two looks, while little comes."""


class LiveSource(Source):
    """Packets of an interface.

    through:   "ring" or "scapy"
    link_type: of all its packets
    gone:      why the interface is gone, "" while it is there
    form:      the packets stand in their batches as records of such a file, one behind the other; None: they don't
    delay:     seconds a packet may have been captured before it can be read, in a hurry
    sees_tags: a filter that speaks of VLAN tags sees those that the kernel took out of the frame
    """

    sees_tags = False

    def __init__(
        self,
        interface: NetworkInterface,
        capturing: Capturing,
        through: str,
        link_type: int,
        snap_length: int,
        form: Form | None = None,
        delay: float = 0.0,
    ) -> None:
        super().__init__(interface.name, "live")
        self.interface = interface
        self.through = through
        self.link_type = link_type
        self.snap_length = snap_length
        self.form = form
        self.delay = delay
        self.interfaces = [Interface(link_type, snap_length, interface.name, "")]
        self._capturing = capturing
        self._lock = threading.Lock()
        self._counted: Counters | None = None

    @property
    def gone(self) -> str:
        """Why nothing more will come, in the system's words; "" while it may."""
        return self._capturing.gone

    def read(self, seconds: float) -> Batch | None:
        """Return the packets that came, None where none came for ``seconds`` (or the interface is gone)."""
        taken = self._capturing.take(seconds)
        if taken is None or not len(taken.offset):
            return None
        count = len(taken.offset)
        batch = Batch(
            *taken,
            np.full(count, self.link_type, np.int32),
            np.zeros(count, np.int32),
            self.packets + 1,
        )
        self.packets += count
        return batch

    def hurry(self) -> None:
        """Let no packet wait any longer so that more can be handled at a time: the end is near."""
        self._capturing.hurry()

    def batches(self) -> Iterator[Batch]:
        """Yield batches until the interface is gone or the source is closed."""
        while True:
            batch = self.read(0.25)
            if batch is not None:
                yield batch
            elif self.gone:
                return

    def counters(self) -> Counters:
        """Return what the kernel counted so far; any thread may ask, also after the end."""
        with self._lock:
            if self._counted is None:
                return self._capturing.counters()
            return self._counted

    @property
    def missing(self) -> int:
        """How many packets the kernel has counted, and not dropped, that have not been read yet."""
        counters = self.counters()
        return counters.received - (counters.dropped or 0) - self.packets

    def close(self) -> None:
        """Stop capturing."""
        last = self.counters()
        with self._lock:
            if self._counted is None:
                self._counted = last
                self._capturing.close()


def open_live(
    interface: NetworkInterface,
    *,
    filter: str = "",
    snap_length: int = SNAP_LENGTH,
    promiscuous: bool = True,
    link_type: int | None = None,
    through: str = "",
    form: Form = "pcap",
    patient: bool = False,
) -> LiveSource:
    """Begin to capture on an interface.

    filter:    a capture filter, pcap-filter(7)
    link_type: COOKED_1 or COOKED_2 to take packets without their link header; ``any`` is always COOKED_2 or COOKED_1
    through:   "ring" or "scapy"; by default the ring where there is one
    form:      of the file that the packets will be written to
    patient:   nobody watches: packets may wait longer, so that more of them are handled at a time

    Raises NotPermitted (no right, no such interface, interface down) and UsageError (the filter).
    """
    if not interface.up:
        raise NotPermitted("live.interface-down", name=interface.name)
    if through != "scapy" and sys.platform.startswith("linux"):
        chosen = link_type or (COOKED_2 if interface.what == "any" else LINK_TYPES.get(interface.hardware, COOKED_2))
        milliseconds = PATIENT_MILLISECONDS if patient else BLOCK_MILLISECONDS
        required = through == "ring"
        ring = _open_ring(interface, chosen, filter, snap_length, promiscuous, milliseconds, form, required)
        if ring is not None:
            source = LiveSource(interface, ring, "ring", chosen, snap_length, form, milliseconds / 1000)
            source.sees_tags = ring.sees_tags
            return source
    from sniffkit.sources.scapy_sockets import ScapySocket

    sockets = ScapySocket(interface, filter, snap_length, promiscuous)
    return LiveSource(interface, sockets, "scapy", sockets.link_type, snap_length)


def _open_ring(
    interface: NetworkInterface,
    link_type: int,
    filter: str,
    snap_length: int,
    promiscuous: bool,
    milliseconds: int,
    form: Form,
    required: bool,
) -> RingCapturing | None:
    """Return None where this kernel has no ring (a sandbox that plays a kernel, such as gVisor)."""
    from sniffkit.sources.packet_ring import BLOCKS, PacketRing

    program: Any = ()
    sees_tags = True
    if filter or snap_length < SNAP_LENGTH:
        from sniffkit.sources.bpf import asks_for_tags, compile_filter, compile_for_interface, for_ring

        program = compile_filter(filter, link_type) if filter else ()
        if asks_for_tags(filter):
            seeing = compile_for_interface(filter, interface.name, link_type)
            sees_tags, program = seeing is not None, seeing or program
        program = for_ring(program, link_type, snap_length)
    try:
        ring = PacketRing(
            interface.name,
            cooked=link_type in COOKED_HEADERS,
            promiscuous=promiscuous,
            ignore_outgoing=interface.loopback,
            program=program,
            milliseconds=milliseconds,
            rest=RESTS if milliseconds == PATIENT_MILLISECONDS else 0.0,
            blocks=2 * BLOCKS if milliseconds == PATIENT_MILLISECONDS else BLOCKS,
        )
    except OSError as error:
        if interface.name not in [each.name for each in network_interfaces()]:
            raise NotPermitted("live.no-such-interface", name=interface.name, known="-") from error
        if required:
            raise
        return None
    known = network_interfaces() if interface.what == "any" else [interface]
    loopbacks = [each.index for each in known if each.loopback]
    losses = ArrivalLosses(interface.index)
    return RingCapturing(ring, losses, link_type, loopbacks, snap_length, form, sees_tags)


class RingCapturing:
    """Captures through the packet ring."""

    def __init__(
        self,
        ring: PacketRing,
        losses: ArrivalLosses,
        link_type: int,
        loopbacks: list[int],
        snap_length: int,
        form: Form,
        sees_tags: bool,
    ) -> None:
        self.sees_tags = sees_tags
        self._ring, self._losses = ring, losses
        self._form = form
        self._link_type = link_type
        self._loopbacks = np.array(loopbacks, np.uint32)
        self._snap_length = snap_length
        self._doubles = 0

    @property
    def gone(self) -> str:
        """Why the interface is gone."""
        return self._ring.gone

    def take(self, seconds: float) -> Taken | None:
        """Return the blocks that are full as packets."""
        found = self._ring.take(seconds)
        if found is None:
            return None
        packets = read_frames(*found, self._link_type, self._loopbacks, self._snap_length)
        times = packets.times_and_lengths
        octets, offset = packed(found[0], packets.offset, packets.captured, times, self._form)
        self._ring.give_back()
        self._doubles += packets.doubles
        time_ns = times[:, SECONDS].astype(np.int64) * 1_000_000_000 + times[:, NANOSECONDS]
        return Taken(octets, offset, packets.captured, times[:, LENGTH].astype(np.int64), time_ns)

    def hurry(self) -> None:
        """Rest no more."""
        self._ring.hurry()

    def counters(self) -> Counters:
        """Return the kernel's counters, second copies on loopback left out."""
        received, dropped = self._ring.counters()
        return Counters(received - self._doubles, dropped, self._losses.so_far())

    def close(self) -> None:
        """Give the ring back."""
        self._ring.close()
        self._losses.close()


__all__ = ["COOKED_1", "COOKED_2", "Counters", "LiveSource", "open_live"]
