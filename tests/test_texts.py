"""Every sentence a learner reads stands in both languages, with the same blanks to fill; nothing is missing.

The texts are sniffkit/explanations/texts/*.toml. Code refers to them by ids; the second half of this file reads
the program itself to see that each id it can speak of has its text.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from sniffkit.explanations.catalogue import Catalogue
from sniffkit.protocols import REGISTER
from sniffkit.protocols.packet import read_packet
from sniffkit.sources import open_capture
from sniffkit.sources.filter_messages import MESSAGES
from tests.test_protocol_files import NOT_TAUGHT_YET, protocol_files

ROOT = Path(__file__).parent.parent
TEXTS = ROOT / "sniffkit" / "explanations" / "texts"
LANGUAGES = ("en", "zh")

WITHOUT_LANGUAGE = {"rfc", "see", "filter", "bpf", "without-bpf", "ipv6"}
"""Parts that are the same in every language."""

CHINESE = re.compile(r"[\u4e00-\u9fff]")
UNSPACED = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9%][\u4e00-\u9fff]")
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]")
SENTENCE = re.compile(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}")


@dataclass(frozen=True)
class Text:
    """One text in all its languages, and where it stands: ``tcp.toml: tcp.srcport what``."""

    file: str
    id: str
    part: str
    languages: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.file}: {self.id} {self.part}"


@cache
def texts() -> list[Text]:
    found: list[Text] = []
    for path in sorted(TEXTS.glob("*.toml")):
        for id, parts in tomllib.loads(path.read_text(encoding="utf-8")).items():
            found.extend(texts_in(path.name, id, "", parts))
    return found


def texts_in(file: str, id: str, above: str, parts: Any) -> Iterator[Text]:
    """Yield the texts of a table; a table that names a language is a text, any other holds more texts."""
    assert isinstance(parts, dict), f"{file}: {id} {above}: a text needs its languages, {{ en = …, zh = … }}"
    if any(re.fullmatch("[a-z]{2}", key) and isinstance(value, str) for key, value in parts.items()):
        yield Text(file, id, above, parts)
        return
    for key, value in parts.items():
        if key not in WITHOUT_LANGUAGE:
            yield from texts_in(file, id, f"{above}.{key}" if above else key, value)


def blanks(sentence: str) -> set[str]:
    """Return the names to be filled in: ``{seq + 1}`` would be an error, ``{time:.1f}`` is fine."""
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def complain(complaints: list[str]) -> None:
    assert not complaints, "\n" + "\n".join(complaints)


def test_every_text_is_there_in_both_languages() -> None:
    complain(
        [
            f"{text}: has {sorted(text.languages)}, wants {sorted(LANGUAGES)}"
            for text in texts()
            if set(text.languages) != set(LANGUAGES) or not all(str(t).strip() for t in text.languages.values())
        ]
    )


def test_both_languages_have_the_same_blanks() -> None:
    complaints = []
    for text in texts():
        asked = {language: blanks(sentence) for language, sentence in text.languages.items()}
        if len({frozenset(names) for names in asked.values()}) > 1:
            complaints.append(f"{text}: {asked}")
        complaints.extend(
            f"{text}: {{{name}}} is no name" for name in asked["en"] if not name.replace(".", "_").isidentifier()
        )
    complain(complaints)


def test_an_id_stands_in_one_file() -> None:
    places = Counter((id, file) for id, file in {(text.id, text.file) for text in texts()})
    ids = Counter(id for id, _ in places)
    complain([f"{id}: in {sorted(f for i, f in places if i == id)}" for id, count in ids.items() if count > 1])


def test_a_text_is_found_where_it_stands() -> None:
    """The catalogue guesses the file from the key's first word: a text in another file would never be read."""
    catalogue = Catalogue("en")
    lost = [
        f"{path.name}: {key}"
        for path in sorted(TEXTS.glob("*.toml"))
        if path.stem != "equivalents"  # has no sentences, and is asked by its name
        for key, parts in tomllib.loads(path.read_text("utf-8")).items()
        if catalogue.entry(key) != parts
    ]
    assert not lost


