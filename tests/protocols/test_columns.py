"""A batch at once: the columns say what the packet view says, and what tshark says of 1,540 captures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, GRE, Dot1Q, Ether
from scapy.packet import Raw

from sniffkit.errors import SniffkitError
from sniffkit.protocols import REGISTER
from sniffkit.protocols.checksum import BAD, GOOD, UNKNOWN
from sniffkit.protocols.checksums import checksum_good
from sniffkit.protocols.columns import PROTOCOLS, Columns, protocol_of
from sniffkit.protocols.header import Form
from sniffkit.protocols.packet import read_packet
from sniffkit.sources.batch import Batch, Heads
from tests.protocols.batches import batch_of
from tests.protocols.reference import CORPUS, DENSE, FRAME, SPARSE, captures, ours, printed, theirs
from tests.protocols.test_packet import ETHER, MADE, V4, V6

COMPARED = {
    protocol.name: [
        field.id
        for field in protocol.header.fields
        if not (field.form is Form.OCTETS or field.id in protocol.derived or field.id == "vxlan.flags_reserved")
    ]
    for protocol in REGISTER
    if protocol.name not in ("sll", "sll2", "llc", "eth", "vlan", "gre", "erspan3", "dns", "null")
}
"""Fields whose text the packet view gives under the same name whatever their value."""


def differences(batch: Batch) -> list[str]:
    """Where columns and packet view differ, header by header."""
    columns = Columns(batch)
    packets = [
        read_packet(batch.packet(row), int(batch.link_type[row]), int(batch.length[row])) for row in range(len(batch))
    ]
    found = []
    for name, fields in COMPARED.items():
        rows = columns.rows(name)
        table = {field: printed(field, columns[field]) for field in fields}
        for index in range(len(rows)):
            row = int(rows.row[index])
            at = int(rows.offset[index] - batch.offset[row])
            layer = next((one for one in packets[row].layers if one.protocol == name and one.offset == at), None)
            if layer is None:
                found.append(f"{name} of packet {row} at {at} only in columns")
                continue
            for field in fields:
                value = layer.first(field)
                if value is None or value.text != table[field][index]:
                    found.append(f"{field} of packet {row}: {table[field][index]}, not {value}")
    return found


def test_columns_and_packet_view_agree_on_packets_of_every_kind() -> None:
    batch = batch_of(MADE)
    assert differences(batch) == []
    assert {name for name in COMPARED if len(Columns(batch).rows(name))} >= {
        "arp", "ip", "ipv6", "tcp", "udp", "icmp", "icmpv6", "mpls", "vxlan", "ipv6.hopopts", "ipv6.routing",
    }  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(MADE),
            st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255)), max_size=4),
            st.integers(1, 200),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_columns_and_packet_view_agree_on_packets_that_lie(
    made: list[tuple[bytes, list[tuple[int, int]], int]],
) -> None:
    packets, lengths = [], []
    for raw, lies, keep in made:
        octets = bytearray(raw)
        for place, value in lies:
            octets[place % len(octets)] = value
        packets.append(bytes(octets[:keep]))
        lengths.append(len(raw))
    assert differences(batch_of(packets, 1, lengths)) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=120), min_size=1, max_size=6), st.sampled_from([0, 1, 9, 50, 101, 104, 113, 276, 7]))
def test_any_octets_on_any_link_have_columns(packets: list[bytes], link: int) -> None:
    batch = batch_of(packets, link)
    assert differences(batch) == []
    for protocol in REGISTER:
        assert len(Columns(batch).rows(protocol.name)) >= 0


def test_a_packet_may_hold_a_protocol_twice_outermost_first() -> None:
    tunnel = bytes(ETHER / V4 / GRE() / IP(src="10.0.0.1", dst="10.0.0.2", ttl=9) / UDP())
    plain = bytes(ETHER / IP(src="10.0.0.3", dst="10.0.0.4", ttl=7) / TCP())
    columns = Columns(batch_of([tunnel, plain]))
    rows = columns.rows("ip")
    assert rows.row.tolist() == [0, 0, 1]
    assert columns["ip.ttl"].tolist() == [64, 9, 7]
    udp, tcp = columns.rows("udp"), columns.rows("tcp")
    assert (udp.parent_index.tolist(), tcp.parent_index.tolist()) == ([1], [2])
    assert PROTOCOLS[int(udp.parent[0])] == "ip"
    inner = int(rows.parent_index[1])
    assert PROTOCOLS[int(rows.parent[1])] == "gre"
    assert int(columns.rows("gre").row[inner]) == 0


def test_what_an_icmp_error_quotes_is_marked() -> None:
    error = bytes(ETHER / V4 / ICMP(type=11) / IP(len=100, src="10.0.0.1") / TCP(seq=7))
    columns = Columns(batch_of([error, bytes(ETHER / V4 / TCP(seq=8) / b"abc")]))
    assert columns.rows("ip").quoted.tolist() == [False, True, False]
    assert columns.rows("tcp").quoted.tolist() == [True, False]
    assert columns["tcp.len"].tolist() == [-1, 3]
    assert checksum_good(columns, "tcp").tolist() == [UNKNOWN, GOOD]


def test_fragments_have_no_transport_rows_unless_they_cannot_be_put_together() -> None:
    first = bytes(ETHER / IP(flags="MF", id=5) / UDP() / Raw(b"x" * 16))
    later = bytes(ETHER / IP(frag=3, id=5, proto=17) / Raw(b"x" * 16))
    columns = Columns(batch_of([first, later]))
    assert (len(columns.rows("ip")), len(columns.rows("udp"))) == (2, 0)
    columns = Columns(batch_of([first[:50]], 1, [len(first)]))
    assert columns.rows("udp").quoted.tolist() == [True]


def test_a_cut_header_has_no_row() -> None:
    raw = bytes(ETHER / V4 / TCP())
    columns = Columns(batch_of([raw[:53], raw[:54]], 1, [54, 54]))
    assert columns.rows("ip").row.tolist() == [0, 1]
    assert columns.rows("tcp").row.tolist() == [1]


def test_padding_does_not_count_and_a_length_of_zero_means_all() -> None:
    padded = bytes(ETHER / V4 / TCP()).ljust(60, b"\0")
    offload = bytes(ETHER / IP(len=0) / TCP() / Raw(b"x" * 3000))
    columns = Columns(batch_of([padded, offload]))
    assert columns["tcp.len"].tolist() == [0, 3000]
    assert columns.rows("tcp").length.tolist() == [20, 3020]


def test_options_are_found_in_all_headers_at_once() -> None:
    syn = [("MSS", 1460), ("NOP", None), ("WScale", 7), ("SAckOK", b""), ("Timestamp", (11, 12))]
    packets = [
        bytes(ETHER / V4 / TCP(options=syn)),
        bytes(ETHER / V4 / TCP()),
        bytes(ETHER / V4 / TCP(options=[("SAck", (1, 2, 3, 4)), ("Timestamp", (13, 14))])),
    ]
    columns = Columns(batch_of(packets))
    index, values = columns.sparse("tcp.options.mss_val")
    assert (index.tolist(), values.tolist()) == ([0], [1460])
    index, values = columns.sparse("tcp.options.timestamp.tsval")
    assert (index.tolist(), values.tolist()) == ([0, 2], [11, 13])
    index, values = columns.sparse("tcp.options.sack_re")
    assert (index.tolist(), values.tolist()) == ([2, 2], [2, 4])


def test_headers_far_behind_a_packets_first_octets_are_read_like_near_ones() -> None:
    """The first octets of all packets are copied side by side; what stands behind them is read in its place."""
    segment = TCP(sport=1, dport=2, options=[("NOP", None), ("NOP", None), ("Timestamp", (7, 8))])
    packets = []
    for tags in range(20):
        frame = ETHER
        for tag in range(tags):
            frame /= Dot1Q(vlan=tag)
        packets.append(bytes(frame / V4 / segment))
    assert differences(batch_of(packets)) == []
    for some in (packets, *([packet] for packet in packets)):
        index, values = Columns(batch_of(some)).sparse("tcp.options.timestamp.tsval")
        assert index.tolist() == list(range(len(some)))
        assert set(values.tolist()) == {7}


def test_headers_are_the_same_wherever_they_stand_in_their_packets() -> None:
    """Where all stand at the same place they are taken from there; else each one is looked for."""
    far = ETHER / Dot1Q(vlan=1) / V4 / TCP(sport=1, dport=2, seq=3)
    near, other = ETHER / V4 / TCP(sport=4, dport=5, seq=6), ETHER / ARP()
    longer = ETHER / IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_NOP()] * 4) / TCP(sport=7, dport=8, seq=9)
    for some in ([near] * 3, [near, other, near], [near, far], [near, longer, other, far], [longer] * 2):
        whole = batch_of([bytes(packet) for packet in some])
        assert differences(whole) == []
        ahead = Heads.gather(np.concatenate((np.zeros(16, np.uint8), whole.octets)), whole.offset + 16, 16)
        given = Columns(replace(whole, heads=replace(ahead, offset=whole.offset)))  # as a reader of files gives them
        for field in ("tcp.srcport", "tcp.seq_raw", "ip.src"):
            assert given[field].tolist() == Columns(whole)[field].tolist()


def test_which_headers_have_an_option_is_known_without_reading_it() -> None:
    usual = bytes(ETHER / V4 / TCP(options=[("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]))
    syn = bytes(ETHER / V4 / TCP(flags="S", options=[("MSS", 1460), ("Timestamp", (9, 0))]))
    bare = bytes(ETHER / V4 / TCP())
    columns = Columns(batch_of([bare, syn, usual, bare, usual, syn]))
    assert columns.having("tcp.options.timestamp.tsval").tolist() == [1, 2, 4, 5]
    assert columns.having("tcp.options.mss_val").tolist() == [1, 5]


@pytest.mark.parametrize(("shape", "found"), [
    ("0101080a 00000007 00000008", [7]),  # as nearly every segment has it
    ("080a0000 00070000 00080101", [7]),
    ("0101080b 00000007 00000008", []),   # one octet longer than there is room for
    ("01010809 00000007 00000008", []),
    ("010103f4 00000007 00000008", []),
    ("01000000 080a0000 00070000", []),   # behind the end of the list
])  # fmt: skip
def test_an_option_that_fills_its_header_is_one_like_any_other(shape: str, found: list[int]) -> None:
    options = bytes.fromhex(shape)
    usual = bytes(ETHER / V4 / TCP(dataofs=8) / Raw(options))
    syn = bytes(ETHER / V4 / TCP(flags="S", options=[("MSS", 1460), ("Timestamp", (9, 0))]))
    index, values = Columns(batch_of([usual, syn, usual])).sparse("tcp.options.timestamp.tsval")
    assert values.tolist() == [*found, 9, *found]
    assert index.tolist() == ([0, 1, 2] if found else [1])


def test_fields_that_only_some_messages_have_are_sparse() -> None:
    packets = [
        bytes(ETHER / V4 / ICMP(type=3, code=4, nexthopmtu=1400) / IP() / UDP()),
        bytes(ETHER / V4 / ICMP(id=3, seq=4)),
        bytes(ETHER / V4 / ICMP(type=3, code=1) / IP() / UDP()),
    ]
    columns = Columns(batch_of(packets))
    assert [part.tolist() for part in columns.sparse("icmp.mtu")] == [[0], [1400]]
    assert [part.tolist() for part in columns.sparse("icmp.seq")] == [[1], [4]]
    with pytest.raises(KeyError):
        columns["icmp.seq"]
    with pytest.raises(KeyError):
        columns.sparse("no.such")


def test_checksums_of_all_packets_are_those_of_each() -> None:
    packets = [
        bytes(ETHER / V4 / TCP() / b"odd"),
        bytes(ETHER / V4 / TCP(chksum=1) / b"even"),
        bytes(ETHER / V6 / TCP() / b"x"),
        bytes(ETHER / Dot1Q(vlan=1) / V4 / TCP())[:-1],
    ]
    columns = Columns(batch_of(packets, 1, [len(packet) for packet in packets[:3]] + [len(packets[3]) + 1]))
    assert checksum_good(columns, "tcp").tolist() == [GOOD, BAD, GOOD]
    assert checksum_good(columns, "ip").tolist() == [GOOD] * 3
    udp = [
        bytes(ETHER / V4 / UDP(chksum=0) / b"x"), bytes(ETHER / V4 / UDP() / b"x"),
        bytes(ETHER / V6 / UDP(chksum=9) / b"x"), bytes(ETHER / V4 / UDP() / b"long")[:-1],
    ]  # fmt: skip
    columns = Columns(batch_of(udp, 1, [len(packet) for packet in udp[:3]] + [len(udp[3]) + 1]))
    assert checksum_good(columns, "udp").tolist() == [UNKNOWN, GOOD, BAD, UNKNOWN]


def test_an_empty_batch_has_empty_columns() -> None:
    columns = Columns(batch_of([]))
    for field in (*FRAME, *DENSE):
        assert len(columns[field]) == 0
    assert len(columns.sparse("tcp.options.mss_val")[0]) == 0
    assert len(checksum_good(columns, "tcp")) == 0


def test_frame_fields_count_over_the_whole_capture() -> None:
    batch = batch_of([bytes(Ether())] * 3)
    later = Batch(batch.octets, batch.offset, batch.captured, batch.length, batch.time_ns, batch.link_type,
                  batch.interface, first=100)  # fmt: skip
    assert Columns(later)["frame.number"].tolist() == [100, 101, 102]
    assert protocol_of("frame.len") == "frame"
    assert protocol_of("no.such") is None


MOST = 300
"""Packets compared of each capture: every kind of packet is met early, and the test stays short."""


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus in ../shared")
def test_columns_agree_with_tshark_on_the_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    equal: Counter[str] = Counter()
    unequal: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], str] = {}
    fields = [*DENSE, *SPARSE]
    for name, link, path, table in captures():
        wanted = theirs(table, fields, MOST)
        try:
            got = ours(path, fields, MOST)
        except SniffkitError:
            continue  # a format that sources does not read
        compare(name, link, wanted, got, equal, unequal, where)
    share = equal.total() / (equal.total() + unequal.total())
    with capsys.disabled():
        print(f"\n{equal.total():,} values equal to tshark's, {unequal.total():,} not: {share:.4%}")
        for key, count in unequal.most_common(16):
            print(f"  {key[0]:32} {key[1]:14} {count:6}  {where[key]}")
    assert equal.total() > 500_000
    assert share >= 0.995


def compare(
    name: str, link: str, wanted: dict[str, list[str]], got: dict[str, list[str]],
    equal: Counter[str], unequal: Counter[tuple[str, str]], where: dict[tuple[str, str], str],
) -> None:  # fmt: skip
    """Count equal values, and unequal ones by cause and protocol; empty on both sides is not counted."""
    for field, column in wanted.items():
        for number, (want, have) in enumerate(zip(column, got[field], strict=False)):
            if want == have:
                equal[field] += have != ""
            elif field == "ip.version" and want == "6":
                continue  # tshark repeats an IPv6 version under this name, hidden
            else:
                key = (cause(link, {one: got[one][number] for one in got}, want, have), field.split(".")[0])
                unequal[key] += 1
                where.setdefault(key, f"{name} packet {number + 1}: {field} {have or '-'}, tshark {want or '-'}")


def cause(link: str, packet: dict[str, str], want: str, have: str) -> str:
    """Why a value differs, as far as the packet tells."""
    if not set(link.split(",")) <= LINKS_READ:
        return f"link type {link} has no columns"
    if packet["ip.frag_offset"] not in ("", "0") or packet["ipv6.nxt"] == "44":
        return "not put together (issue 4)"
    if have and want:
        return "another value"
    return "only in tshark" if want else "only ours"


LINKS_READ = {str(number) for protocol in REGISTER for number in protocol.carried_in.get("link", ())}


def test_the_reference_is_found_when_the_corpus_is_there() -> None:
    if not CORPUS.exists():
        pytest.skip("no corpus in ../shared")
    assert sum(1 for _ in captures()) > 1000
    assert isinstance(CORPUS, Path)


def test_walking_twice_gives_the_same_rows() -> None:
    batch = batch_of(MADE * 3)
    one, two = Columns(batch), Columns(batch)
    for name in PROTOCOLS:
        for column in ("row", "offset", "present", "length", "quoted", "parent", "parent_index"):
            assert np.array_equal(getattr(one.rows(name), column), getattr(two.rows(name), column))


def test_ipv6_addresses_are_two_halves() -> None:
    columns = Columns(batch_of([bytes(ETHER / IPv6(src="2001:db8::1", dst="::2") / TCP())]))
    assert columns["ipv6.src"].tolist() == [[0x20010DB800000000, 1]]
    assert printed("ipv6.dst", columns["ipv6.dst"]) == ["::2"]
