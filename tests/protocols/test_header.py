"""A header is declared once: offsets, widths, records and columns follow from the order of its fields."""

from __future__ import annotations

import numpy as np
import pytest

from sniffkit.protocols import REGISTER, find
from sniffkit.protocols.header import Field, Form, Header, flag, hexadecimal, parent
from sniffkit.protocols.protocol import gather

HEADER = Header(
    "sample",
    "none",
    (
        Field("a", 4),
        Field("b", 4, scale=4),
        parent("c", 16, 4),
        flag("c.x"),
        Field("c.y", 15),
        Field("mac", 48, Form.MAC),
        Field("label", 20),
        Field("rest", 4),
        Field("six", 128, Form.IPV6),
    ),
)


def test_places_follow_from_the_order() -> None:
    places = [(place.field.id, place.start, place.width) for place in HEADER.places]
    assert places[:5] == [("a", 0, 4), ("b", 4, 4), ("c", 8, 16), ("c.x", 8, 1), ("c.y", 9, 15)]
    assert HEADER.octets == 1 + 2 + 6 + 3 + 16


def test_a_column_is_the_field_of_every_header_at_any_alignment() -> None:
    raw = bytes.fromhex("45 8001 0201030405ff abcdef" + "20010db8" + "00" * 11 + "01")
    octets = np.frombuffer(b"\0" + raw + b"\0\0" + raw, np.uint8)
    window = gather(octets, np.array([1, 3 + len(raw)]), HEADER)
    assert HEADER.column(window, "a").tolist() == [4, 4]
    assert HEADER.column(window, "b").tolist() == [20, 20]
    assert HEADER.column(window, "c").tolist() == [0x8001] * 2
    assert HEADER.column(window, "c.x").tolist() == [1, 1]
    assert HEADER.column(window, "c.y").tolist() == [1, 1]
    assert HEADER.column(window, "mac").tolist() == [0x0201030405FF] * 2
    assert HEADER.column(window, "label").tolist() == [0xABCDE] * 2
    assert HEADER.column(window, "rest").tolist() == [0xF] * 2
    assert HEADER.column(window, "six").tolist() == [[0x20010DB800000000, 1]] * 2


@pytest.mark.parametrize("protocol", REGISTER, ids=lambda protocol: protocol.name)
def test_every_header_of_the_house_is_whole_octets_and_names_no_field_twice(protocol) -> None:  # type: ignore[no-untyped-def]
    shapes = [protocol.header, *(protocol.messages.shapes.values() if protocol.messages else ())]
    for header in shapes:
        assert sum(field.bits for field in header.fields) % 8 == 0
        held = [field.id for field in header.fields if field.id not in ("vxlan.flags_reserved", "icmp.unused")]
        assert len(held) == len(set(held))
        assert all(bool(field.bits) != bool(field.spans) for field in header.fields)
    numbers = [(space, number) for space, some in protocol.carried_in.items() for number in some]
    assert all(find(*number) is protocol for number in numbers)


def test_hexadecimal_digits_are_those_of_the_width_unless_told() -> None:
    assert hexadecimal("x", 16).digits == 4
    assert hexadecimal("ipv6.flow", 20, 6).digits == 6
