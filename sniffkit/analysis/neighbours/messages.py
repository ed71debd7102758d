"""The messages of neighbour discovery read with their options, one by one: there are few of them in any capture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.addresses import link_ends, mac_text
from sniffkit.protocols.icmpv6 import Type
from sniffkit.protocols.packet import Layer, read_packet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns

LISTENER_REPORTS = (Type.LISTENER_REPORT, Type.LISTENER_REPORT_2)


@dataclass(slots=True)
class NeighbourMessage:
    """One message; addresses as text, "" where there is none.

    mac:       link-layer address that the message gives for its sender (solicitations) or its target (advertisements)
    frame_mac: source of the frame
    vlan:      -1 without a tag
    groups:    multicast groups that a listener report names
    """

    number: int
    time_ns: int
    type: int
    vlan: int
    source: str
    destination: str
    frame_mac: str
    target: str = ""
    mac: str = ""
    solicited: bool = False
    router: bool = False
    override: bool = False
    managed: bool = False
    lifetime: int = 0
    better: str = ""
    prefixes: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def read_messages(columns: Columns, twice: NDArray[Any] | None) -> Iterator[tuple[int, NeighbourMessage]]:
    """Yield row and message of a batch; quoted ones, and packets to pass over, are left out."""
    rows = columns.rows("icmpv6")
    kind = columns["icmpv6.type"]
    wanted = ((kind >= Type.ROUTER_SOLICITATION) & (kind <= Type.REDIRECT)) | np.isin(kind, LISTENER_REPORTS)
    which = np.flatnonzero(wanted & ~rows.quoted)
    if not len(which):
        return
    frame, _, vlan = link_ends(columns, rows.parent[which], rows.parent_index[which])
    batch = columns.batch
    for row, mac, tag in zip(rows.row[which].tolist(), frame.tolist(), vlan.tolist(), strict=True):
        if twice is not None and twice[row]:
            continue
        packet = read_packet(batch.packet(row), int(batch.link_type[row]), int(batch.length[row]))
        ip, layer = packet.layer("ipv6"), packet.layer("icmpv6")
        if ip is None or layer is None or layer.problems:
            continue
        source, destination = ip.first("ipv6.src"), ip.first("ipv6.dst")
        yield (
            row,
            _message(
                layer,
                row + batch.first,
                int(batch.time_ns[row]),
                tag,
                source.text if source else "",
                destination.text if destination else "",
                mac_text(mac),
            ),
        )


def _message(
    layer: Layer, number: int, time_ns: int, vlan: int, source: str, destination: str, frame_mac: str
) -> NeighbourMessage:
    values: dict[str, list[Any]] = {}
    for one in layer.fields:
        values.setdefault(one.id, []).append(one.value)

    def first(*ids: str) -> Any:
        return next((values[id][0] for id in ids if id in values), None)

    mac = first("icmpv6.opt.src_linkaddr", "icmpv6.opt.target_linkaddr")
    prefixes = zip(values.get("icmpv6.opt.prefix", ()), values.get("icmpv6.opt.prefix.length", ()), strict=False)
    return NeighbourMessage(
        number,
        time_ns,
        int(first("icmpv6.type") or 0),
        vlan,
        source,
        destination,
        frame_mac,
        first("icmpv6.nd.ns.target_address", "icmpv6.nd.na.target_address", "icmpv6.nd.rd.target_address") or "",
        mac.hex(":") if isinstance(mac, bytes) else str(mac or ""),
        bool(first("icmpv6.nd.na.flag.s")),
        bool(first("icmpv6.nd.na.flag.r")),
        bool(first("icmpv6.nd.na.flag.o")),
        bool(first("icmpv6.nd.ra.flag.m")),
        int(first("icmpv6.nd.ra.router_lifetime") or 0),
        str(first("icmpv6.rd.na.destination_address") or ""),
        [f"{prefix}/{length}" for prefix, length in prefixes],
        [str(group) for group in values.get("icmpv6.mldr.mar.multicast_address", ())]
        or [str(group) for group in values.get("icmpv6.mld.multicast_address", ())],
    )
