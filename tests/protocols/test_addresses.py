"""What kind of address this is: before anyone asks whose, its first bits say what it is for."""

from __future__ import annotations

import pytest

from sniffkit.protocols.addresses import address_kind, locally_administered, mac_kind


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.1.2.3", "private"), ("172.31.255.255", "private"), ("172.32.0.0", "global"), ("192.168.0.1", "private"),
        ("127.0.0.1", "loopback"), ("169.254.1.1", "link-local"), ("100.64.0.1", "shared"), ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "this-network"), ("224.0.0.251", "multicast"), ("239.255.255.250", "multicast"),
        ("255.255.255.255", "broadcast"), ("240.0.0.1", "reserved"), ("203.0.113.9", "documentation"),
        ("198.18.0.1", "benchmarking"), ("93.184.216.34", "global"), ("::", "unspecified"), ("::1", "loopback"),
        ("fe80::1", "link-local"), ("fd00::1", "unique-local"), ("ff02::1", "multicast"),
        ("ff02::1:ff12:3456", "solicited-node"), ("2001:db8::1", "documentation"), ("2001:0:1::1", "teredo"),
        ("2002:102:304::1", "6to4"), ("::ffff:1.2.3.4", "ipv4-mapped"), ("2606:4700::1", "global"),
    ],
)  # fmt: skip
def test_kinds_of_ip_addresses(address: str, kind: str) -> None:
    assert address_kind(address) == kind


def test_no_address_has_no_kind() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        address_kind("nonsense")


def test_two_bits_of_the_first_octet_say_whom_a_mac_address_means_and_who_gave_it() -> None:
    assert mac_kind("ff:ff:ff:ff:ff:ff") == "broadcast"
    assert mac_kind("01:00:5e:00:00:fb") == "multicast"
    assert mac_kind("00:00:00:00:00:00") == "unspecified"
    assert mac_kind("3c:22:fb:00:00:01") == "unicast"
    assert locally_administered("02:00:00:00:00:01")
    assert not locally_administered("3c:22:fb:00:00:01")
