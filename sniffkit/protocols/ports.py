"""Ports: which service usually listens at a number, and which kind of number it is."""

from __future__ import annotations

from enum import StrEnum

SERVICES = {
    7: "echo", 9: "discard", 13: "daytime", 19: "chargen", 20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet",
    25: "smtp", 37: "time", 43: "whois", 49: "tacacs", 53: "domain", 67: "bootps", 68: "bootpc", 69: "tftp",
    70: "gopher", 79: "finger", 80: "http", 88: "kerberos", 110: "pop3", 111: "sunrpc", 113: "ident", 119: "nntp",
    123: "ntp", 135: "msrpc", 137: "netbios-ns", 138: "netbios-dgm", 139: "netbios-ssn", 143: "imap", 161: "snmp",
    162: "snmp-trap", 179: "bgp", 194: "irc", 389: "ldap", 427: "svrloc", 443: "https", 445: "microsoft-ds",
    464: "kpasswd", 465: "submissions", 500: "isakmp", 502: "modbus", 514: "syslog", 515: "printer", 520: "rip",
    546: "dhcpv6-client", 547: "dhcpv6-server", 548: "afp", 554: "rtsp", 587: "submission", 631: "ipp", 636: "ldaps",
    853: "domain-s", 873: "rsync", 989: "ftps-data", 990: "ftps", 993: "imaps", 995: "pop3s", 1080: "socks",
    1194: "openvpn", 1433: "ms-sql", 1521: "oracle", 1701: "l2tp", 1723: "pptp", 1812: "radius",
    1813: "radius-acct", 1883: "mqtt", 1900: "ssdp", 1935: "rtmp", 2049: "nfs", 2152: "gtp-user", 3128: "proxy",
    3268: "msft-gc", 3306: "mysql", 3389: "ms-wbt-server", 3478: "stun", 3544: "teredo", 3702: "ws-discovery",
    4500: "ipsec-nat-t", 4789: "vxlan", 5060: "sip", 5061: "sips", 5222: "xmpp-client", 5269: "xmpp-server",
    5353: "mdns", 5355: "llmnr", 5432: "postgresql", 5671: "amqps", 5672: "amqp", 5683: "coap", 5900: "vnc",
    6081: "geneve", 6379: "redis", 6443: "kubernetes", 6667: "irc", 6881: "bittorrent", 8000: "http-alt",
    8008: "http-alt", 8080: "http-alt", 8443: "https-alt", 8883: "mqtts", 8888: "http-alt", 9092: "kafka",
    9100: "pdl-datastream", 9200: "elasticsearch", 11211: "memcache", 20000: "dnp3", 25565: "minecraft",
    27017: "mongodb", 51820: "wireguard",
}  # fmt: skip
"""A short table of what learners meet, by IANA's names where it has one; the same for TCP and UDP."""

ONLY_UDP = {67, 68, 69, 123, 137, 138, 161, 162, 500, 520, 546, 547, 1812, 1813, 1900, 2152, 3544, 3702, 4500, 4789,
            5353, 5355, 5683, 6081, 51820}  # fmt: skip
ONLY_TCP = {20, 21, 22, 23, 25, 70, 79, 80, 110, 113, 119, 139, 143, 179, 194, 465, 587, 631, 873, 989, 990, 993, 995,
            1433, 1521, 1723, 1883, 1935, 3128, 3268, 3306, 5222, 5269, 5432, 5671, 5672, 5900, 6379, 6443, 6667, 8000,
            8008, 8080, 8883, 8888, 9092, 9100, 9200, 25565, 27017}  # fmt: skip


class PortKind(StrEnum):
    """The three ranges of RFC 6335 section 6."""

    SYSTEM = "system"
    USER = "user"
    DYNAMIC = "dynamic"


def service(port: int, transport: str = "") -> str:
    """Return the usual service of a port, "" where there is none; ``transport`` "tcp" or "udp" narrows it."""
    other = ONLY_UDP if transport == "tcp" else ONLY_TCP if transport == "udp" else ()
    return "" if port in other else SERVICES.get(port, "")


def port_kind(port: int) -> PortKind:
    """Return the range a port number is in."""
    if port < 1024:
        return PortKind.SYSTEM
    return PortKind.USER if port < 49152 else PortKind.DYNAMIC
