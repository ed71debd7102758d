"""Capturing through Scapy's sockets: the way of systems without a packet ring (macOS, Windows).

It is slower, and nobody counts the drops; the packets come in the same shape.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.errors import NotPermitted
from sniffkit.sources.batch import GUARD
from sniffkit.sources.capturing import Counters, Taken
from sniffkit.sources.privilege import refused

if TYPE_CHECKING:
    from sniffkit.sources.interfaces import NetworkInterface

ETHERNET, RAW = 1, 101

LINKTYPE_OF_DLT = {12: RAW, 14: RAW}
"""Where the number in a capture file is not the one libpcap uses on this system."""

SOL_PACKET, IGNORE_OUTGOING = 263, 23

SCAPY_GATHERS = 0.05
"""Seconds for which packets of Scapy's are gathered into a batch."""


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
            raise refused(interface.name) from error
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

    def hurry(self) -> None:
        """Nothing waits here for long."""

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
