"""A segment's numbers, worked out before the learner's eyes: the sums of the textbooks, and where they are misread."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from sniffkit.explanations.asked_field import NOT_USED, UNKNOWN
from tests.explanations.reasons import made, reason, told


def segment(flags: str, data: bytes = b"", **fields: Any) -> Any:
    ports = {"sport": 50000, "dport": 80} | fields
    return IP(src="10.0.0.2", dst="10.0.0.1") / TCP(flags=flags, **ports) / data


# Sequence numbers


def test_data_takes_as_many_numbers_as_it_has_octets() -> None:
    """301 + 100 octets: the next segment begins at 401."""
    sentence = told("tcp.seq_raw", segment("PA", bytes(100), seq=301))
    assert "301 + 100" in sentence
    assert "= 401" in sentence
    assert "octets 301 to 400" in sentence


def test_a_syn_takes_one_number() -> None:
    sentence = told("tcp.seq_raw", segment("S", seq=1000))
    assert "1000 + 1 = 1001" in sentence
    assert "counts as one" in sentence


def test_a_syn_may_carry_data() -> None:
    sentence = told("tcp.seq_raw", segment("S", b"GET /", seq=1000))
    assert "1000 + 1 + 5 (octets of data) = 1006" in sentence
    assert "RFC 9293 section 3.5 allows it" in sentence


def test_a_bare_ack_takes_no_number() -> None:
    assert "begins at 401 again" in told("tcp.seq_raw", segment("A", seq=401))


def test_a_fin_takes_one_number_after_the_data() -> None:
    assert "acknowledged with 402" in told("tcp.seq_raw", segment("FA", seq=401))
    assert "401 + 100 (octets of data) = 501, the number of the FIN" in told(
        "tcp.seq_raw", segment("FA", bytes(100), seq=401)
    )


def test_numbers_begin_again_after_the_largest() -> None:
    assert "begins at 4" in told("tcp.seq_raw", segment("A", bytes(10), seq=2**32 - 6))
    assert reason("tcp.seq_raw", segment("A", bytes(6), seq=2**32 - 6)).key == "reason.tcp.seq.data"  # type: ignore[union-attr]


def test_a_keep_alive_is_one_behind_on_purpose() -> None:
    assert "400 is one less than the next number (401)" in told(
        "tcp.seq_raw", segment("A", seq=400), marks=("keep_alive",)
    )


def test_the_same_octets_again() -> None:
    sentence = told("tcp.seq_raw", segment("A", bytes(100), seq=301), marks=("retransmission",))
    assert "301 to 400 were sent before" in sentence


def test_one_octet_is_not_octets() -> None:
    assert "octet 301 alone" in told("tcp.seq_raw", segment("PA", b"x", seq=301))


# Acknowledgment numbers


def test_an_ack_names_the_next_octet_wanted() -> None:
    """501 + 200 octets: ack 701, and 700 is the last one that arrived: nobody is off by one."""
    sentence = told("tcp.ack_raw", segment("A", ack=701), ack_advance=200)
    assert "501 + 200 = 701" in sentence
    assert "up to 700 has arrived" in sentence


def test_an_ack_says_which_packet_it_answers() -> None:
    sentence = told("tcp.ack_raw", segment("A", ack=701), ack_advance=200, acked_packet=7, acked_rtt_ns=20_100_000)
    assert "packet 7" in sentence
    assert "20.1 ms" in sentence


def test_the_advance_follows_from_the_ack_before() -> None:
    assert "501 + 200 = 701" in told("tcp.ack_raw", segment("A", ack=701), relative_ack=201, ack_previous=1)


def test_the_ack_of_the_first_syn_means_nothing() -> None:
    assert "not valid: ACK is 0" in told("tcp.ack_raw", segment("S", ack=0))


def test_a_syn_is_acknowledged_with_the_number_after_it() -> None:
    assert "300 + 1 = 301" in told("tcp.ack_raw", segment("SA", ack=301))
    assert "both initial numbers are confirmed" in told("tcp.ack_raw", segment("A", ack=301), steps=("handshake.ack",))


def test_data_on_a_syn_is_acknowledged_with_it() -> None:
    assert "= 306" in told("tcp.ack_raw", segment("SA", ack=306), ack_advance=6)


@pytest.mark.parametrize("step", ["teardown.ack-1", "teardown.ack-2"])
def test_a_fin_is_acknowledged_with_the_number_after_it(step: str) -> None:
    assert "400 + 1 = 401" in told("tcp.ack_raw", segment("A", ack=401), steps=(step,))


def test_nothing_new_is_acknowledged() -> None:
    assert "still waits for 401" in told("tcp.ack_raw", segment("A", ack=401), ack_advance=0)
    duplicate = told("tcp.ack_raw", segment("A", ack=401), ack_advance=0, marks=("duplicate_ack",))
    assert "401 is still missing" in duplicate


def test_without_facts_only_the_segment_itself_speaks() -> None:
    assert "up to 400 has arrived" in told("tcp.ack_raw", segment("A", ack=401))


# Header length


def test_the_header_length_counts_words_of_four_octets() -> None:
    """8 × 4 = 32 = 20 + 12 of options."""
    timestamps = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
    sentence = told("tcp.hdr_len", segment("A", options=timestamps))
    assert sentence == "8 × 4 = 32 octets = 20 + 12 of options."
    assert told("tcp.hdr_len", segment("A")) == "5 × 4 = 20 octets: no options."


def test_the_length_of_the_data_is_what_both_headers_leave() -> None:
    assert told("tcp.len", segment("A", bytes(100))) == (
        "140 (IP total length) - 20 (IP header) - 20 (TCP header) = 100."
    )


# Window


def test_a_window_is_scaled_by_its_senders_own_shift() -> None:
    sentence = told("tcp.window_size_value", segment("A", window=502, ack=701), window_scale=7, relative_ack=201)
    assert "502 on the wire × 128 = 64256" in sentence
    assert "the sender of this segment can still take" in sentence
    assert "counted from its acknowledgment number 201" in sentence


def test_a_window_without_its_syn_has_no_scale() -> None:
    assert "Scale unknown: the SYN was not captured" in told(
        "tcp.window_size_value", segment("A", window=502), window_scale=UNKNOWN
    )


def test_a_window_is_not_scaled_unless_both_agreed() -> None:
    assert "Not scaled" in told("tcp.window_size_value", segment("A", window=502), window_scale=NOT_USED)


def test_a_window_in_a_syn_is_never_scaled() -> None:
    sentence = told("tcp.window_size_value", segment("S", window=64240, options=[("WScale", 7)]), window_scale=7)
    assert "64240 octets. A window in a SYN is never scaled" in sentence
    assert "× 128" in sentence


def test_windows_that_accept_nothing() -> None:
    assert "buffer of this end is full" in told("tcp.window_size_value", segment("A", window=0))
    assert "Without meaning" in told("tcp.window_size_value", segment("R", window=512))


# Flags


def test_flags_are_read_out() -> None:
    assert told("tcp.flags", segment("SA")) == "Set here: SYN, ACK."
    assert "No flag is set" in told("tcp.flags", segment(""))
    assert "makes no sense" in told("tcp.flags", segment("SF"))


def test_a_syn_asks_or_agrees() -> None:
    assert "a request" in told("tcp.flags.syn", segment("S"))
    assert "agreement" in told("tcp.flags.syn", segment("SA"))
    assert reason("tcp.flags.syn", segment("A")) is None


@pytest.mark.parametrize(
    ("flags", "facts", "cause"),
    [
        ("RA", {"phase": "refused", "sender": "server"}, "nothing listens on this port"),
        ("R", {"sender": "client", "client": ("SYN-SENT", "CLOSED")}, "old duplicate SYN"),
        ("RA", {"sender": "server", "server": ("ESTABLISHED", "CLOSED")}, "an abort"),
        ("R", {"sender": "server", "server": ("ESTABLISHED", "CLOSED")}, "knows no such connection"),
    ],
    ids=["refused", "old duplicate", "abort", "half-open peer"],
)
def test_a_reset_has_four_causes(flags: str, facts: dict[str, Any], cause: str) -> None:
    assert cause in told("tcp.flags.reset", segment(flags), **facts)


def test_either_end_may_close_first() -> None:
    assert "closes first" in told("tcp.flags.fin", segment("FA"), steps=("teardown.fin-1",))
    assert "finished too" in told("tcp.flags.fin", segment("FA"), steps=("teardown.ack-1", "teardown.fin-2"))


def test_congestion_flags_negotiate_on_a_syn_and_report_later() -> None:
    assert "offer explicit congestion" in told("tcp.flags.ece", segment("SEC"))
    assert "accepts explicit" in told("tcp.flags.ece", segment("SAE"))
    assert "accurate ECN (RFC 9768)" in told("tcp.flags.ae", segment("SECN"))
    assert "congestion mark" in told("tcp.flags.ece", segment("AE"))


def test_the_urgent_pointer_is_an_offset() -> None:
    assert "301 + 5 = 306" in told("tcp.urgent_pointer", segment("UA", b"12345", seq=301, urgptr=5))
    assert "URG is 0" in told("tcp.urgent_pointer", segment("A"))


# Options


def test_a_segment_and_both_headers_fill_the_links_mtu() -> None:
    four, six = segment("S", options=[("MSS", 1460)]), TCP(flags="S", options=[("MSS", 1440)])
    assert told("tcp.options.mss_val", four) == ("1460 + 20 (TCP header) + 20 (IP header) = 1500, the MTU of Ethernet.")
    assert "1440 + 20 (TCP header) + 40 (IP header) = 1500" in told("tcp.options.mss_val", IPv6() / six)


def test_the_shift_is_a_power_of_two() -> None:
    assert "= 128" in told("tcp.options.wscale.shift", segment("S", options=[("WScale", 7)]))
    assert "more than the 14 allowed" in told("tcp.options.wscale.shift", segment("S", options=[("WScale", 15)]))


def test_a_sack_block_says_what_arrived_and_what_is_missing() -> None:
    blocks = segment("A", ack=1000, options=[("NOP", None), ("NOP", None), ("SAck", (1500, 2000))])
    sentence = told("tcp.options.sack_le", blocks, relative_ack=101)
    assert "601 to 1100 have arrived (size 500" in sentence
    assert "between 101 and 600 is still missing" in sentence


def test_each_sack_block_is_told_by_itself() -> None:
    from sniffkit.explanations.field_reasons import field_reason

    packet = made(segment("A", ack=1000, options=[("SAck", (900, 1000, 1500, 2000))]))
    layer = packet.layer("tcp")
    assert layer is not None
    left_edges = [value for value in layer.fields if value.id == "tcp.options.sack_le"]
    keys = [field_reason(value.id, packet, layer=layer, field=value) for value in left_edges]
    assert [found.key for found in keys if found] == ["reason.tcp.sack.twice", "reason.tcp.sack"]


def test_a_cookie_is_given_before_it_is_shown() -> None:
    cookie = [("TFO", (0x11223344, 0x55667788))]
    assert "hands out" in told("tcp.options.tfo.cookie", segment("SA", options=cookie))
    assert "shows the cookie" in told("tcp.options.tfo.cookie", segment("S", options=cookie))
