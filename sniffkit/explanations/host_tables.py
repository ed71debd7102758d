"""What each host has in its ARP table or neighbour cache, as a table and as records for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sniffkit.explanations.lesson import Table
from sniffkit.explanations.plain import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffkit.analysis.neighbours.host_tables import HostTables, Tables
    from sniffkit.explanations.catalogue import Catalogue

ENTRIES_SHOWN = 200
"""How many table entries are listed."""

SEEN_LATER = "*"
"""Beside the packet since which an entry stands, where only a later one shows it."""


def host_table(title: str, hosts: HostTables, tables: Tables, catalogue: Catalogue) -> Table:
    """Return a table with a row for each entry; a host stands before its first one only."""
    say = catalogue.text
    rows = []
    for (vlan, host), entries in tables.items():
        known = hosts.names.get((vlan, host))
        name = f"{known}{' …' * ((vlan, host) in hosts.several)} ({host})" if known else host
        if vlan >= 0:
            name += f" VLAN {vlan}"
        for ip, entry in entries.items():
            rows.append(
                (
                    escaped(name),
                    escaped(ip),
                    escaped(entry.mac),
                    f"{entry.packet}{SEEN_LATER * (entry.seen != entry.packet)}",
                )
            )
            name = ""
    more = len(rows) - ENTRIES_SHOWN
    headings = tuple(say(f"arp.table-heading.{column}") for column in ("host", "address", "mac", "since"))
    note = say("arp.tables.more", count=more) if more > 0 else ""
    if not note and any(row[-1].endswith(SEEN_LATER) for row in rows):
        note = say("arp.tables.seen-later")
    return Table(title, headings, tuple(rows[:ENTRIES_SHOWN]), frozenset(), note)


def table_records(protocol: str, hosts: HostTables, after: int) -> Iterator[dict[str, Any]]:
    """Yield a record for each host's table after a packet (``arp --json --after N``)."""
    for (vlan, host), entries in hosts.then.items():
        yield {
            "kind": "table",
            "protocol": protocol,
            "after": after,
            "host": host,
            "host_ip": hosts.names.get((vlan, host)),
            "vlan": vlan if vlan >= 0 else None,
            "entries": [
                {"ip": ip, "mac": entry.mac, "packet": entry.packet, "seen": entry.seen}
                for ip, entry in entries.items()
            ],
        }
