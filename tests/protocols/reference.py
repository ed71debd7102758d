"""A capture's fields as tshark printed them and as our columns say them, for the tests that compare the two."""

from __future__ import annotations

import csv
import gzip
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sniffkit.errors import SniffkitError
from sniffkit.protocols import REGISTER
from sniffkit.protocols.columns import Columns, protocol_of
from sniffkit.protocols.header import Form
from sniffkit.sources import open_capture

CORPUS = Path(__file__).parent.parent.parent.parent / "shared" / "corpus"

DENSE = [
    "eth.src", "eth.dst", "eth.type", "vlan.id", "vlan.etype", "arp.opcode", "arp.src.proto_ipv4",
    "arp.src.hw_mac", "arp.dst.proto_ipv4", "arp.dst.hw_mac", "ip.src", "ip.dst", "ip.version", "ip.hdr_len",
    "ip.len", "ip.ttl", "ip.id", "ip.flags.df", "ip.flags.mf", "ip.frag_offset", "ip.proto", "ip.checksum",
    "ipv6.src", "ipv6.dst", "ipv6.hlim", "ipv6.nxt", "ipv6.plen", "tcp.srcport", "tcp.dstport", "tcp.seq_raw",
    "tcp.ack_raw", "tcp.hdr_len", "tcp.flags", "tcp.window_size_value", "tcp.checksum", "tcp.urgent_pointer",
    "tcp.len", "udp.srcport", "udp.dstport", "udp.length", "udp.checksum", "icmp.type", "icmp.code",
    "icmpv6.type", "icmpv6.code",
]  # fmt: skip
SPARSE = ["tcp.options.mss_val", "tcp.options.wscale.shift", "tcp.options.sack_perm"]
FRAME = ["frame.number", "frame.time_epoch", "frame.cap_len", "frame.len"]


def spec(field: str) -> tuple[Form, int]:
    """How a field is printed, from its header's table."""
    for protocol in REGISTER:
        if field in protocol.header.place:
            found = protocol.header.place[field].field
            return found.form, found.digits
    return (Form.OCTETS, 4) if field == "tcp.options.sack_perm" else (Form.DECIMAL, 0)


def printed(field: str, values: np.ndarray) -> list[str]:
    """A column as tshark prints it; -1 (unknown length) is printed as nothing."""
    form, digits = spec(field)
    if form is Form.MAC:
        return [value.to_bytes(6, "big").hex(":") for value in values.tolist()]
    if form is Form.IPV4:
        return [socket.inet_ntop(socket.AF_INET, value.to_bytes(4, "big")) for value in values.tolist()]
    if form is Form.IPV6:
        raw = values.astype(">u8").tobytes()
        return [socket.inet_ntop(socket.AF_INET6, raw[at : at + 16]) for at in range(0, len(raw), 16)]
    if field in ("eth.type", "vlan.etype"):
        # below 0x0600 it is a length, which tshark prints under another name
        return [f"0x{value:04x}" if value >= 0x0600 else "" for value in values.tolist()]
    if form is Form.HEX:
        return [f"0x{value:0{digits}x}" for value in values.tolist()]
    if form is Form.OCTETS:
        return [f"{value:0{digits}x}" for value in values.tolist()]
    if form is Form.FLAG:
        return ["1" if value else "0" for value in values.tolist()]
    if field == "frame.time_epoch":
        return [f"{value // 10**9}.{value % 10**9:09d}" for value in values.tolist()]
    return ["" if value < 0 else str(value) for value in values.tolist()]


def ours(path: Path, fields: list[str], most: int) -> dict[str, list[str]]:
    """The first occurrence of each field in each of the first ``most`` packets, "" where it is missing."""
    table: dict[str, list[str]] = {field: [] for field in fields}
    with open_capture(str(path)) as source:
        for batch in source:
            columns = Columns(batch)
            for field in fields:
                cells = [""] * len(batch)
                protocol = protocol_of(field) or ""
                rows = columns.rows(protocol)
                if field in SPARSE:
                    index, values = columns.sparse(field)
                    places = rows.row[index]
                else:
                    places, values = rows.row, columns[field]
                # backwards, so that the first occurrence is written last and stays
                for place, text in zip(places[::-1].tolist(), printed(field, values)[::-1], strict=True):
                    if text:
                        cells[place] = text
                table[field] += cells
            if len(table[fields[0]]) >= most:
                break
    return {field: cells[:most] for field, cells in table.items()}


def theirs(path: Path, fields: list[str], most: int) -> dict[str, list[str]]:
    """The same columns as tshark printed them."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="\n") as lines:
        header = lines.readline().rstrip("\n").split("\t")
        places = {field: header.index(field) for field in fields}
        table: dict[str, list[str]] = {field: [] for field in fields}
        for number, line in enumerate(lines):
            if number == most:
                break
            cells = line.rstrip("\n").split("\t")
            for field, place in places.items():
                table[field].append(cells[place] if place < len(cells) else "")
    return table


def captures() -> Iterator[tuple[str, str, Path, Path]]:
    """Every capture of the corpus that has a reference: name, link types, file, table."""
    with (CORPUS / "INDEX.tsv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            table = CORPUS / "tshark" / (row["path"] + ".tsv.gz")
            if table.exists():
                yield row["path"], row["linktype"] or "", CORPUS / "files" / row["path"], table


__all__ = ["CORPUS", "DENSE", "FRAME", "SPARSE", "SniffkitError", "captures", "ours", "theirs"]
