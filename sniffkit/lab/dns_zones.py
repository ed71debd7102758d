"""The zones of the lab's DNS: a root, two top-level domains, and zones below them, some of them broken on purpose.

Names end in ``test`` and ``example``, which nobody can register (RFC 2606); addresses are those kept for documentation
(RFC 5737, RFC 3849).
"""

from __future__ import annotations

ROOT, ROOT_6 = "192.0.2.1", "2001:db8:0:2::1"
TEST, TEST_6 = "192.0.2.11", "2001:db8:0:2::11"
EXAMPLE = "192.0.2.12"
SCHOOL, SCHOOL_6, SCHOOL_2 = "203.0.113.1", "2001:db8:0:3::1", "203.0.113.2"
SHOP = "203.0.113.21"
WEB = "203.0.113.80"

SILENT, CLOSED = "203.0.113.40", "203.0.113.41"
ODD = {
    "lame-upward": "203.0.113.42",
    "not-authoritative": "203.0.113.43",
    "wrong-id": "203.0.113.44",
    "always-wrong-id": "203.0.113.45",
    "wrong-address": "203.0.113.46",
    "garbled": "203.0.113.47",
    "no-edns": "203.0.113.48",
    "truncated": "203.0.113.49",
    "servfail": "203.0.113.50",
    "poison": "203.0.113.51",
    "crowd": "203.0.113.52",
    "wrong-question": "203.0.113.53",
}
"""Servers that misbehave, each in its own way: lab/odd_servers.py."""
ELSEWHERE = "203.0.113.60"
"""Where the answers of ``wrong-address`` come from."""

_SOA = "@ 3600 IN SOA {server} hostmaster.{zone} 1 7200 3600 1209600 300\n"

ROOT_ZONE = (
    "$ORIGIN .\n"
    ". 86400 IN SOA a.root-servers.net. hostmaster.root-servers.net. 1 7200 3600 1209600 300\n"
    ". 518400 IN NS a.root-servers.net.\n"
    f"a.root-servers.net. 518400 IN A {ROOT}\n"
    f"a.root-servers.net. 518400 IN AAAA {ROOT_6}\n"
    "test. 172800 IN NS ns1.nic.test.\n"
    f"ns1.nic.test. 172800 IN A {TEST}\n"
    f"ns1.nic.test. 172800 IN AAAA {TEST_6}\n"
    "example. 172800 IN NS ns1.nic.example.\n"
    f"ns1.nic.example. 172800 IN A {EXAMPLE}\n"
)

CHAINED = 9
"""Zones chain-1 … chain-9: each has its server in the next one."""


def test_zone() -> str:
    """Return the top-level domain ``test``: sound zones first, then those that teach what goes wrong."""
    lines = [
        "$ORIGIN test.\n" + _SOA.format(server="ns1.nic.test.", zone="nic.test."),
        f"@ 172800 IN NS ns1.nic.test.\nns1.nic 172800 IN A {TEST}\nns1.nic 172800 IN AAAA {TEST_6}\n",
        _delegated("school", {"ns1": SCHOOL, "ns2": SCHOOL_2}, SCHOOL_6),
        _delegated("expired", {"ns1": SCHOOL}),
        _delegated("stranger", {"ns1": SCHOOL}),
        _delegated("plain", {"ns1": SCHOOL}),
        "noglue 86400 IN NS ns1.shop.example.\n",
        "gone 86400 IN NS ns1.gone\n",
        _delegated("half", {"ns1": SILENT, "ns2": SCHOOL}),
        _delegated("dead", {"ns1": SILENT, "ns2": CLOSED}),
        _delegated("silent", {"ns1": SILENT}),
        _delegated("lame", {"ns1": SCHOOL}),
        "ring-a 86400 IN NS ns1.ring-b\nring-b 86400 IN NS ns1.ring-a\n",
        *(f"chain-{number} 86400 IN NS ns1.chain-{number + 1}\n" for number in range(1, CHAINED)),
        *(_delegated(name, {"ns1": address}) for name, address in ODD.items()),
    ]
    return "".join(lines)


EXAMPLE_ZONE = (
    "$ORIGIN example.\n"
    + _SOA.format(server="ns1.nic.example.", zone="nic.example.")
    + f"@ 172800 IN NS ns1.nic.example.\nns1.nic 172800 IN A {EXAMPLE}\n"
    + f"shop 86400 IN NS ns1.shop\nns1.shop 86400 IN A {SHOP}\n"
)


def school_zone() -> str:
    """Return a zone with something of everything."""
    text = " ".join(f'"line {number}: this text is here to be too long for one datagram"' for number in range(21))
    return (
        "$ORIGIN school.test.\n"
        + _SOA.format(server="ns1.school.test.", zone="school.test.")
        + "@ 86400 IN NS ns1\n@ 86400 IN NS ns2\n"
        + f"ns1 86400 IN A {SCHOOL}\nns1 86400 IN AAAA {SCHOOL_6}\nns2 86400 IN A {SCHOOL_2}\n"
        + f"www 300 IN A {WEB}\nwww 300 IN AAAA 2001:db8:0:3::80\n"
        + "@ 3600 IN MX 10 mail\nmail 3600 IN A 203.0.113.25\n"
        + "home 300 IN CNAME www\n"
        + "library 300 IN CNAME books.shop.example.\n"
        + "nowhere 300 IN CNAME missing.shop.example.\n"
        + "round 300 IN CNAME about\nabout 300 IN CNAME round\n"
        + "there 300 IN CNAME back.shop.example.\n"
        + "*.dorm 300 IN A 203.0.113.99\n"
        + f"big 300 IN TXT {text}\n"
        + f"xn--fiqs8s 300 IN A {WEB}\n"
    )


def small_zone(name: str) -> str:
    """Return a zone with one web server, as most are."""
    return (
        f"$ORIGIN {name}.\n"
        + _SOA.format(server=f"ns1.{name}.", zone=f"{name}.")
        + f"@ 86400 IN NS ns1\nns1 86400 IN A {SCHOOL}\nwww 300 IN A {WEB}\n"
    )


SHOP_ZONE = (
    "$ORIGIN shop.example.\n"
    + _SOA.format(server="ns1.shop.example.", zone="shop.example.")
    + f"@ 86400 IN NS ns1\nns1 86400 IN A {SHOP}\nwww 300 IN A 203.0.113.81\nbooks 600 IN A 203.0.113.82\n"
    + "back 300 IN CNAME there.school.test.\n"
)

NOGLUE_ZONE = (
    "$ORIGIN noglue.test.\n"
    + _SOA.format(server="ns1.shop.example.", zone="noglue.test.")
    + "@ 86400 IN NS ns1.shop.example.\nwww 300 IN A 203.0.113.83\n"
)


def _delegated(name: str, servers: dict[str, str], address_6: str = "") -> str:
    lines = [f"{name} 86400 IN NS {server}.{name}\n{server}.{name} 86400 IN A {at}\n" for server, at in servers.items()]
    if address_6:
        lines.append(f"{next(iter(servers))}.{name} 86400 IN AAAA {address_6}\n")
    return "".join(lines)
