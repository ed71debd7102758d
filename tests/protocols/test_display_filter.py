"""Display filters mean what they mean in Wireshark: the same packets, for each of some 460 filters on 1,300 packets.

What tshark 4.0 answered is kept in tests/expected/display_filter (`make expected` asks it anew); where tshark is
there, a part of the table is asked again.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sniffkit.analysis.tcp import fields as tcp_fields
from sniffkit.commands.filtering import PacketFilter
from sniffkit.errors import UsageError
from sniffkit.protocols.batch_fields import BatchFields
from sniffkit.protocols.columns import Columns
from sniffkit.protocols.display_filter import DisplayFilter
from sniffkit.protocols.frame_fields import FrameFields
from sniffkit.sources import open_capture
from tests.conftest import EXPECTED
from tests.protocols.batches import batch_of
from tests.protocols.filter_table import CORPUS_CAPTURES, SAMPLES, TABLE
from tests.protocols.test_packet import MADE

ROOT = Path(__file__).parent.parent.parent
CORPUS = ROOT.parent / "shared" / "corpus" / "files"

OTHERWISE = {
    ("samples", "tcp.options.timestamp.tsval"): {194, 195},  # tshark reads the first value of an option that is cut
    ("corpus", "dns.resp.type == 1"): {128, 133},  # a DNS message in several TCP segments
}
"""Packets about which we differ, and why."""

ASKED_AGAIN = TABLE[::20]


def one_file(paths: Iterable[Path], merged: Path) -> Path:
    """Write the Ethernet frames of captures behind each other into one."""
    with merged.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
        for path in paths:
            with open_capture(str(path)) as source:
                for batch in source:
                    for row in range(len(batch)):
                        if int(batch.link_type[row]) == 1:
                            octets, time = batch.packet(row), max(int(batch.time_ns[row]), 0)
                            stamp = (time // 10**9, time % 10**9, len(octets), int(batch.length[row]))
                            file.write(struct.pack("<IIII", *stamp) + octets)
    return merged


KEPT = EXPECTED / "display_filter"


@pytest.fixture(scope="session", params=["samples", "corpus"])
def capture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some sample captures, as they were when tshark was asked, and some of the corpus, as one file each."""
    if request.param == "samples":
        kept = KEPT / "samples.pcap"
        if request.config.getoption("--rewrite"):
            KEPT.mkdir(parents=True, exist_ok=True)
            one_file([ROOT / "captures" / name for name in SAMPLES], kept)
        return kept
    if not CORPUS.exists():
        pytest.skip("no corpus in ../shared")
    return one_file([CORPUS / name for name in CORPUS_CAPTURES], tmp_path_factory.mktemp("filters") / "corpus.pcap")


def ours(capture: Path, filter: str) -> list[int]:
    """The numbers of the packets that a filter means."""
    chosen, numbers = PacketFilter(filter), []
    with open_capture(str(capture), batch_octets=100_000) as source:
        chosen.read_from(source)
        for batch in source:
            _, wanted = chosen.feed(batch)
            numbers += (wanted.nonzero()[0] + batch.first).tolist()
    return numbers


def theirs(capture: Path, filter: str) -> list[int]:
    """The same, as tshark has it."""
    command = ["tshark", "-n", "-r", str(capture), "-Y", filter, "-T", "fields", "-e", "frame.number"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()]


