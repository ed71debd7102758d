"""What one writes with Scapy or dpkt to get the nine fields that tshark is asked for; a peer in the benchmark.

python -m benchmarks.peers scapy|dpkt FILE PACKETS
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

Row = tuple[Any, ...]


def scapy(path: str, packets: int) -> Iterator[Row]:
    """Yield the nine fields of each TCP packet as Scapy reads them."""
    from scapy.layers.inet import IP, TCP
    from scapy.utils import PcapReader

    with PcapReader(path) as reader:
        for number, packet in enumerate(islice(reader, packets), 1):
            if TCP in packet:
                ip, tcp = packet[IP], packet[TCP]
                length = ip.len - ip.ihl * 4 - tcp.dataofs * 4
                yield (
                    number, packet.time, ip.src, ip.dst, tcp.sport, tcp.dport, tcp.seq, int(tcp.flags), length
                )  # fmt: skip


def dpkt(path: str, packets: int) -> Iterator[Row]:
    """Yield the nine fields of each TCP packet as dpkt reads them."""
    import dpkt
    from dpkt.utils import inet_to_str

    with open(path, "rb") as file:
        for number, (time, octets) in enumerate(islice(dpkt.pcap.Reader(file), packets), 1):
            ip = dpkt.ethernet.Ethernet(octets).data
            if isinstance(ip, dpkt.ip.IP) and isinstance(ip.data, dpkt.tcp.TCP):
                tcp = ip.data
                source, destination = inet_to_str(ip.src), inet_to_str(ip.dst)
                yield (
                    number, time, source, destination, tcp.sport, tcp.dport, tcp.seq, tcp.flags, len(tcp.data)
                )  # fmt: skip


PEERS: dict[str, Callable[[str, int], Iterator[Row]]] = {"scapy": scapy, "dpkt": dpkt}

if __name__ == "__main__":
    peer, file, count = sys.argv[1:]
    columns = list(zip(*PEERS[peer](file, int(count)), strict=True))
    print(len(columns[0]) if columns else 0, "TCP packets")
