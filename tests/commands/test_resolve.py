"""`sniffkit resolve` against the lab's DNS world: real servers, and every fault there is a guard for.

Nothing leaves the machine: the world is in namespaces of its own.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Run as InProcess
from tests.lab.running_world import RunningWorld, refusal

needs_world = pytest.mark.skipif(bool(refusal()), reason=refusal())
WEB = "203.0.113.80"


@pytest.fixture(scope="module")
def world() -> Iterator[RunningWorld]:
    with RunningWorld() as running:
        assert not running.error
        yield running


def asked(world: RunningWorld, *arguments: str) -> Any:
    return world.resolve("--json", *arguments)


def verdicts(run: Any) -> list[str]:
    """What came of each question, in order."""
    return [record["verdict"] or record["failure"] for record in run.of_kind("question")]


@needs_world
def test_from_the_root_to_the_answer(world: RunningWorld) -> None:
    """Three questions to three servers, each named by the one before, with its address as glue."""
    run = asked(world, "www.school.test")
    assert run.code == 0
    assert [(each["zone"], each["server"], each["verdict"]) for each in run.of_kind("question")] == [
        (".", "", "referral"),
        ("test", "ns1.nic.test", "referral"),
        ("school.test", "ns1.school.test", "answer"),
    ]
    assert run.of_kind("question")[-1]["flags"] == ["aa"]
    glue = ["192.0.2.11", "2001:db8:0:2::11"]
    assert run.of_kind("hop")[0]["servers"] == [{"name": "ns1.nic.test", "addresses": glue}]
    assert run.result["answers"] == [{"name": "www.school.test", "type": "A", "ttl": 300, "data": WEB}]
    assert run.result["failure"] is None


@needs_world
def test_an_alias_leads_to_another_zone_and_the_walk_begins_anew(world: RunningWorld) -> None:
    run = asked(world, "library.school.test")
    zones = [each["zone"] for each in run.of_kind("question")]
    assert zones == [".", "test", "school.test", ".", "example", "shop.example"]
    assert run.result["chain"] == ["library.school.test", "books.shop.example"]
    assert run.result["answers"][0]["data"] == "203.0.113.82"


@needs_world
def test_an_alias_in_the_same_zone_needs_no_second_walk(world: RunningWorld) -> None:
    run = asked(world, "home.school.test")
    assert run.result["chain"] == ["home.school.test", "www.school.test"]
    assert run.result["questions"] == 3


@needs_world
def test_a_server_without_address_is_looked_up_first(world: RunningWorld) -> None:
    run = asked(world, "www.noglue.test")
    assert [each["depth"] for each in run.of_kind("question")] == [0, 0, 1, 1, 1, 0]
    assert run.of_kind("question")[-1]["known_by"] == "looked-up"
    assert run.result["outcome"] == "answer"


@needs_world
@pytest.mark.parametrize(
    ("question", "outcome"),
    [(["nobody.school.test"], "nxdomain"), (["www.school.test", "MX"], "nodata"), (["nobody.test"], "nxdomain")],
)
def test_there_is_none_is_an_answer(world: RunningWorld, question: list[str], outcome: str) -> None:
    run = asked(world, *question)
    assert (run.code, run.result["outcome"], run.err) == (0, outcome, "")
    assert run.result["negative_ttl"] == 300


@needs_world
def test_what_does_not_fit_a_datagram_is_asked_for_over_tcp(world: RunningWorld) -> None:
    last = asked(world, "big.school.test", "TXT").of_kind("question")[-2:]
    assert [(each["transport"], each["verdict"]) for each in last] == [("udp", "truncated"), ("tcp", "answer")]
    assert last[1]["size"] > 1232


@needs_world
def test_a_server_without_edns_is_asked_as_of_old(world: RunningWorld) -> None:
    last = asked(world, "www.no-edns.test").of_kind("question")[-2:]
    assert [(each["edns"], each["verdict"]) for each in last] == [(1232, "without-edns"), (None, "answer")]


@needs_world
def test_a_silent_server_is_passed_by(world: RunningWorld) -> None:
    run = asked(world, "www.half.test")
    assert verdicts(run) == ["referral", "referral", "timeout", "answer"]
    assert run.code == 0


@needs_world
@pytest.mark.parametrize(
    ("fault", "why", "true_answer"),
    [
        ("wrong-id", "wrong-id", True),
        ("wrong-address", "wrong-address", True),
        ("always-wrong-id", "wrong-id", False),
        ("wrong-question", "wrong-question", False),
        ("garbled", "garbled", False),
    ],
)
def test_what_answers_nothing_is_thrown_away(world: RunningWorld, fault: str, why: str, true_answer: bool) -> None:
    """The forged address, 198.51.100.66, is never taken; where the true answer comes too, it is."""
    run = asked(world, f"www.{fault}.test")
    strays = [stray for each in run.of_kind("question") for stray in each["discarded"]]
    assert {stray["why"] for stray in strays} == {why}
    assert "198.51.100.66" not in json.dumps(run.result)
    if true_answer:
        assert run.result["answers"][0]["data"] == WEB
    else:
        assert run.result["failure"]["id"] == "resolver.only-strays"


@needs_world
def test_an_address_from_outside_the_servers_zone_is_not_believed(world: RunningWorld) -> None:
    run = asked(world, "www.poison.test")
    assert [each["not_believed"][0]["data"] for each in run.of_kind("hop") if each["not_believed"]] == ["198.51.100.66"]
    assert "198.51.100.66" not in {each["address"] for each in run.of_kind("question")}


FAILURES = {
    "www.silent.test": ("resolver.silent", 3),
    "www.dead.test": ("resolver.unreachable", 3),
    "www.lame.test": ("resolver.lame", 3),
    "www.lame-upward.test": ("resolver.lame", 3),
    "www.not-authoritative.test": ("resolver.lame", 3),
    "www.servfail.test": ("resolver.no-use", 3),
    "www.truncated.test": ("resolver.no-tcp", 3),
    "www.gone.test": ("resolver.no-address", 3),
    "www.crowd.test": ("resolver.no-address", 4),
    "www.ring-a.test": ("resolver.server-loop", 6),
    "www.chain-1.test": ("resolver.too-deep", 15),
    "round.school.test": ("resolver.alias-loop", 3),
    "there.school.test": ("resolver.alias-loop", 6),
}
"""Names that cannot be resolved: why, and at which hop."""


@needs_world
@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_says_at_which_hop_and_why(world: RunningWorld, name: str) -> None:
    run = asked(world, name)
    failure = run.result["failure"]
    assert (failure["id"], failure["hop"]) == FAILURES[name]
    assert run.code == 1
    assert re.match(rf"sniffkit: hop {failure['hop']}: .+\n +\S.+\n$", run.err), run.err
    assert run.result["questions"] <= 12


@needs_world
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", [*FAILURES, "www.half.test", "www.wrong-id.test", "www.no-edns.test"])
def test_every_story_can_be_told_and_fits_the_terminal(world: RunningWorld, name: str, language: str) -> None:
    from rich.cells import cell_len

    run = world.resolve(name, "--lang", language, COLUMNS="80")
    assert "Traceback" not in run.err
    assert "{" not in run.out
    assert not [line for line in run.out.splitlines() if cell_len(line) > 80]


@needs_world
def test_the_number_of_questions_is_bounded(world: RunningWorld) -> None:
    run = asked(world, "www.noglue.test", "--questions", "4")
    assert run.result["failure"] == {"id": "resolver.out-of-questions", "hop": 6, "count": 4}
    assert len(run.of_kind("question")) == 4


@needs_world
def test_over_ipv6_only_and_over_ipv4_only(world: RunningWorld) -> None:
    six = asked(world, "-6", "--root", "2001:db8:0:2::1", "www.school.test", "AAAA")
    four = asked(world, "-4", "www.school.test", "AAAA")
    assert {":" in each["address"] for each in six.of_kind("question")} == {True}
    assert {":" in each["address"] for each in four.of_kind("question")} == {False}
    assert six.result["answers"] == four.result["answers"]
    assert six.result["answers"][0]["data"] == "2001:db8:0:3::80"


@needs_world
def test_over_tcp_and_without_edns_from_the_beginning(world: RunningWorld) -> None:
    run = asked(world, "--tcp", "--no-edns", "www.school.test")
    assert {(each["transport"], each["edns"]) for each in run.of_kind("question")} == {("tcp", None)}
    assert run.result["outcome"] == "answer"


@needs_world
@pytest.mark.parametrize(
    ("question", "security", "last"),
    [
        (["www.school.test"], "secure", "answer"),
        (["nobody.school.test"], "secure", "nxdomain"),
        (["www.school.test", "MX"], "secure", "nodata"),
        (["a.b.dorm.school.test"], "secure", "answer"),
        (["nobody.test"], "secure", "nxdomain"),
        (["test", "DS"], "secure", "answer"),
        (["www.plain.test"], "insecure", "no-ds"),
        (["books.shop.example"], "insecure", "no-ds"),
        (["library.school.test"], "insecure", "no-ds"),
    ],
    ids=" ".join,
)
def test_the_chain_of_trust(world: RunningWorld, question: list[str], security: str, last: str) -> None:
    """NSEC in test and the root, NSEC3 in school.test; a wildcard; zones that are rightly unsigned."""
    run = asked(world, "--anchor", world.anchor, *question)
    proofs = run.of_kind("proof")
    assert proofs[0]["what"] == "anchor"
    assert (run.result["security"], proofs[-1]["what"]) == (security, last)
    assert not [each for each in proofs if each["reason"]]
    assert run.code == 0


@needs_world
@pytest.mark.parametrize(("name", "reason"), [("www.expired.test", "expired"), ("www.stranger.test", "no-digest-fits")])
def test_a_broken_chain_is_told_and_its_answer_not_trusted(world: RunningWorld, name: str, reason: str) -> None:
    run = asked(world, "--anchor", world.anchor, name)
    assert [each["reason"] for each in run.of_kind("proof") if each["status"] == "bogus"] == [reason]
    assert run.result["security"] == "bogus"
    assert run.code == 1
    assert "DNSSEC fails" in run.err


@needs_world
def test_another_roots_key_fits_nothing(world: RunningWorld) -> None:
    """The keys of the real root are built in; the lab's root has others."""
    run = asked(world, "--dnssec", "www.school.test")
    assert run.of_kind("proof")[0]["reason"] == "no-digest-fits"
    assert run.code == 1
    assert run.err.startswith("sniffkit: hop 1: DNSSEC fails")