def ranges(numbers: list[int]) -> str:
    """``3-9,12`` for 3 to 9 and 12."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in found)


def test_the_table_is_long_enough() -> None:
    assert len(set(TABLE)) == len(TABLE) >= 300


def test_every_filter_means_the_packets_that_it_means_in_wireshark(capture: Path, rewrite: bool) -> None:
    path = KEPT / f"{capture.stem}.tsv"
    if rewrite:
        with ThreadPoolExecutor() as askers:
            answers = list(askers.map(partial(theirs, capture), TABLE))
        lines = [f"{filter}\t{ranges(answer)}\n" for filter, answer in zip(TABLE, answers, strict=True)]
        path.write_text("".join(lines), encoding="utf-8")
    expected = dict(line.split("\t") for line in path.read_text("utf-8").splitlines())
    assert set(expected) == set(TABLE), "`make expected` asks tshark for the filters that are new"
    wrong = []
    for filter in TABLE:
        otherwise = OTHERWISE.get((capture.stem, filter), set())
        found = sorted(set(ours(capture, filter)) | otherwise)
        if ranges(found) != expected[filter]:
            wrong.append(f"{filter}: {ranges(found)}, Wireshark: {expected[filter]}")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_what_is_kept_is_what_tshark_says(capture: Path) -> None:
    path = KEPT / f"{capture.stem}.tsv"
    expected = dict(line.split("\t") for line in path.read_text("utf-8").splitlines())
    assert {filter: ranges(theirs(capture, filter)) for filter in ASKED_AGAIN} == {
        filter: expected[filter] for filter in ASKED_AGAIN
    }


# What only sniffkit knows

HTTP = ROOT / "captures" / "http-exchange.pcapng"


@pytest.mark.parametrize(
    ("filter", "numbers"),
    [
        ("tcp.step == handshake.ack", [9]),
        ("tcp.step in {handshake.syn, handshake.syn-ack}", [7, 8]),
        ("tcp.step", [7, 8, 9, 17, 18, 19, 20]),
        ("tcp.phase == handshake", [7, 8, 9]),
        ('tcp.phase == "teardown"', [17, 18, 19, 20]),
        ("tcp.phase != data && tcp.phase != handshake", [17, 18, 19, 20]),
        ("tcp.state.server == TIME-WAIT", [20]),
        ("tcp.state.server == time-wait", [20]),
        ("tcp.state.client == LAST-ACK || tcp.state.client == CLOSED", [19, 20]),
        ("tcp.state.client == tcp.state.server", [9, 10, 11, 12, 13, 14, 15, 16]),
        ("tcp.sender == server and tcp.flags.fin == 1", [17]),
        ("80 == tcp.srcport and tcp.flags.syn", [8, 11, 12, 15, 17, 20]),
        ("tcp xor tcp.len > 0", [7, 8, 9, 11, 13, 16, 17, 18, 19, 20]),
    ],
)
def test_ours_stand_beside_wiresharks(filter: str, numbers: list[int]) -> None:
    assert ours(HTTP, filter) == numbers


def test_a_filter_reads_the_columns_it_names_and_no_more() -> None:
    columns = Columns(batch_of(MADE))
    fields = BatchFields(columns, FrameFields())
    DisplayFilter("tcp.dstport == 1 && ip.ttl == 3").matching(fields)
    assert set(columns._columns) == {"tcp.dstport"}  # no packet has that port, so the TTL is not asked for
    DisplayFilter("tcp.dstport == 80 && ip.ttl == 64").matching(fields)
    assert set(columns._columns) == {"tcp.dstport", "ip.ttl"}


# Mistakes

MISTAKES = [
    ("tcp.prot == 1", "filter.unknown-field-near", 0),
    ("tcp && foo", "filter.unknown-field", 7),
    ("ip.src == 99999", "filter.no-ipv4", 10),
    ("ip.src == foo", "filter.no-ipv4", 10),
    ("ip.src == 10.0.0.0/33", "filter.no-ipv4", 10),
    ('ip.src == "10.0.0.1"', "filter.no-ipv4", 10),
    ("ipv6.src == 10.0.0.1", "filter.no-ipv6", 12),
    ("tcp.port == http", "filter.name-for-port", 12),
    ("tcp.port == 99999", "filter.too-large", 12),
    ('tcp.port == "80"', "filter.text-for-number", 12),
    ("tcp.port == 1.5", "filter.no-number", 12),
    ("frame.time_delta > soon", "filter.no-seconds", 19),
    ("eth.src == 02:00", "filter.no-mac", 11),
    ("eth.src[0:2] == zz", "filter.no-octets", 16),
    ("tcp.phase == closing", "filter.no-such-value", 13),
    ("tcp.analysis.retransmission == 1", "filter.not-comparable", 0),
    ('tcp.port contains "8"', "filter.not-searchable", 0),
    ("dns.qry.name matches www", "filter.text-expected", 21),
    ('dns.qry.name matches "(a"', "filter.pattern", 21),
    ('frame matches "(?=a)b*"', "filter.pattern", 14),
    ("tcp.port[0:1] == 1", "filter.no-slice", 0),
    ("eth.src[x] == 1", "filter.slice", 8),
    ("ip.src#x == 1.2.3.4", "filter.layer", 7),
    ("dns.qry.name + 1 == 2", "filter.no-arithmetic", 0),
    ("tcp.len / 0 == 1", "filter.division-by-zero", 10),
    ("len(tcp.len) == 1", "filter.no-octets-to-count", 4),
    ("upper(tcp.len) == 1", "filter.not-a-text", 6),
    ("ip.src == eth.src", "filter.kinds-differ", 0),
    ("1 == 1", "filter.no-field", 0),
    ("tcp.port == == 80", "filter.value-expected", 12),
    ("tcp.port ==", "filter.end-value", 11),
    ("(tcp", "filter.end", 4),
    ("tcp)", "filter.operator-expected", 3),
    ("tcp udp", "filter.operator-expected", 4),
    ("tcp port 80", "filter.capture-language", 4),
    ("host 10.0.0.1", "filter.capture-language", 5),
    ("tcp.port = 80", "filter.single-equals", 9),
    ("tcp.port ＝＝ 80", "filter.full-width", 9),
    ("(tcp）", "filter.full-width", 4),
    ('dns.qry.name == "a', "filter.quote-open", 16),
    ("tcp.flags.syn == yes", "filter.no-flag", 17),
    ("tcp.flags.syn==1 & tcp.flags.ack==0", "filter.flag-arithmetic", 19),
    ("tcp.port in {80 443}", "filter.expected", 16),
    ("80", "filter.not-a-test", 0),
    ("tcp ? udp", "filter.character", 4),
    ("'ab' == ip.ttl", "filter.character", 0),
    ("(tcp && udp) == 1", "filter.not-a-value", 1),
    ("(" * 300 + "tcp" + ")" * 300, "filter.too-deep", None),
    ("tcp||" * 3000 + "tcp", "filter.too-long", None),
]


@pytest.mark.parametrize(("filter", "id", "place"), MISTAKES, ids=[filter[:30] for filter, _, _ in MISTAKES])
def test_a_mistake_is_named_with_its_place(filter: str, id: str, place: int | None) -> None:
    with pytest.raises(UsageError) as caught:
        DisplayFilter(filter, tcp_fields.types())
    assert caught.value.id == id
    if place is not None:
        assert (caught.value.values["place"], caught.value.values["value"]) == (place, filter)


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(UsageError) as caught:
        DisplayFilter("tcp.flag.syn == 1")
    assert caught.value.values["near"] == "tcp.flags.syn"


# No filter crashes or hangs

WORDS = [
    "tcp", "ip.src", "tcp.port", "eth.src", "frame.len", "dns.qry.name", "tcp.payload", "tcp.analysis.retransmission",
    "ip.addr", "ipv6.src", "tcp.phase", "==", "!=", "===", "!==", ">", "<", "<=", "&&", "||", "!", "and", "or", "not",
    "xor", "in", "contains", "matches", "any", "all", "(", ")", "{", "}", "[", "]", "[0:3]", "[-1]", ",", "..", "#2",
    "&", "+", "-", "*", "/", "%", "1", "0x10", "010", "1.5", "10.0.0.1", "10.0.0.0/8", "02:00:00:00:00:01", "fe80::1",
    "teardown", "TIME-WAIT", '"abc"', '"(a+)+$"', 'r"\\d"', "'x'", "True", "len(", "count(", "-1", "99999999999999",
]  # fmt: skip


@cache
def packets() -> BatchFields:
    columns = Columns(batch_of(MADE))
    given = tcp_fields.TcpFields(tcp_fields.types()).feed(columns)
    frames = FrameFields()
    frames.feed(columns.batch)
    return BatchFields(columns, frames, given)


def try_out(filter: str) -> None:
    place = 0
    try:
        chosen = DisplayFilter(filter, tcp_fields.types())
    except UsageError as error:
        place = int(str(error.values.get("place", 0)))
        return
    finally:
        assert 0 <= place <= len(filter)
    assert chosen.matching(packets()).shape == (len(MADE),)


@settings(max_examples=500, deadline=2000)
@given(st.lists(st.sampled_from(WORDS), max_size=12))
@example(["all", "tcp.port", "in", "{", "-1", "..", "99999", "}"])
def test_any_words_in_any_order_are_a_filter_or_a_mistake(words: list[str]) -> None:
    try_out(" ".join(words))
    try_out("".join(words))


@settings(max_examples=300, deadline=2000)
@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_mistake(text: str) -> None:
    try_out(text)
    try_out(f"ip.src == {text}")
    try_out(f'frame matches "{text}"')


OPERANDS = ["tcp.srcport", "ip.ttl", "ip.src", "eth.dst", "tcp.len", "frame.number", "ipv6.dst", "tcp.window_size"]
VALUES = ["80", "64", "10.0.0.0/8", "ff:ff:ff:ff:ff:ff", "0", "ff02::1", "tcp.dstport", "ip.dst", "-5"]


def comparisons() -> st.SearchStrategy[str]:
    parts = st.tuples(
        st.sampled_from(["", "any ", "all "]), st.sampled_from(OPERANDS),
        st.sampled_from(["==", "!=", "<", ">=", "===", "!=="]), st.sampled_from(VALUES),
    )  # fmt: skip
    return parts.map(lambda four: f"{four[0]}{four[1]} {four[2]} {four[3]}")


@settings(max_examples=300, deadline=2000)
@given(comparisons(), comparisons())
def test_logic_is_logic(one: str, other: str) -> None:
    """De Morgan's laws hold for every pair of comparisons that can be made at all."""
    read: Callable[[str], list[bool]] = lambda text: DisplayFilter(text).matching(packets()).tolist()  # noqa: E731
    try:
        left, right = read(one), read(other)
    except UsageError:
        return
    assert read(f"({one}) && ({other})") == [a and b for a, b in zip(left, right, strict=True)]
    assert read(f"!(!({one}) || !({other}))") == read(f"{one} and {other}")
    assert read(f"{one} xor {other}") == [a != b for a, b in zip(left, right, strict=True)]