def test_chinese_is_chinese_and_english_is_english() -> None:
    complaints = []
    for text in texts():
        english, chinese = text.languages["en"], text.languages["zh"]
        if CHINESE.search(english):
            complaints.append(f"{text}: Chinese in the English text")
        if SENTENCE.search(english) and not CHINESE.search(chinese):
            complaints.append(f"{text}: an English sentence whose Chinese is {chinese!r}")
    complain(complaints)


def test_chinese_is_set_as_chinese_is_set() -> None:
    """A space between Chinese and Latin letters or digits, and full-width punctuation after Chinese."""
    complaints = []
    for text in texts():
        for rule in (UNSPACED, HALF_WIDTH):
            complaints.extend(f"{text}: …{m.group()}…" for m in rule.finditer(text.languages["zh"]))
    complain(complaints)


# What the program can speak of

ID = re.compile(r"[a-z0-9]+([.-][a-z0-9-]+)+")

MAKERS = {"SniffkitError", "UsageError", "DamagedCapture", "NotACapture", "NotPermitted", "Problem", "BadName", "Fact"}
"""What is made from an id and values. A function that hands its own parameter on to one of these is one, too."""


def ids(beginning: str, ends: str) -> list[str]:
    return [f"{beginning}.{end}" for end in ends.split()]


COMPUTED: dict[str, list[str]] = {
    "protocols/packet.py: f'{header.protocol}.header-cut'": [f"{protocol.name}.header-cut" for protocol in REGISTER],
    "protocols/pseudo.py: f'{reader.layer.protocol}.checksum-bad'": ["tcp.checksum-bad", "udp.checksum-bad"],
    "protocols/ipv6_extensions.py: f'{reader.layer.protocol}.header-cut'": [],  # is among those of packet.py
    "analysis/flows/verdicts.py: f'flows.also-icmp-{flow.icmp_error}'": ids(
        "flows", "also-icmp-refused also-icmp-unreachable also-icmp-prohibited also-icmp-too-big also-icmp-exceeded"
    ),
    "analysis/flows/conversation_findings.py: f'flows.found.icmp-{error}'": ids(
        "flows.found", "icmp-refused icmp-unreachable icmp-prohibited icmp-too-big icmp-exceeded"
    ),
    "analysis/flows/findings.py: f'flows.found.{crowd.kind}'": ids(
        "flows.found", "syn-flood port-scan address-scan udp-scan"
    ),
    "analysis/checksum_facts.py: id": ["checksum.tcp-wrong", "checksum.udp-wrong"],
    "sources/bpf.py: id": ["live.filter", "live.filter-display", *(id for _, id in MESSAGES)],
    "explanations/resolution_story.py: event.why": ids(
        "resolver.passed", "glue-missing not-found circle deep enough no-address too-many no-host family no-route"
    ),
    "explanations/resolution_story.py: f'resolver.begin.{hop.purpose}'": ids(
        "resolver.begin", "question alias server-address"
    ),
    "explanations/resolution_story.py: f'resolver.answer.{hop.outcome}'": ids("resolver.answer", "nxdomain nodata"),
    "explanations/resolution_story.py: f'resolver.failure.{asked.failure}'": ids(
        "resolver.failure", "timeout refused-port unreachable tcp-closed garbled"
    ),
    "explanations/resolution_story.py: f'resolver.answer.{asked.verdict}'": ids(
        "resolver.answer",
        "truncated without-edns servfail refused formerr notimp other-error lame-upward lame-empty not-authoritative "
        "alias-loop keys digest",
    ),
    "explanations/resolution_story.py: f'resolver.why.{asked.why}'": ids("resolver.why", "truncated without-edns"),
    "explanations/resolution_story.py: f'resolver.why.{key}'": ids(
        "resolver.why", "hints named glue only looked-up next"
    ),
    "explanations/resolution_story.py: f'resolver.stray.{stray.why}'": ids(
        "resolver.stray", "wrong-id wrong-address wrong-question not-a-response garbled"
    ),
    "explanations/resolution_story.py: f'resolver.proof.bogus.{proof.reason}'": ids(
        "resolver.proof.bogus",
        "no-keys no-digest-fits no-signature expired not-yet-valid no-such-key bad-signature denial-missing",
    ),
    "explanations/resolution_story.py: f'resolver.proof.{proof.what}'": ids(
        "resolver.proof", "anchor keys ds no-ds answer nxdomain nodata"
    ),
    "explanations/resolution_story.py: f'resolver.result.{result.security}'": ids(
        "resolver.result", "secure insecure bogus"
    ),
    # pairs of an id and its values, which are read where they are written
    "sources/source.py: id": [],
    "sources/__init__.py: id": [],
    "sources/pcapng.py: id": [],
    "protocols/dns_message.py: bad.id": [],
    "protocols/dns.py: bad.id": [],
}
"""Ids that are put together while the program runs: the file and the expression, and every id it can become."""


