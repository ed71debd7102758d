"""What there is to capture on, read from the kernel of the namespace one is in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sniffkit.errors import NotPermitted
from sniffkit.lab.world import World
from sniffkit.sources.interfaces import choose, default_routes, network_interfaces, with_default_route
from tests.sources.network import Cable, needs_namespaces

pytestmark = needs_namespaces


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        made.near.setting("net.ipv6.conf.out.disable_ipv6", 0)
        made.near.ip("link add sleeping type bridge", "address add 2001:db8::7/64 dev out nodad")
        made.near.ip("route add default via 10.1.0.2 metric 5")
        yield made


def test_each_with_its_state_addresses_and_kind(cable: Cable) -> None:
    with cable.near.inside():
        found = {each.name: each for each in network_interfaces()}
    assert [found[name].what for name in ("out", "sleeping", "lo", "any")] == ["veth", "bridge", "loopback", "any"]
    assert found["out"].running
    assert found["out"].mtu == 9000
    assert {"10.1.0.1/24", "2001:db8::7/64"} <= set(found["out"].addresses)
    assert not found["sleeping"].up
    assert "127.0.0.1/8" in found["lo"].addresses


def test_those_that_carry_packets_come_first(cable: Cable) -> None:
    with cable.near.inside():
        found = network_interfaces()
    assert [(each.number, each.name) for each in found] == [(1, "out"), (2, "sleeping"), (3, "lo"), (4, "any")]


def test_by_name_or_by_number(cable: Cable) -> None:
    with cable.near.inside():
        assert choose("lo") == choose("3")
        with pytest.raises(NotPermitted, match=r"live\.no-such-interface"):
            choose("5")


def test_the_default_route_leads_somewhere(cable: Cable) -> None:
    with cable.near.inside():
        assert with_default_route().name == "out"
        assert default_routes()[0] == "out"
    with cable.far.inside():  # no default route: the first that carries packets
        assert with_default_route().name == "in"
        assert default_routes() == []


def test_a_machine_without_any() -> None:
    with World() as world:
        alone = world.host("alone")
        alone.ip("link set lo down")
        with alone.inside(), pytest.raises(NotPermitted, match=r"live\.no-interface"):
            with_default_route()
