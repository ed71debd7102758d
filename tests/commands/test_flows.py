"""`sniffkit flows` on the sample captures: the table a person reads, and the records a program reads."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CAPTURES = Path(__file__).parents[2] / "captures"
SAMPLES = sorted(path for path in CAPTURES.iterdir() if path.suffix in (".pcap", ".pcapng") and path.name[0] != ".")

each_sample = pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)


def records(run: Any) -> list[dict[str, Any]]:
    assert (run.code, run.err) == (0, "")
    return [json.loads(line) for line in run.out.splitlines()]


@each_sample
@pytest.mark.parametrize("language", ["en", "zh"])
def test_told_as_reviewed(
    path: Path, language: str, sniffkit: Callable[..., Any], expected: Callable[..., None]
) -> None:
    """The table and the findings on a terminal of 80 cells (`make expected` writes them anew)."""
    table = sniffkit("flows", path, "--lang", language, width=80)
    found = sniffkit("flows", "--findings", path, "--lang", language, width=80)
    assert (table.code, table.err, found.code, found.err) == (0, "", 0, "")
    expected(f"flows/{path.stem}.{language}.txt", f"{table.out}\n{found.out}")


@each_sample
def test_words_of_a_record_agree(path: Path, sniffkit: Callable[..., Any]) -> None:
    """Shapes are held against the contract in test_json_shapes.py; here is what one key says of another."""
    for record in records(sniffkit("flows", "--json", path)):
        assert (record["closed_by"] is None) == (record["closed"] in ("open", None))
        assert record["midstream"] == (record["opened"] == "midstream")
        assert "{" not in record["text"]


def test_the_example_of_the_contract(sniffkit: Callable[..., Any]) -> None:
    """Handshake, request, response, close by the client: every number can be counted in the capture."""
    (record,) = records(sniffkit("flows", "--json", CAPTURES / "handshake-close-4.pcap"))
    client = record["client"]
    assert (record["opened"], record["closed"], record["closed_by"]) == ("handshake", "fin", "client")
    assert (record["conn_state"], record["history"], record["part"]) == ("SF", "ShADadFf", 1)
    assert (client["state"], record["server"]["state"]) == ("TIME-WAIT", "CLOSED")
    assert (client["mss"], client["window_scale"], client["sack_permitted"]) == (1460, 7, True)
    told = [
        json.loads(line)
        for line in sniffkit("explain", "-q", "--json", CAPTURES / "handshake-close-4.pcap").out.splitlines()
    ]
    sent = [packet for packet in told if packet["source"] == client["address"]]
    assert client["packets"] == len(sent)
    assert client["ip_bytes"] == sum(packet["length"] - 14 for packet in sent)
    assert record["start_epoch"] == told[0]["time_epoch"]
    syn, answer, third = (float(packet["time_epoch"]) for packet in told[:3])
    assert record["handshake_rtt_ms"] == pytest.approx((third - syn) * 1e3, abs=1e-3)
    assert record["handshake_server_ms"] == pytest.approx((answer - syn) * 1e3, abs=1e-3)


def test_last_ack_lost(sniffkit: Callable[..., Any]) -> None:
    (record,) = records(sniffkit("flows", "--json", CAPTURES / "fin-again-in-time-wait.pcap"))
    assert record["verdict"][0] == "flows.closed-last-ack-lost"
    assert record["server"]["retransmissions"] == 1


def test_both_languages_judge_alike(sniffkit: Callable[..., Any]) -> None:
    for path in SAMPLES:
        both = [records(sniffkit("flows", "--json", "--lang", language, path)) for language in ("en", "zh")]
        assert [one["verdict"] for one in both[0]] == [other["verdict"] for other in both[1]]
        assert all(one["text"] != other["text"] for one, other in zip(*both, strict=True))


def test_several_files_are_one_capture(sniffkit: Callable[..., Any]) -> None:
    """The same ports again in a later file: another conversation, under the next number."""
    paths = [CAPTURES / name for name in ("handshake-close-4.pcap", "close-3-segment.pcap")]
    several = records(sniffkit("flows", "--json", *paths))
    assert [record["stream"] for record in several] == [0, 1]
    assert several == sorted(several, key=lambda record: float(record["start_epoch"]))


def test_sort_and_top(sniffkit: Callable[..., Any]) -> None:
    paths = [CAPTURES / name for name in ("handshake-close-4.pcap", "zero-window.pcap", "vlan.pcap")]
    every = records(sniffkit("flows", "--json", "--sort", "bytes", *paths))
    octets = [record["client"]["ip_bytes"] + record["server"]["ip_bytes"] for record in every]
    assert len(octets) > 2
    assert octets == sorted(octets, reverse=True)
    assert records(sniffkit("flows", "--json", "--sort", "bytes", "--top", 1, *paths)) == every[:1]


def test_unknown_order(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("flows", "--sort", "colour", SAMPLES[0])
    assert (run.code, run.out) == (2, "")
    assert "colour" in run.err
    assert "retransmissions" in run.err


def test_display_filter(sniffkit: Callable[..., Any]) -> None:
    """A conversation is listed, whole, if one of its packets matches."""
    path = CAPTURES / "http-exchange.pcapng"
    every = records(sniffkit("flows", "--json", path))
    assert {record["protocol"] for record in every} == {"tcp", "udp"}
    assert records(sniffkit("flows", "--json", "-Y", "tcp.flags.syn == 1", path)) == [
        record for record in every if record["protocol"] == "tcp"
    ]
    assert records(sniffkit("flows", "--json", "-Y", "udp.port == 53", path)) == [
        record for record in every if record["protocol"] == "udp"
    ]
    assert sniffkit("flows", "-Y", "tcp.flags.sin", path).code == 2


def test_a_filter_is_told_how_much_it_leaves(sniffkit: Callable[..., Any]) -> None:
    path = CAPTURES / "http-exchange.pcapng"
    assert sniffkit("flows", path).out.startswith("Conversations: 2, packets: 20\n")
    assert sniffkit("flows", "-Y", "udp", path).out.startswith("Conversations: 1 of 2; packets read: 20\n")
    assert sniffkit("flows", "-Y", "arp", path).out == (
        "Conversations: 0 of 2; packets read: 20\nNo conversation has a packet that fits -Y.\n"
    )


def test_csv_says_what_json_says(sniffkit: Callable[..., Any]) -> None:
    path = CAPTURES / "http-exchange.pcapng"
    rows = list(csv.DictReader(io.StringIO(sniffkit("flows", "--csv", path).out)))
    for row, record in zip(rows, records(sniffkit("flows", "--json", path)), strict=True):
        assert row["client.port"] == str(record["client"]["port"])
        assert row["history"] == record["history"]
        assert row["text"] == record["text"]
        assert row["closed_by"] == (record["closed_by"] or "")


def test_findings_name_their_packets(sniffkit: Callable[..., Any]) -> None:
    """What tshark shows for the filter of a finding are the packets that the finding names."""
    paths = [CAPTURES / name for name in ("fin-again-in-time-wait.pcap", "refused-port.pcap", "zero-window.pcap")]
    found = records(sniffkit("flows", "--findings", "--json", *paths))
    assert [one["id"] for one in found] == [
        "flows.found.refused",
        "flows.found.zero-window",
        "flows.found.retransmission",
        "flows.found.reused",  # the second and third file have the same ports
    ]
    for one in found:
        assert "RFC" in one["rfc"]
        lines = sniffkit("explain", "-q", "--json", "-Y", one["filter"], *paths).out.splitlines()
        assert [json.loads(line)["number"] for line in lines][: len(one["packets"])] == one["packets"]


@pytest.mark.parametrize(
    ("options", "one", "other"),
    [
        (["--json", "--csv"], "--json", "--csv"),
        (["--findings", "--parquet", "unused"], "--findings", "--parquet"),
        (["--findings", "--sort", "rtt"], "--findings", "--sort"),
    ],
)
def test_no_option_is_passed_over(sniffkit: Callable[..., Any], options: list[str], one: str, other: str) -> None:
    run = sniffkit("flows", *options, CAPTURES / "refused-port.pcap")
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"sniffkit: {one} and {other} cannot stand together\n")


def test_nothing_worth_looking_at(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("flows", "--findings", CAPTURES / "handshake-close-4.pcap")
    assert (run.code, run.out) == (0, "Worth a look: 0; conversations: 1, packets: 11\nNothing stands out.\n")


def test_where_there_is_no_conversation_nothing_can_stand_out(sniffkit: Callable[..., Any]) -> None:
    out = sniffkit("flows", "--findings", CAPTURES / "arp-detection.pcap").out
    assert out.startswith("Worth a look: 0; conversations: 0, packets: 7\nNo packet here is TCP, UDP or an ICMP echo")


def test_lines_fit_the_terminal(sniffkit: Callable[..., Any]) -> None:
    from rich.cells import cell_len

    for path in SAMPLES:
        for language in ("en", "zh"):
            out = sniffkit("flows", path, "--lang", language, width=80).out
            assert not [line for line in out.splitlines() if cell_len(line) > 80], path.name


@pytest.mark.parametrize(
    ("sample", "opened", "closed"),
    [
        ("handshake-close-4", "handshake", "closed by client"),
        ("simultaneous-close", "handshake", "closed by both"),
        ("simultaneous-open", "both at once", "closed by client"),
        ("refused-port", "refused", "reset by server"),
        ("unanswered-syn", "unanswered", "–"),
        ("midstream", "not captured", "closed by client"),
        ("keepalive", "handshake", "reset by client"),
        ("half-open-peer", "handshake", "not closed"),
        ("old-duplicate-syn", "handshake", "reset by client"),
    ],
)
def test_the_columns_opened_and_closed(sample: str, opened: str, closed: str, sniffkit: Callable[..., Any]) -> None:
    """On a wide terminal the table says in two words what the verdict says in a sentence."""
    lines = sniffkit("flows", CAPTURES / f"{sample}.pcap", width=200).out.splitlines()
    heading, first = lines[1], lines[2]
    begin, middle, end = (heading.index(name) for name in ("opened", "closed", "states now"))
    assert (first[begin:middle].strip(), first[middle:end].strip()) == (opened, closed)


def test_a_handshake_that_was_not_completed_says_so(sniffkit: Callable[..., Any], tmp_path: Path) -> None:
    """A SYN and its SYN,ACK are no connection yet."""
    from scapy.utils import rdpcap, wrpcap

    path = tmp_path / "begun.pcap"
    wrpcap(str(path), rdpcap(str(CAPTURES / "handshake-close-4.pcap"))[:2])
    heading, first, verdict = sniffkit("flows", path, width=200).out.splitlines()[1:4]
    begin, end = heading.index("opened"), heading.index("states now")
    assert first[begin:end].split() == ["not", "completed", "not", "closed"]
    assert verdict.strip().startswith("The handshake was not completed")


def test_csv_is_utf_8_whatever_the_terminal_shows() -> None:
    """Without a byte order mark, so that the first heading is the first heading."""
    command = [sys.executable, "-m", "sniffkit", "flows", "--csv", "--lang", "zh", str(CAPTURES / "keepalive.pcap")]
    environment = {**os.environ, "PYTHONIOENCODING": "gbk"}
    out = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    assert out.startswith(b"protocol,stream,")
    assert "服务器不再回应" in out.decode("utf-8")
    assert b"\r" not in out


def test_a_wide_terminal_shows_more(sniffkit: Callable[..., Any]) -> None:
    path = CAPTURES / "handshake-close-4.pcap"
    assert "ShADadFf" not in sniffkit("flows", path, width=80).out
    assert "ShADadFf" in sniffkit("flows", path, width=160).out


def test_parquet(sniffkit: Callable[..., Any], tmp_path: Path) -> None:
    from pyarrow import parquet

    path = CAPTURES / "http-exchange.pcapng"
    run = sniffkit("flows", "--parquet", tmp_path / "set", path)
    assert (run.code, run.out, run.err) == (0, "", "")
    table = parquet.read_table(tmp_path / "set")
    every = records(sniffkit("flows", "--json", path))
    assert table.column("history").to_pylist() == [record["history"] for record in every]
    assert table.column("client_port").to_pylist() == [record["client"]["port"] for record in every]


def test_a_remembered_verdict_is_the_verdict() -> None:
    """Verdicts are made once and remembered by what they depend on."""
    from sniffkit.analysis.flows.analysis import FlowAnalysis
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.flow_record import FlowRecords
    from sniffkit.sources import open_captures

    catalogue = Catalogue("en")
    remembering = FlowRecords(catalogue)
    count = 0
    for path in [*SAMPLES, *SAMPLES]:
        analysis = FlowAnalysis()
        with open_captures([str(path)]) as source:
            for batch in source:
                analysis.feed(batch)
        analysis.finish()
        for part in analysis.parts():
            alone = [text for row in range(len(part)) for text in FlowRecords(catalogue).verdicts(part.take([row]))]
            assert remembering.verdicts(part) == alone
            count += len(part)
    assert count > 2 * len(SAMPLES)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", ["between here and the server", "median", "SYN offers MSS 1460, scale 2^7, SACK, timestamps",
                "zero windows 3", "longest silence 717 ms, ended by packet 13"]),
        ("zh", ["抓包点到服务器", "中位数", "SYN 提供 MSS 1460、窗口扩大因子 2^7、SACK、时间戳", "零窗口 3",
                "最长沉默 717 ms，由分组 13 结束"]),
    ],
)  # fmt: skip
def test_verbose_says_all_that_is_known(language: str, told: list[str], sniffkit: Callable[..., Any]) -> None:
    """What the table has no room for on 80 cells stands below the verdict."""
    done = sniffkit("flows", "-v", "--lang", language, CAPTURES / "zero-window.pcap", width=400)
    assert (done.code, done.err) == (0, "")
    assert [text for text in told if text not in done.out] == []
