"""Reads every field of all Ethernet, ARP, IPv4, TCP and UDP headers into columns, with sniffkit's library."""

from __future__ import annotations

import sys

from sniffkit.protocols import REGISTER
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture

MEASURED = ("eth", "ip", "tcp", "udp", "arp")


def main(path: str) -> None:
    """Read the file and print how many packets and values there were."""
    fields = [place.field.id for protocol in REGISTER if protocol.name in MEASURED for place in protocol.header.places]
    packets = values = 0
    with open_capture(path) as source:
        for batch in source:
            columns = Columns(batch)
            packets += len(batch)
            values += sum(len(columns[id]) for id in [*fields, "tcp.len"])
    print(packets, "packets,", len(fields) + 1, "fields,", values, "values")


if __name__ == "__main__":
    main(sys.argv[1])
