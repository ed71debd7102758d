"""Asks real DNS servers, hop by hop: what a resolver does for its clients, done so that one can watch.

    walk     goes down from the root, zone by zone       judging  what an answer is worth
    asking   one question to one server                  trust    the chain of DNSSEC, with signatures and denial
    system   the hosts file and the machine's resolver   saved    the messages as a capture
    roots    where a walk begins                         trace    what happens, as facts

Packets go to the servers that the user names or to those of the root, and to where these refer; to nobody else.
"""

from __future__ import annotations

from ipaddress import ip_address

from sniffkit.errors import UsageError
from sniffkit.sources.resolver.trace import Server

REFUSED_TYPES = {"AXFR", "IXFR", "MAILA", "MAILB", "OPT", "TSIG", "TKEY", "NONE"}
"""No questions about a name, but other operations."""


def question_of(name: str, kind: str | None) -> tuple[str, str]:
    """Return name and type as the wire has them: punycode for other scripts, PTR for an address.

    Raises UsageError ``resolver.name-wrong``, ``resolver.type-unknown``.
    """
    import dns.exception
    import dns.name
    import dns.rdatatype
    import dns.reversename

    if kind is None:
        address = _address(name)
        if address:
            return dns.reversename.from_address(address).to_text(omit_final_dot=True), "PTR"
        kind = "A"
    try:
        number = dns.rdatatype.from_text(kind.upper())
        known = dns.rdatatype.to_text(number)
    except (dns.exception.DNSException, ValueError) as error:
        raise UsageError("resolver.type-unknown", value=kind) from error
    if known in REFUSED_TYPES or not number:
        raise UsageError("resolver.type-refused", value=known)
    try:
        parsed = dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError, UnicodeError) as error:
        if isinstance(error, dns.name.LabelTooLong):
            raise UsageError("resolver.name-label", value=name) from error
        if isinstance(error, dns.name.NameTooLong):
            raise UsageError("resolver.name-long", value=name) from error
        if isinstance(error, dns.name.EmptyLabel):
            raise UsageError("resolver.name-empty", value=name) from error
        raise UsageError("resolver.name-wrong", value=name) from error
    return (parsed.to_text(omit_final_dot=True) if len(parsed) > 1 else "."), known


def shown_unicode(name: str) -> str:
    """Return a name in its own script where it is written in punycode, "" otherwise."""
    import dns.exception
    import dns.name

    if "xn--" not in name.lower():
        return ""
    try:
        return dns.name.from_text(name).to_unicode(omit_final_dot=True)
    except (dns.exception.DNSException, UnicodeError):
        return ""


def named_server(text: str, option: str) -> tuple[str, int]:
    """Read ``HOST[:PORT]`` or ``[IPv6]:PORT``; a host name is looked up by the system.

    Raises UsageError ``resolver.server-wrong``.
    """
    import socket

    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536) or not host:
        raise UsageError("resolver.server-wrong", option=option, value=text)
    if _address(host):
        return host, int(port)
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise UsageError("resolver.server-unknown", option=option, value=host) from error
    return str(found[0][4][0]), int(port)


def named_root(text: str) -> Server:
    """Return the server that ``--root`` names."""
    address, port = named_server(text, "--root")
    return Server("", [address], "named", port)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
