"""Connections that another one announces: FTP tells on its control connection at which port the data will be fetched.

Wireshark knows such a connection before its first packet and so does not count its SYN in ``tcp.completeness``.
RFC 959 section 4.1.2 (PORT, PASV), RFC 2428 (EPRT, EPSV).
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

import numpy as np

from sniffkit.analysis.segments import IPV4_MAPPED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.segments import Segments
    from sniffkit.analysis.streams import StreamNumbers
    from sniffkit.protocols.columns import Columns

CONTROL_PORT = 21
MOST_ANNOUNCED = 10_000

SIX_NUMBERS = re.compile(rb"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})")
EXTENDED_PORT = re.compile(rb"\|([12])\|([0-9a-fA-F.:]+)\|(\d{1,5})\|")
EXTENDED_PASSIVE = re.compile(rb"\(\|\|\|(\d{1,5})\|\)")

End = tuple[int, int, int]
"""Upper and lower half of an address, and a port."""


class AnnouncedConnections:
    """Listens to FTP's control connections."""

    def __init__(self) -> None:
        self._announced: dict[End, int] = {}
        self._streams: set[int] = set()

    def feed(self, columns: Columns, segments: Segments, numbers: StreamNumbers) -> NDArray[np.bool_]:
        """Return for each segment whether its stream was announced, bool (m,)."""
        spoken = (segments.source_port == CONTROL_PORT) | (segments.destination_port == CONTROL_PORT)
        spoken &= segments.captured > 0
        if spoken.any():
            self._listen(columns, segments, np.flatnonzero(spoken))
        found = np.zeros(len(segments), np.bool_)
        if self._announced:
            for row in np.flatnonzero(numbers.opened).tolist():
                for address, port in (
                    (segments.destination[row], segments.destination_port[row]),
                    (segments.source[row], segments.source_port[row]),
                ):
                    told = self._announced.get((int(address[0]), int(address[1]), int(port)))
                    if told is not None and told < segments.number[row]:
                        self._streams.add(int(numbers.stream[row]))
            if self._streams:
                found = np.isin(numbers.stream, np.array(sorted(self._streams)))
        return found

    def _listen(self, columns: Columns, segments: Segments, rows: NDArray[np.int64]) -> None:
        headers = columns.rows("tcp")
        octets, length = columns.batch.octets, columns["tcp.hdr_len"]
        for row in rows.tolist():
            start = int(headers.offset[row]) + int(length[row])
            line = octets[start : start + min(int(segments.captured[row]), 200)].tobytes()
            end = announced_end(line, segments, row)
            if end is not None and len(self._announced) < MOST_ANNOUNCED:
                self._announced.setdefault(end, int(segments.number[row]))


def announced_end(line: bytes, segments: Segments, row: int) -> End | None:
    """Return the end at which the data will be fetched, None where a line of FTP announces none."""
    if line.startswith((b"227 ", b"PORT ")) and (six := SIX_NUMBERS.search(line)):
        numbers = [int(number) for number in six.groups()]
        if max(numbers) < 256:
            return 0, int.from_bytes(bytes(numbers[:4])) | IPV4_MAPPED, numbers[4] << 8 | numbers[5]
    if line.startswith(b"229 ") and (port := EXTENDED_PASSIVE.search(line)):
        upper, lower = segments.source[row].tolist()
        return upper, lower, int(port.group(1))
    if line.startswith(b"EPRT ") and (extended := EXTENDED_PORT.search(line)):
        try:
            address = ipaddress.ip_address(extended.group(2).decode())
        except ValueError:
            return None
        whole = int(address) | (IPV4_MAPPED if address.version == 4 else 0)
        return whole >> 64, whole & (1 << 64) - 1, int(extended.group(3))
    return None