@dataclass(frozen=True)
class Mention:
    """An id in the program: where, made by which of MAKERS, and the names of its values (None: not known here)."""

    place: str
    maker: str
    id: str
    values: frozenset[str] | None


@cache
def programs() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "sniffkit").rglob("*.py"))}


def calls_in(tree: ast.AST, inside: tuple[str, list[str]] = ("", [])) -> Iterator[tuple[ast.Call, str, list[str]]]:
    """Yield every call with the function around it and that function's parameters."""
    for node in ast.iter_child_nodes(tree):
        around = inside
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args] if argument.arg != "self"]
            around = (node.name, names)
        if isinstance(node, ast.Call):
            yield node, *inside
        yield from calls_in(node, around)


def called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


@cache
def makers() -> dict[str, tuple[int, str]]:
    """Return what makes something from an id: the id's place among the arguments, and which of MAKERS is behind it."""
    found = {name: (0, name) for name in MAKERS}
    known = 0
    while known != len(found):
        known = len(found)
        for tree in programs().values():
            for call, function, parameters in calls_in(tree):
                handed_on = id_of(call, found)
                if isinstance(handed_on, ast.Name) and handed_on.id in parameters and function != "__init__":
                    found.setdefault(function, (parameters.index(handed_on.id), found[called(call)][1]))
    return found


@cache
def namesakes() -> set[str]:
    """Return the names that several functions have: one of them may take an id and another something else."""
    names = Counter(
        node.name for tree in programs().values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    )
    return {name for name, count in names.items() if count > 1}


def id_of(call: ast.Call, known: dict[str, tuple[int, str]]) -> ast.expr | None:
    """Return the expression of the id, where a call makes something from one."""
    place, _ = known.get(called(call), (None, ""))
    named = [keyword.value for keyword in call.keywords if keyword.arg == "id"]
    if place is None:
        return None
    return call.args[place] if place < len(call.args) else (named[0] if named else None)


