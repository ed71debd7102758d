"""What a learner reads of a field: short, whole, in real Chinese, and there for every field the program can show.

tests/test_texts.py holds what is true of all texts (both languages, the same blanks); here is what fields need besides.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sniffkit.analysis.tcp import states as tcp_states
from sniffkit.explanations.catalogue import Catalogue, read_texts
from sniffkit.explanations.language import LANGUAGES
from sniffkit.protocols import REGISTER

ROOT = Path(__file__).parent.parent.parent
TEXTS = ROOT / "sniffkit" / "explanations" / "texts"

FIELD_FILES = [
    *("frame", "data", "ethernet", "llc", "vlan", "link", "arp", "ipv4", "ipv6", "icmp", "icmpv6", "tcp", "udp", "dns"),
    *("mpls", "ppp", "gre", "overlays", "ports"),
]

LONGEST_WHAT = 220
LONGEST_WHY = 320
"""Characters of English. A sentence that needs more belongs in a lesson, not beside a field."""

CHINESE = re.compile("[\u4e00-\u9fff]")
LATIN_BETWEEN_CHINESE = re.compile("[\u4e00-\u9fff][,.;:?!()\"'][\u4e00-\u9fff]")
REFERENCE = re.compile(r"RFC \d+( section \d+(\.\d+)*)?|IEEE 802\.\d+Q? clause \d+(\.\d+)*|ISO/IEC \d+-\d+")
ONE_TERM = {
    "校验和": "检验和",
    "报头": "首部",
    "包头": "首部",
    "确认序号": "确认号",
    "客户机": "客户端",
    "组播": "多播",
}
"""Terms that other books use, and ours: a learner should meet one word for one thing."""


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Return every key of the files about fields with its parts."""
    found: dict[str, dict[str, Any]] = {}
    for stem in FIELD_FILES:
        found |= tomllib.loads((TEXTS / f"{stem}.toml").read_text("utf-8"))
    return found


def sentences(file: str) -> Iterator[tuple[str, str, str]]:
    """Yield where each text of a file stands, with its English and Chinese."""
    for key, parts in tomllib.loads((TEXTS / f"{file}.toml").read_text("utf-8")).items():
        for part, text in parts.items():
            if part == "value":
                for number, meaning in text.items():
                    yield f"{file}.toml: {key} {number}", meaning["en"], meaning["zh"]
            elif isinstance(text, dict):
                yield f"{file}.toml: {key} {part}", text["en"], text["zh"]


FILES = [*FIELD_FILES, "tcp_states", "field_reasons"]


@pytest.mark.parametrize("file", FILES)
def test_chinese_is_written_in_chinese(file: str) -> None:
    complaints = []
    for place, english, chinese in sentences(file):
        names_only = re.fullmatch(r"[A-Za-z0-9_ :;,./()（），；：、-]+", chinese) and not re.search(
            r"[a-z]{3} ", english
        )
        if not CHINESE.search(chinese) and not names_only:
            complaints.append(f"{place}: no Chinese in {chinese!r}")
        if chinese == english and not names_only:
            complaints.append(f"{place}: the same in both languages")
        complaints.extend(
            f"{place}: …{m.group()}… is not set in Chinese" for m in LATIN_BETWEEN_CHINESE.finditer(chinese)
        )
        complaints.extend(f"{place}: {other}, elsewhere {ours}" for other, ours in ONE_TERM.items() if other in chinese)
    assert not complaints, "\n" + "\n".join(complaints)


@pytest.mark.parametrize("file", FILES)
def test_nothing_is_shouted(file: str) -> None:
    loud = [place for place, english, chinese in sentences(file) if "!" in english + chinese or "！" in chinese]
    assert not loud


@pytest.mark.parametrize("file", FIELD_FILES)
def test_a_text_beside_a_field_is_short(file: str) -> None:
    limits = {"what": LONGEST_WHAT, "why": LONGEST_WHY, "name": 60}
    complaints = [
        f"{place}: {len(english)} characters"
        for place, english, _ in sentences(file)
        if len(english) > limits.get(place.split()[-1], LONGEST_WHAT)
    ]
    assert not complaints, "\n" + "\n".join(complaints)


def test_a_key_is_whole() -> None:
    """A field or protocol has a name and what it is for; only a table of meanings may stand alone."""
    complaints = [
        f"{key}: {sorted(parts)}"
        for key, parts in entries().items()
        if set(parts) != {"value"} and not ({"name", "what"} <= set(parts))
    ]
    assert not complaints


def test_references_are_written_one_way() -> None:
    """``RFC 9293 section 3.1``: a program can make a link of it, or 第 3.1 节."""
    states = read_texts("tcp_states")
    odd = {key: parts["rfc"] for key, parts in [*entries().items(), *states.items()] if "rfc" in parts}
    assert not {key: reference for key, reference in odd.items() if not REFERENCE.fullmatch(reference)}


def test_a_meaning_is_found_by_its_number() -> None:
    """Keys of a value table are decimal: 0x0800 stands as 2048, as ``Catalogue.value`` looks it up."""
    for key, parts in entries().items():
        for number in parts.get("value", {}):
            assert number == str(int(number)), f"{key}: {number}"
    assert Catalogue("en").value("eth.type", 0x0800) == "IPv4"
    assert Catalogue("zh").value("tcp.option_kind", 2) == "最大报文段长度"