@needs_world
def test_compared_with_the_resolver_its_cache_shows(world: RunningWorld) -> None:
    first = asked(world, "www.school.test", "--resolver", "10.0.0.53").of_kind("compare")[0]["resolvers"][-1]
    assert first["answers"][0]["data"] == WEB
    assert "ra" in first["flags"]
    world.run("sleep", "1.1")
    told = world.resolve("www.school.test", "--resolver", "10.0.0.53")
    assert re.search(r"comes from its cache: 29\d s of 300 s", " ".join(told.out.split()))


@needs_world
def test_a_resolver_is_no_root(world: RunningWorld) -> None:
    run = world.resolve("--json", "www.school.test", root="10.0.0.53")
    assert run.result["failure"] == {"id": "resolver.not-root", "hop": 1, "address": "10.0.0.53"}
    assert run.code == 1


@needs_world
def test_where_the_first_root_is_silent_the_next_is_asked(world: RunningWorld) -> None:
    run = world.resolve("--json", "www.school.test", "--root", "192.0.2.1", root="203.0.113.40:53")
    assert verdicts(run)[:2] == ["timeout", "referral"]


@needs_world
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_the_exchange_is_saved_as_a_capture_that_explains_itself(world: RunningWorld, tmp_path: Path) -> None:
    path = tmp_path / "walk.pcapng"
    run = world.resolve("big.school.test", "TXT", "--record", str(path))
    assert run.code == 0
    assert "made from the messages" in " ".join(run.out.split())
    listing = subprocess.run(
        ["tshark", "-n", "-r", path, "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields"]
        + [word for name in ("dns.qry.name", "tcp.checksum.status", "udp.checksum.status") for word in ("-e", name)],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout.splitlines()
    questions = [line.split("\t")[0] for line in listing if line.split("\t")[0]]
    assert questions == ["big.school.test"] * 8
    assert {status for line in listing for status in line.split("\t")[1:] if status} == {"1"}


# without any network: what is wrong before anything is asked


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a..b"], "two dots"),
        (["x" * 64], "63 octets"),
        ([".".join(["abcdefgh"] * 30)], "255 octets"),
        (["www.example.com", "ADDRESS"], "no record type ADDRESS"),
        (["www.example.com", "AXFR"], "no question about a name"),
        (["www.example.com", "--root", "10.0.0.1:x"], "--root"),
        (["www.example.com", "-4", "-6"], "-4 and -6"),
        (["www.example.com", "--timeout", "0"], "--timeout wants a number from 0.05 to 60, not 0"),
        (["www.example.com", "--timeout", "nan"], "--timeout wants a number from 0.05 to 60, not nan"),
        ([""], "no name is given"),
        (["www.example.com", "--anchor", __file__], "no trust anchor"),
    ],
)
def test_a_wrong_command_line_asks_nobody(sniffkit: Any, arguments: list[str], told: str) -> None:
    run: InProcess = sniffkit("resolve", *arguments)
    assert (run.code, run.out) == (2, "")
    assert told in run.err


@pytest.mark.parametrize(("language", "told"), [("en", "no name is given"), ("zh", "没有给出要查询的域名")])
def test_no_name_is_told_in_the_readers_language(sniffkit: Any, language: str, told: str) -> None:
    run: InProcess = sniffkit("resolve", "--lang", language)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"sniffkit: {told}")
    assert len(run.err.splitlines()) == 2  # what is wrong, and what to type


def test_a_missing_anchor_is_a_missing_file(sniffkit: Any) -> None:
    assert sniffkit("resolve", "example.com", "--anchor", "/no/such/file").code == 3


def test_a_capture_that_cannot_be_written_is_told_before_anything_is_asked(sniffkit: Any) -> None:
    assert sniffkit("resolve", "example.com", "--record", "/no/such/directory/a.pcap").code == 4