def ids_in(file: str, expression: ast.expr) -> list[str] | None:
    """Return the ids an expression can be; None where only running it tells."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        return [expression.value]
    if isinstance(expression, ast.IfExp):
        either, other = ids_in(file, expression.body), ids_in(file, expression.orelse)
        return None if either is None or other is None else either + other
    return COMPUTED.get(f"{file}: {ast.unparse(expression)}")


def values_given(call: ast.Call, id: ast.expr) -> frozenset[str] | None:
    """Return the names of the values given beside the id, None where they cannot be read off."""
    names = set()
    for argument in call.args:
        if isinstance(argument, ast.Dict):
            if not all(isinstance(key, ast.Constant) for key in argument.keys):
                return None
            names |= {key.value for key in argument.keys if isinstance(key, ast.Constant)}
        elif argument is not id and not isinstance(argument, ast.Constant):
            return None
    for keyword in call.keywords:
        if keyword.arg is None:
            return None
        names.add(keyword.arg)
    return frozenset(names)


def pairs_in(path: Path, tree: ast.Module) -> Iterator[Mention]:
    """Yield the ids written down to be raised elsewhere: ``("a.b", {"octet": …})`` and ``id = "a.b"``."""
    for node in ast.walk(tree):
        id: ast.expr | None = None
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[1], ast.Dict):
            id = node.elts[0]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "id":
            id = node.value
        if isinstance(id, ast.Constant) and isinstance(id.value, str) and ID.fullmatch(id.value):
            yield Mention(f"{path}:{id.lineno}", "", id.value, None)


def mentions() -> tuple[list[Mention], list[str]]:
    """Return every id the program can speak of, and the places where an id cannot be read off."""
    found, complaints = [], []
    for path, tree in programs().items():
        for call, function, parameters in calls_in(tree):
            id = id_of(call, makers())
            if id is None or (isinstance(id, ast.Name) and id.id in parameters and function in makers()):
                continue
            place = f"{path}:{call.lineno}"
            names = ids_in(path.relative_to(ROOT / "sniffkit").as_posix(), id)
            if names is None and called(call) not in namesakes():
                complaints.append(f"{place}: {ast.unparse(id)}: write ids as they are, or list them in COMPUTED")
            found.extend(
                Mention(place, makers()[called(call)][1], name, values_given(call, id)) for name in names or []
            )
        found.extend(pairs_in(path, tree))
    return found, complaints


def test_every_id_the_program_speaks_of_has_its_text() -> None:
    found, complaints = mentions()
    assert len(found) > 20, "the reading of the program finds no ids any more"
    known = {text.id for text in texts()}
    variants = {id.rpartition(".")[0] for id in known}  # tcp.inferred is told as tcp.inferred.syn, …
    complain(complaints + sorted(f"{m.place}: {m.id} has no text" for m in found if m.id not in known | variants))


def test_what_is_listed_as_computed_is_still_there() -> None:
    written = {
        f"{path.relative_to(ROOT / 'sniffkit').as_posix()}: {ast.unparse(id)}"
        for path, tree in programs().items()
        for call, _, _ in calls_in(tree)
        if (id := id_of(call, makers())) is not None
    }
    complain([f"COMPUTED lists {place}, which is gone" for place in COMPUTED if place not in written])


def test_no_error_asks_for_a_value_that_is_not_given() -> None:
    """What is wrong is told with the error's or the problem's own values; a fact's sentence knows its packet, too."""
    asked: dict[str, set[str]] = {}
    for text in texts():
        asked.setdefault(text.id, set()).update(blanks(text.languages["en"]))
    complaints = []
    for m in mentions()[0]:
        if m.values is not None and m.maker != "Fact":
            given = {name.removesuffix("_ns") for name in m.values}
            if missing := asked.get(m.id, set()) - given:
                complaints.append(f"{m.place}: {m.id} gives {sorted(given)}, its text asks for {sorted(missing)}")
    complain(complaints)


def test_keys_of_the_catalogue_exist() -> None:
    """``catalogue.text("words.client", "name")``: where key and part are written down, the text is there."""
    known = {(text.id, text.part) for text in texts()}
    asked, complaints = 0, []
    for path, tree in programs().items():
        for call, _, _ in calls_in(tree):
            by_name = all(isinstance(each, ast.Constant) for each in call.args[:2])
            if ast.unparse(call.func).endswith("catalogue.text") and by_name:
                key, part, *_ = [*(str(ast.literal_eval(each)) for each in call.args[:2]), "text", ""]
                asked += 1
                if (key, part) not in known and call.args:
                    complaints.append(f"{path}:{call.lineno}: {key} has no {part}")
    assert asked, "nobody asks the catalogue for a text any more"
    complain(complaints)


def test_every_header_field_has_its_text() -> None:
    """A learner can ask of each field what it is called, what it says and why it is there."""
    parts = {(text.id, text.part) for text in texts()}
    complaints = []
    for stem, protocols in protocol_files().items():
        if stem in NOT_TAUGHT_YET:
            continue
        for protocol in protocols:
            fields = [place.field.id for place in protocol.header.places]
            for id in dict.fromkeys([protocol.name, *fields, *protocol.derived, *protocol.sparse]):
                missing = [part for part in ("name", "what", "why") if (id, part) not in parts]
                if missing:
                    complaints.append(f"{id} ({stem}.py): no {', '.join(missing)}")
    complain(complaints)


def test_every_field_of_the_sample_captures_has_its_text() -> None:
    named = {text.id for text in texts() if text.part == "name"}
    missing: dict[str, str] = {}
    for path in sorted((ROOT / "captures").glob("*.pcap*")):
        with open_capture(str(path)) as source:
            for batch in source:
                for row in range(len(batch)):
                    packet = read_packet(batch.packet(row), int(batch.link_type[row]), int(batch.length[row]))
                    for layer in packet.layers:
                        for id in [layer.protocol, *(field.id for field in layer.fields)]:
                            if id not in named:
                                missing.setdefault(id, f"{path.name} packet {batch.first + row}")
    complain([f"{id}: no name, first met in {place}" for id, place in sorted(missing.items())])
