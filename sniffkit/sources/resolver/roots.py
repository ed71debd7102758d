"""Where every walk begins: the root servers' names and addresses, and the keys that the root zone is trusted by.

Nobody can tell where the root is but the program itself: these few lines are the only part of the DNS that a resolver
must bring along ("hints"). Source: IANA, named.root (2023-11-27) and root-anchors.xml.
"""

from __future__ import annotations

from sniffkit.sources.resolver.trace import Server

ROOT_SERVERS = {
    "a": ("198.41.0.4", "2001:503:ba3e::2:30"),
    "b": ("170.247.170.2", "2801:1b8:10::b"),
    "c": ("192.33.4.12", "2001:500:2::c"),
    "d": ("199.7.91.13", "2001:500:2d::d"),
    "e": ("192.203.230.10", "2001:500:a8::e"),
    "f": ("192.5.5.241", "2001:500:2f::f"),
    "g": ("192.112.36.4", "2001:500:12::d0d"),
    "h": ("198.97.190.53", "2001:500:1::53"),
    "i": ("192.36.148.17", "2001:7fe::53"),
    "j": ("192.58.128.30", "2001:503:c27::2:30"),
    "k": ("193.0.14.129", "2001:7fd::1"),
    "l": ("199.7.83.42", "2001:500:9f::42"),
    "m": ("202.12.27.33", "2001:dc3::35"),
}
"""The thirteen names X.root-servers.net; behind each address stand many machines (anycast)."""

TRUST_ANCHORS = (
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
)
"""Digests of the root's key signing keys of 2017 and 2024."""


def root_servers() -> list[Server]:
    """Return the thirteen, in the order of their letters."""
    return [
        Server(f"{letter}.root-servers.net", list(addresses), "hints") for letter, addresses in ROOT_SERVERS.items()
    ]
