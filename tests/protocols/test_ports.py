"""Ports by number: what usually listens there, and whose numbers these are (RFC 6335)."""

from __future__ import annotations

from sniffkit.protocols.ports import ONLY_TCP, ONLY_UDP, SERVICES, PortKind, port_kind, service


def test_well_known_services() -> None:
    assert [service(port) for port in (22, 53, 80, 443, 5353)] == ["ssh", "domain", "http", "https", "mdns"]
    assert service(50000) == ""


def test_a_service_of_one_transport_is_not_one_of_the_other() -> None:
    assert (service(67, "udp"), service(67, "tcp")) == ("bootps", "")
    assert (service(22, "tcp"), service(22, "udp")) == ("ssh", "")
    assert service(53, "udp") == service(53, "tcp") == "domain"


def test_the_three_ranges_begin_where_rfc_6335_says() -> None:
    kinds = [port_kind(port) for port in (0, 1023, 1024, 49151, 49152, 65535)]
    assert kinds == [PortKind.SYSTEM] * 2 + [PortKind.USER] * 2 + [PortKind.DYNAMIC] * 2


def test_tables_name_only_services_there_are() -> None:
    assert set(SERVICES) >= ONLY_TCP | ONLY_UDP
    assert not ONLY_TCP & ONLY_UDP