def fields_written_in_programs() -> set[str]:
    """Return the field ids that stand in sniffkit/protocols as they are: in tables and in reading functions."""
    adders = {"Field", "flag", "hexadecimal", "parent", "add", "derive", "FieldValue", "rest"}
    found = set()
    for path in sorted((ROOT / "sniffkit" / "protocols").glob("*.py")):
        if path.stem == "beyond":  # Scapy's fields have Scapy's names
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] in adders:
                name = node.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    found.add(name.value)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".bits"):
                for part in node.args[1:]:
                    if isinstance(part, ast.Tuple) and isinstance(part.elts[0], ast.Constant):
                        found.add(str(part.elts[0].value))
    return found


def test_every_field_has_name_what_and_why() -> None:
    declared = {place.field.id for protocol in REGISTER for place in protocol.header.places}
    computed = {id for protocol in REGISTER for id in (*protocol.derived, *protocol.sparse)}
    written = fields_written_in_programs()
    assert len(written) > 150, "the reading of the programs finds no fields any more"
    missing = {
        id: lacking
        for id in declared | computed | written
        if (lacking := {"name", "what", "why"} - set(entries().get(id, {})))
    }
    assert not missing


def test_every_protocol_is_introduced() -> None:
    names = {protocol.name for protocol in REGISTER} | {"frame", "data", "mdns", "llmnr", "trailer"}
    assert not {name for name in names if not {"name", "what", "why"} <= set(entries().get(name, {}))}


@pytest.mark.parametrize(
    "key", ["tcp.seq_raw", "ah.spi", "sll.pkttype", "ieee8021ad.id", "pweth.cw.reserved", "port.user"]
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_finds_a_key_in_a_file_of_another_name(key: str, language: str) -> None:
    assert Catalogue(language).text(key, "name")  # type: ignore[arg-type]


def test_the_catalogue_finds_every_key() -> None:
    catalogue = Catalogue("en")
    assert [key for key, parts in entries().items() if catalogue.entry(key) != parts] == []


# The eleven states


def test_every_state_is_taught() -> None:
    taught = {key.removeprefix("state.") for key in read_texts("tcp_states")}
    assert taught == {
        "CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
        "CLOSING", "LAST-ACK", "TIME-WAIT",
    }  # fmt: skip
    assert taught == set(tcp_states.LABELS)


def test_a_state_says_what_it_waits_for_and_how_it_is_left() -> None:
    for key, parts in read_texts("tcp_states").items():
        assert set(parts) == {"name", "what", "leaves", "alias", "rfc"}, key


def test_the_states_have_the_names_of_the_textbooks() -> None:
    chinese = {key.removeprefix("state."): parts["name"]["zh"] for key, parts in read_texts("tcp_states").items()}
    assert chinese["SYN-SENT"] == "同步已发送"
    assert chinese["TIME-WAIT"] == "时间等待"
    assert chinese["CLOSING"] == "正在关闭"


# Corrections of widespread errors: each must stay in the text


@pytest.mark.parametrize(
    ("key", "part", "english", "chinese"),
    [
        ("tcp.flags", "why", "4 reserved and 8 control", "保留 4 位、控制 8 位"),
        ("tcp.urgent_pointer", "what", "octet after the last urgent one", "最后一个紧急字节之后"),
        ("tcp.flags.push", "why", "no message border", "不是报文的边界"),
        ("tcp.flags.reset", "why", "Not only for severe errors", "不只用于严重差错"),
        ("tcp.window_size_value", "what", "sender of this segment", "本报文段的发送方"),
        ("tcp.checksum", "what", "pseudo-header", "伪首部"),
        ("tcp.srcport", "why", "both addresses, both ports and the protocol", "五元组"),
        ("tcp.flags.syn", "why", "RFC 9293 allows it", "RFC 9293 允许"),
        ("tcp.flags.fin", "why", "Either end may send it first", "哪一端都可以先发"),
        ("eth.dst.lg", "why", "unique and fixed", "全球唯一"),
        ("arp", "why", "only this broadcast domain", "本广播域"),
        ("ip.src", "why", "names an interface", "标识的是接口"),
        ("port.system", "what", "0 to 1023", "0 到 1023"),
        ("port.dynamic", "what", "49152 to 65535", "49152 到 65535"),
        ("dns", "why", "TCP 53", "TCP 53"),
        ("udp", "why", "no faster than TCP", "并不比 TCP 快"),
    ],
)
def test_what_textbooks_get_wrong_is_put_right(key: str, part: str, english: str, chinese: str) -> None:
    assert english in Catalogue("en").text(key, part)
    assert chinese in Catalogue("zh").text(key, part)


def test_well_known_services_stand_under_their_protocol() -> None:
    """FTP is TCP, TFTP is UDP, DNS is both, and HTTPS on UDP is HTTP/3."""
    tcp, udp = read_texts("ports")["port.tcp"]["value"], read_texts("ports")["port.udp"]["value"]
    assert {"20", "21", "22", "23", "25", "53", "80", "443", "3306"} <= set(tcp)
    assert {"53", "69", "443"} <= set(udp)
    assert "69" not in tcp
    assert "HTTP/3" in udp["443"]["en"]
