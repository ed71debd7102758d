"""Capture filters: libpcap's program as the packet ring needs it, and where a wrong one goes wrong."""

from __future__ import annotations

import pytest

from sniffkit.errors import NotPermitted, UsageError
from sniffkit.sources import bpf
from sniffkit.sources.bpf import AUXILIARY, asks_for_tags, compile_filter, for_ring

ETHERNET, COOKED_2 = 1, 276


def test_the_program_is_libpcaps() -> None:
    """``tcpdump -d arp``: load the type at 12, compare with 0x0806, keep or leave."""
    assert compile_filter("arp", ETHERNET)[:2] == [(0x28, 0, 0, 12), (0x15, 0, 1, 0x0806)]


def test_what_is_kept_of_a_packet_is_the_snap_length() -> None:
    returned = [operand for code, _, _, operand in for_ring(compile_filter("arp", ETHERNET), ETHERNET, 96) if code == 6]
    assert returned == [96, 0]
    assert for_ring((), ETHERNET, 96) == [(6, 0, 0, 96)]


def test_a_cooked_header_is_not_there_yet_when_the_kernel_filters() -> None:
    """The protocol at 0 is asked of the kernel, the IP header at 20 begins at 0."""
    program = for_ring(compile_filter("tcp", COOKED_2), COOKED_2, 262144)
    assert (0x28, 0, 0, AUXILIARY) in program
    assert (0x30, 0, 0, 9) in program, "IPv4's protocol field"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tcp prot 80", 4),
        ("port htpp", 5),
        ("tcp and and udp", 8),
        ("host 10.0.0.2 or tpc", 17),
        ("tcp port", 8),
        ("(tcp or udp", 11),
        ("tcp port 99999", 9),
        ("tcp[13] & 2 != 0 and (port 80", 29),
        ("port 80 and (udp or (host 1.1.1.1 an tcp))", 34),
    ],
)
def test_a_wrong_filter_has_libpcaps_words_and_a_place(text: str, place: int) -> None:
    with pytest.raises(UsageError) as error:
        compile_filter(text, ETHERNET)
    assert error.value.id.startswith("live.filter")
    assert error.value.values["place"] == place
    assert str(error.value.values["reason"])


@pytest.mark.parametrize(
    ("text", "id", "named"),
    [
        ("tcp prot 80", "live.filter-syntax", {}),
        ("tcp.port == 80", "live.filter-display", {"filter": "tcp.port == 80"}),
        ("ip.addr == 10.0.0.1 && dns", "live.filter-display", {"filter": "ip.addr == 10.0.0.1 && dns"}),
        ("tcp and udp", "live.filter-rejects-all", {}),
        ("host no-such-name.invalid", "live.filter-unknown-host", {"name": "no-such-name.invalid"}),
        ("port htpp", "live.filter-unknown-port", {"name": "htpp"}),
        ("net elsewhere", "live.filter-unknown-network", {"name": "elsewhere"}),
        ("ip proto tpc", "live.filter-unknown-protocol", {"name": "tpc"}),
        ("port 99999", "live.filter-number", {"number": "99999", "most": "65535"}),
        ("vlan 5000", "live.filter-number", {"number": "5000", "most": "4095"}),
        ("net 10.0.0.0/40", "live.filter-prefix", {"most": "32"}),
        ("net 10.0.0.1/8", "live.filter-network-bits", {"name": "10.0.0.1/8"}),
        ("host 10.0.0.256", "live.filter-address", {"name": "10.0.0.256"}),
        ("ether host 10.0.0.1", "live.filter-link-address", {}),
        ("tcp[0:3] = 1", "live.filter-data-size", {}),
        ("tcp host 10.0.0.1", "live.filter-qualifier", {}),
        ("arp port 80", "live.filter-qualifier", {}),
        ("gateway 10.0.0.1", "live.filter", {}),
    ],
)
def test_what_libpcap_says_in_english_has_an_id(text: str, id: str, named: dict[str, str]) -> None:
    """So that it is told in the reader's language; what is rare stays in libpcap's words."""
    with pytest.raises(UsageError) as error:
        compile_filter(text, ETHERNET)
    assert error.value.id == id
    assert error.value.values.items() >= named.items()


def test_a_number_that_is_only_named_as_a_limit_is_not_pointed_at() -> None:
    """data size must be 1, 2, or 4: the 1 behind the sign is not what is wrong."""
    with pytest.raises(UsageError) as error:
        compile_filter("tcp[0:3] = 1 or arp", ETHERNET)
    assert "place" not in error.value.values


def test_vlan_filters_are_noticed() -> None:
    assert asks_for_tags("vlan 10 and tcp")
    assert not asks_for_tags("tcp port 80")


def test_without_libpcap_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(text: str, link_type: int) -> None:
        raise ImportError

    monkeypatch.setattr(bpf, "_compiled", missing)
    with pytest.raises(NotPermitted) as error:
        compile_filter("tcp", ETHERNET)
    assert error.value.id == "live.no-libpcap"
    assert "libpcap" in str(error.value.values["command"])
