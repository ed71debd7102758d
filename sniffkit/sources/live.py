"""A network interface as a source: packets as batches while they happen.

On Linux through the kernel's packet ring, elsewhere (and where a kernel has no ring) through Scapy's sockets, which are
slower and know nothing of drops. The batches have the same shape either way; ``through`` says which it is.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from sniffkit.errors import NotPermitted
from sniffkit.sources.batch import GUARD, Batch, Interface
from sniffkit.sources.interfaces import ARPHRD_ETHERNET, ARPHRD_LOOPBACK, ARPHRD_NONE, network_interfaces
from sniffkit.sources.packed_records import packed
from sniffkit.sources.privilege import refused
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
    from numpy.typing import NDArray

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

LINKTYPE_OF_DLT = {12: RAW, 14: RAW}
"""Where the number in a capture file is not the one libpcap uses on this system."""

SOL_PACKET, IGNORE_OUTGOING = 263, 23

BLOCK_MILLISECONDS, PATIENT_MILLISECONDS = 50, 200
"""So long the kernel keeps packets until it hands them over: the time from a packet to its line on the screen, and
where there are no lines."""

RESTS = 0.15
"""Seconds a patient reader rests between two looks."""

SCAPY_GATHERS = 0.05
"""Seconds for which packets of Scapy's are gathered into a batch."""


class Counters(NamedTuple):
    """What the kernel counted: packets that passed the filter, and those of them it dropped (None: not known)."""

    received: int
    dropped: int | None


class Taken(NamedTuple):
    """Columns of some packets just taken; see ``Batch``."""

    octets: NDArray[np.uint8]
    offset: NDArray[np.int64]
    captured: NDArray[np.int64]
    length: NDArray[np.int64]
    time_ns: NDArray[np.int64]


class Capturing(Protocol):
    """A way to capture."""

    @property
    def gone(self) -> str:
        """Why the interface is gone, "" while it is there."""
        ...

    def take(self, seconds: float) -> Taken | None:
        """Return packets, None where none came for so long."""
        ...

    def counters(self) -> Counters:
        """Return what was counted so far."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


class LiveSource(Source):
    """Packets of an interface.

    through:   "ring" or "scapy"
    link_type: of all its packets
    gone:      why the interface is gone, "" while it is there
    form:      the packets stand in their batches as records of such a file, one behind the other; None: they don't
    delay:     seconds a packet may have been captured before it can be read
    """

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
            return LiveSource(interface, ring, "ring", chosen, snap_length, form, milliseconds / 1000 + RESTS * patient)
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
) -> Capturing | None:
    """Return None where this kernel has no ring (a sandbox that plays a kernel, such as gVisor)."""
    from sniffkit.sources.packet_ring import BLOCKS, PacketRing

    program: Any = ()
    if filter or snap_length < SNAP_LENGTH:
        from sniffkit.sources.bpf import compile_filter, for_ring

        program = for_ring(compile_filter(filter, link_type) if filter else (), link_type, snap_length)
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
    return RingCapturing(ring, link_type, [each.index for each in known if each.loopback], snap_length, form)


class RingCapturing:
    """Captures through the packet ring."""

    def __init__(self, ring: PacketRing, link_type: int, loopbacks: list[int], snap_length: int, form: Form) -> None:
        self._ring = ring
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

    def counters(self) -> Counters:
        """Return the kernel's counters, second copies on loopback left out."""
        received, dropped = self._ring.counters()
        return Counters(received - self._doubles, dropped)

    def close(self) -> None:
        """Give the ring back."""
        self._ring.close()


class ScapySocket:
    """Captures through Scapy: libpcap or BPF devices, whatever it finds on this system."""

    def __init__(self, interface: NetworkInterface, filter: str, snap_length: int, promiscuous: bool) -> None:
        conf = _scapy()
        self.gone = ""
        self._snap_length = snap_length
        self._received = 0
        if filter:  # for libpcap's own words where it is wrong
            from sniffkit.sources.bpf import compile_filter

            compile_filter(filter, ETHERNET)
        try:
            self._socket = conf.L2listen(iface=interface.name, filter=filter or None, promisc=promiscuous)
        except PermissionError as error:
            raise refused() from error
        except Exception as error:  # Scapy has no error of its own for this: it says it in words
            raise NotPermitted("live.scapy", name=interface.name, reason=str(error)) from error
        self.link_type = self._link_type(conf)
        if interface.loopback and sys.platform.startswith("linux"):  # there each packet is seen leaving and arriving
            self._socket.ins.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)

    def _link_type(self, conf: Any) -> int:
        handle = getattr(self._socket, "pcap_fd", None)
        if handle is not None:
            number = int(handle.datalink())
        else:
            layer = getattr(self._socket, "guessed_cls", None) or getattr(self._socket, "LL", None)
            number = int(conf.l2types.layer2num.get(layer, ETHERNET))
        return LINKTYPE_OF_DLT.get(number, number)

    def take(self, seconds: float) -> Taken | None:
        """Gather what comes within a moment into one buffer."""
        parts: list[bytes] = []
        lengths: list[int] = []
        times: list[int] = []
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                ready = self._socket.select([self._socket], remain=left)
                if isinstance(ready, tuple):  # some of Scapy's sockets say how they are to be read, too
                    ready = ready[0]
                _, octets, moment = self._socket.recv_raw(65_536 * 4) if ready else (None, None, None)
            except OSError as error:
                self.gone = error.strerror or str(error)
                break
            if octets is None:
                continue
            if not parts:
                end = time.monotonic() + SCAPY_GATHERS
            parts.append(octets[: self._snap_length])
            lengths.append(len(octets))
            times.append(time.time_ns() if moment is None else round(float(moment) * 1e6) * 1000)
        if not parts:
            return None
        self._received += len(parts)
        captured = np.array([len(part) for part in parts], np.int64)
        octets = np.frombuffer(b"".join(parts) + bytes(GUARD), np.uint8)
        offset = np.cumsum(captured) - captured
        return Taken(octets, offset, captured, np.array(lengths, np.int64), np.array(times, np.int64))

    def counters(self) -> Counters:
        """Return what was counted; nobody counts the drops."""
        return Counters(self._received, None)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def scapy_interfaces() -> list[tuple[str, str, tuple[str, ...], bool, bool]]:
    """Return name, MAC address, IP addresses, is loopback, is up of each interface that Scapy knows."""
    conf = _scapy()
    found = []
    for each in conf.ifaces.values():
        addresses = tuple(address for family in (4, 6) for address in each.ips.get(family, ()))
        found.append((each.name, each.mac or "", addresses, each.name == conf.loopback_name, each.is_valid()))
    return found


def scapy_default_route() -> list[str]:
    """Return the interface of the default route."""
    return [str(_scapy().route.route("0.0.0.0")[0])]


def _scapy() -> Any:
    """Return Scapy's configuration with sockets and routes loaded, without a word on the terminal."""
    import logging
    import warnings

    logging.getLogger("scapy").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import scapy.arch
        import scapy.layers.l2
        import scapy.route  # noqa: F401 - it hangs the routes on conf
        from scapy.config import conf
    for logger in ("scapy", "scapy.runtime", "scapy.loading"):
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
    return conf


__all__ = ["COOKED_1", "COOKED_2", "Counters", "LiveSource", "open_live"]
