"""How a packet field by field looks: it fits the screen, its marks need no colour, its boxes are those of the RFCs."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from sniffkit.explanations.packet_view import PacketView
from sniffkit.renderers.fields import FieldList
from sniffkit.renderers.header_box import HeaderBox
from sniffkit.renderers.hex_dump import HexDump, column, marked_fields, touched
from sniffkit.renderers.screen import ASCII, Screen
from tests.explanations.packets import view_of, views

SAMPLES = [
    "handshake-close-4.pcap",
    "vlan.pcap",
    "ipv6-neighbour-discovery.pcapng",
    "dns-lookup.pcap",
    "udp-closed-port.pcap",
    "snap-length.pcap",
    "http-exchange.pcapng",
]

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")

RULER = re.compile(r" [+| ][-+| ]*\+?$")


def drawn(
    renderer: type[FieldList | HexDump | HeaderBox],
    view: PacketView,
    width: int | None = 80,
    *,
    colour: bool = False,
    signs: bool = True,
) -> str:
    out = io.StringIO()
    renderer(Screen(out, width, colour, signs)).draw(view)
    return out.getvalue()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("width", [80, 140])
def test_lines_fit_the_screen(name: str, language: str, width: int) -> None:
    for view in views(name, "zh" if language == "zh" else "en")[:4]:
        for renderer in (FieldList, HexDump, HeaderBox):
            long = [line for line in drawn(renderer, view, width).splitlines() if cell_len(line) > width]
            assert not long


@pytest.mark.parametrize("renderer", [FieldList, HexDump, HeaderBox])
def test_colour_adds_nothing_but_colour(renderer: type[FieldList | HexDump | HeaderBox]) -> None:
    view = views("handshake-close-4.pcap")[0]
    painted = drawn(renderer, view, colour=True)
    assert "\x1b[" in painted
    assert ESCAPE.sub("", painted) == drawn(renderer, view)


@pytest.mark.parametrize("renderer", [FieldList, HexDump, HeaderBox])
def test_without_signs_everything_is_ascii(renderer: type[FieldList | HexDump | HeaderBox]) -> None:
    view = views("dns-lookup.pcap")[1]
    assert drawn(renderer, view, signs=False).isascii()
    # lines may break elsewhere: an arrow is wider in ASCII
    assert drawn(renderer, view, signs=False).split() == drawn(renderer, view).translate(ASCII).split()


def test_every_field_is_in_the_list_with_its_mark() -> None:
    for view in views("handshake-close-4.pcap"):
        text = drawn(FieldList, view, 140)
        for layer in view.layers:
            for field in layer.fields:
                assert f"{field.name}  {field.id} = {field.value}" in text
                if field.mark and not field.shares_mark:
                    assert re.search(rf"^ {field.mark}  .*{re.escape(field.id)} = ", text, re.MULTILINE)


def test_marks_stand_under_the_octets() -> None:
    """RFC 791 and RFC 9293: the octets of a SYN, and the letters of the fields in the list."""
    dump = drawn(HexDump, views("handshake-close-4.pcap")[0])
    assert dump == (
        "\n"
        "  0000  02 00 00 00 00 01 02 00  00 00 00 02 08 00 45 00  ..............E.\n"
        "        a──────────────── b───────────────── c──── de f─\n"
        "  0010  00 3c dc 6b 40 00 40 06  1e 74 0a 00 00 02 5d b8  .<.k@.@..t....].\n"
        "        g──── h──── ij─── k─ l─  m──── n────────── o────\n"
        '  0020  d8 22 c3 50 00 50 d5 c6  a3 76 00 00 00 00 a0 02  .".P.P...v......\n'
        "        o──── p──── q──── r─────────── s────────── tu───\n"
        "  0030  fa f0 65 aa 00 00 02 04  05 b4 04 02 08 0a 6a 3b  ..e...........j;\n"
        "        v──── w──── x──── y─ z─  A──── B─ C─ D─ E─ F────\n"
        "  0040  00 6f 00 00 00 00 01 03  03 07                    .o........\n"
        "        F──── G────────── H─ I─  J─ K─\n"
    )


def test_three_fields_in_one_octet_get_two_lines() -> None:
    lines = drawn(HexDump, views("vlan.pcap")[0]).splitlines()
    assert lines[2:4] == [
        "        a──────────────── b───────────────── c──── de",
        "                                                    f───",
    ]


def test_a_long_payload_is_cut_and_counted() -> None:
    view = views("offload.pcap")[3]
    text = drawn(HexDump, view)
    assert text.endswith("⋯ 2640 more octets of data, -vv shows them\n")
    out = io.StringIO()
    HexDump(Screen(out, 80), whole=True).draw(view)
    assert "more octets" not in out.getvalue()
    assert out.getvalue().count("\n") > 2962 // 16


def test_a_dump_without_marks_reads_like_that_of_tcpdump() -> None:
    out = io.StringIO()
    HexDump(Screen(out), ascii=False).plain(bytes(range(18)))
    assert out.getvalue() == "  0000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f\n  0010  10 11\n"


def marks_below(dump: str) -> dict[int, str]:
    """For each octet what stands in the two cells under it, all lines together."""
    found: dict[int, str] = {}
    start = 0
    for line in dump.splitlines():
        if head := re.match(r"  ([0-9a-f]{4})  ", line):
            start = int(head[1], 16)
        elif line.startswith(" " * 8):
            for place in range(16):
                cell = line[8 + column(place) : 10 + column(place)]
                found[start + place] = found.get(start + place, "") + cell
    return found


@settings(max_examples=120, deadline=None)
@given(octets=st.binary(max_size=150), link_type=st.sampled_from([1, 101, 113, 276]))
def test_every_octet_of_a_field_has_a_mark_below_it(octets: bytes, link_type: int) -> None:
    view = view_of(octets, link_type)
    below = marks_below(drawn(HexDump, view))
    for field in marked_fields(view):
        first, last = touched(field)
        assert field.mark in below[first]
        for octet in range(first, last + 1):
            assert below[octet].strip(), f"nothing under octet {octet} of {field.id}"


def test_the_header_of_a_syn_as_rfc_9293_draws_it() -> None:
    box = drawn(HeaderBox, views("handshake-close-4.pcap")[0])
    tcp = box[box.index(" Transmission Control Protocol") :]
    assert tcp == (
        " Transmission Control Protocol · octets 34–73\n"
        "  0                   1                   2                   3\n"
        "  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |      Source port = 50000      |     Destination port = 80     |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |                 Sequence number = 3586564982                  |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |                   Acknowledgment number = 0                   |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " | Data  |     |A|C|E|U|A|P|R|S|F|                               |\n"
        " |offset |Rsrvd|E|W|C|R|C|S|S|Y|I|   Window (as sent) = 64240    |\n"
        " | 10×4  |  0  |0|R|E|G|K|H|T|N|N|                               |\n"
        " |       |     | |0|0|0|0|0|0|1|0|                               |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |       Checksum = 0x65aa       |      Urgent pointer = 0       |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |Option kind = 2|  Length = 4   |          MSS = 1460           |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |Option kind = 4|  Length = 2   |Option kind = 8|  Length = 10  |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |                 Timestamp value = 1782251631                  |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |                   Timestamp echo reply = 0                    |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |Option kind = 1|Option kind = 3|  Length = 3   |Shift count = 7|\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
    )


def test_a_field_of_several_rows_has_no_line_through_it() -> None:
    box = drawn(HeaderBox, views("vlan.pcap")[0])
    assert (
        " |          Destination MAC address = ff:ff:ff:ff:ff:ff          |\n"
        " +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+\n"
        " |                               |                               |\n"
        " +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +\n"
        " |            Source MAC address = 02:00:00:00:00:02             |\n"
    ) in box


@settings(max_examples=100, deadline=None)
@given(octets=st.binary(max_size=150), link_type=st.sampled_from([1, 101, 113, 276]), language=st.sampled_from("ez"))
def test_boxes_keep_their_shape(octets: bytes, link_type: int, language: str) -> None:
    """Whatever the octets are: every wall stands on a whole bit, and no row is wider than 32 of them."""
    view = view_of(octets, link_type, language="zh" if language == "z" else "en")
    for line in drawn(HeaderBox, view).splitlines():
        if line.startswith((" |", " +", " /")):
            assert cell_len(line) <= 66
            assert cell_len(line) % 2 == 0
        if line.startswith(" +"):
            assert RULER.fullmatch(line)
