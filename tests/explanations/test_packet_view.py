"""Field by field: every field is found in the octets, said in the reader's language, and explained from its packet."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffkit.explanations.packet_view import PacketView
from tests.explanations.packets import field, view_of, views


def has(view: PacketView, id: str) -> bool:
    """Return whether a packet has a field."""
    return any(field.id == id for layer in view.layers for field in layer.fields)


def test_a_field_is_named_placed_and_explained() -> None:
    port = field(views("handshake-close-4.pcap")[3], "tcp.dstport")
    assert (port.name, port.value, port.place, port.bits) == ("Destination port", "80", "octets 36–37", "")
    assert port.what.startswith("Says which socket of the receiving host")
    assert "HTTP" in port.why


def test_a_field_smaller_than_its_octets_shows_its_bits() -> None:
    packet = views("handshake-close-4.pcap")[0]
    assert (field(packet, "ip.version").bits, field(packet, "ip.version").place) == (
        "0100 ....",
        "bits 0–3 of octet 14",
    )
    assert (field(packet, "tcp.hdr_len").bits, field(packet, "tcp.hdr_len").value) == ("1010 ....", "40")
    assert field(packet, "tcp.flags.syn").bits == ".... ..1."
    assert field(packet, "ip.frag_offset").bits == "...0 0000 0000 0000"
    assert field(packet, "ip.frag_offset").place == "bits 3–15 of octets 20–21"


def test_flags_stand_under_their_parent_and_share_its_mark() -> None:
    fields = next(layer for layer in views("handshake-close-4.pcap")[0].layers if layer.protocol == "tcp").fields
    place = [each.id for each in fields].index("tcp.flags")
    parent, flags = fields[place], fields[place + 1 : place + 11]
    assert (parent.place, parent.depth, parent.parent) == ("bits 4–15 of octets 46–47", 0, True)
    assert {flag.mark for flag in flags} == {parent.mark}
    assert {flag.depth for flag in flags} == {1}
    assert fields[place + 11].id == "tcp.window_size_value"
    assert fields[place + 11].depth == 0


def test_options_stand_under_their_parent_with_marks_of_their_own() -> None:
    fields = next(layer for layer in views("handshake-close-4.pcap")[0].layers if layer.protocol == "tcp").fields
    within = [each for each in fields if each.depth == 1 and each.id.startswith("tcp.option")]
    assert field(views("handshake-close-4.pcap")[0], "tcp.options").value == "20 octets"
    assert len({each.mark for each in within if each.width}) == len([each for each in within if each.width])
    assert next(each for each in fields if each.id == "tcp.len").depth == 0


def test_marks_are_unique_as_long_as_letters_last() -> None:
    for packet in views("handshake-close-4.pcap"):
        marks = Counter(
            each.mark for layer in packet.layers for each in layer.fields if each.mark and not each.shares_mark
        )
        assert max(marks.values()) == 1


def test_raw_and_relative_numbers_stand_side_by_side() -> None:
    data = views("handshake-close-4.pcap")[3]
    assert field(data, "tcp.seq_raw").value == "3586564983"
    assert field(data, "tcp.seq_raw").aside == "relative (tcp.seq) 1"
    assert "1 + 41" in field(data, "tcp.seq_raw").why
    assert field(data, "tcp.nxtseq").value == "42"
    assert field(data, "tcp.nxtseq").place == "worked out, not sent"


def test_the_ack_of_the_first_syn_is_there_but_not_valid() -> None:
    ack = field(views("handshake-close-4.pcap")[0], "tcp.ack_raw")
    assert (ack.value, ack.aside) == ("0", "not valid without ACK")


def test_the_window_is_scaled_where_the_scale_is_known() -> None:
    assert field(views("handshake-close-4.pcap")[3], "tcp.window_size_value").aside == (
        "scaled (tcp.window_size) 64256"
    )
    assert field(views("handshake-close-4.pcap")[0], "tcp.window_size_value").aside == ""  # never in a SYN
    unknown = field(views("midstream.pcap")[0], "tcp.window_size_value")
    assert unknown.aside == "scale unknown, the SYN was not captured"


def test_what_follows_from_the_packets_before_stands_with_the_segment() -> None:
    first, again = views("timeout-retransmission.pcap")[3:5]
    assert field(first, "tcp.analysis.bytes_in_flight").value == "18"
    assert not has(first, "tcp.analysis.retransmission")
    assert field(again, "tcp.analysis.retransmission").what.startswith("Octets that were sent before")
    assert field(again, "tcp.analysis.rto").value == "0.225725201"
    assert field(again, "tcp.analysis.initial_rtt").value == "0.020921050"
    full = next(view for view in views("zero-window.pcap") if has(view, "tcp.analysis.window_full"))
    octets = field(full, "tcp.analysis.bytes_in_flight").value
    assert any(f"window of {octets} octets" in note.text for note in full.lesson.notes)


def test_a_packet_captured_twice_is_no_retransmission() -> None:
    every = views("captured-twice.pcap")
    twice = [view for view in every if any(note.id == "tcp.captured-twice" for note in view.lesson.notes)]
    assert twice
    assert not any(has(view, "tcp.analysis.retransmission") for view in twice)


def test_checksums_are_computed_again() -> None:
    good = views("handshake-close-4.pcap")[3]
    assert "fits" in field(good, "ip.checksum").why
    assert "fits" in field(good, "tcp.checksum").why
    octets = bytearray(good.octets)
    octets[50] ^= 0xFF
    wrong = field(view_of(bytes(octets)), "tcp.checksum")
    assert "0xc9f5" in wrong.why  # what it should be


def test_a_checksum_left_to_the_card_is_no_error() -> None:
    offloaded = field(views("offload.pcap")[3], "tcp.checksum")
    assert "offload" in offloaded.why
    assert "Does not fit" not in offloaded.why


def test_a_checksum_over_octets_that_are_missing_cannot_be_checked() -> None:
    cut = field(views("snap-length.pcap")[3], "tcp.checksum")
    assert cut.why.startswith("Cannot be checked")


def test_a_length_of_0_is_explained_once() -> None:
    octets = bytearray(views("handshake-close-4.pcap")[3].octets)
    octets[16:18] = b"\0\0"
    packet = view_of(bytes(octets))
    assert "segmentation offload" in field(packet, "ip.len").why
    ip = next(layer for layer in packet.layers if layer.protocol == "ip")
    assert "ip.length-zero" not in [note.id for note in ip.notes]


def test_what_is_odd_is_told_in_its_layer() -> None:
    octets = views("handshake-close-4.pcap")[0].octets[:40]
    tcp = next(layer for layer in view_of(octets, length=74).layers if layer.protocol == "tcp")
    assert [note.id for note in tcp.notes] == ["tcp.header-cut"]
    assert tcp.notes[0].text.startswith("The TCP header should have 20 octets; only 6 of them are here.")
    assert tcp.notes[0].level == "note"  # the snap length cut it, nobody lied
    assert tcp.fields[-1].value == "cut: 16 bits of it were captured"


def test_what_is_odd_is_told_in_one_place() -> None:
    for view in views("snap-length.pcap"):
        texts = [note.text for note in (*view.lesson.notes, *(note for layer in view.layers for note in layer.notes))]
        assert len(texts) == len(set(texts))


def test_what_was_not_captured_is_counted() -> None:
    first, second, *_ = views("snap-length.pcap")
    assert first.missing == ""  # its lesson says so already
    assert second.missing == "6 octets of the packet were not captured"


def test_a_quoted_packet_is_called_quoted() -> None:
    names = [(layer.protocol, layer.what) for layer in views("udp-closed-port.pcap")[1].layers]
    assert names[3] == ("ip", "quoted: the packet this message is about, not one that was sent here.")


def test_a_vendor_is_known_by_the_address() -> None:
    octets = bytearray(views("handshake-close-4.pcap")[0].octets)
    octets[6:12] = bytes.fromhex("3c22fb112233")
    assert "Apple" in field(view_of(bytes(octets)), "eth.src").why


def test_many_packets_in_a_row_say_what_a_field_is_for_only_once() -> None:
    first, second, *_ = views("handshake-close-4.pcap", once=True)
    assert field(first, "tcp.srcport").what
    assert not field(second, "tcp.srcport").what
    assert field(second, "tcp.srcport").why
    assert field(views("handshake-close-4.pcap", full=True)[1], "tcp.flags.urg").what


def test_both_languages_have_the_same_fields() -> None:
    for name in ("handshake-close-4.pcap", "dns-lookup.pcap", "ipv6-neighbour-discovery.pcapng", "vlan.pcap"):
        for english, chinese in zip(views(name), views(name, "zh"), strict=True):
            for one, other in zip(english.layers, chinese.layers, strict=True):
                shapes = [
                    [(each.mark, each.id, each.start, each.width, bool(each.why)) for each in layer.fields]
                    for layer in (one, other)
                ]
                assert shapes[0] == shapes[1]
                told = [(each.what, each.why, each.aside, each.place) for each in (*one.fields, *other.fields)]
                assert "{" not in str(told)


@pytest.mark.parametrize("language", ["en", "zh"])
@settings(max_examples=150, deadline=None)
@given(
    octets=st.binary(max_size=200), link_type=st.sampled_from([0, 1, 101, 113, 276, 9999]), more=st.integers(0, 3000)
)
def test_any_octets_have_a_view(language: str, octets: bytes, link_type: int, more: int) -> None:
    packet = view_of(octets, link_type, len(octets) + more, "zh" if language == "zh" else "en")
    for layer in packet.layers:
        for each in layer.fields:
            assert each.start + each.width <= 8 * max(len(octets), 1) or not each.width


HEADERS = st.sampled_from(
    [views("handshake-close-4.pcap")[0].octets, views("dns-lookup.pcap")[1].octets, views("vlan.pcap")[0].octets]
)


@settings(max_examples=200, deadline=None)
@given(
    octets=HEADERS, changes=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=4), cut=st.integers(0)
)
def test_damaged_packets_have_a_view(octets: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(octets)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    view_of(bytes(damaged[: cut % (len(damaged) + 1)]), length=len(damaged))
