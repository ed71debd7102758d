"""The text catalogue: every sentence a learner reads, found by its key in the reader's language.

A file of ``texts/`` is read when a key of its subject is first asked for; a key's first word tells the subject.
A missing key or language is an error (KeyError), never a silent fallback.
"""

from __future__ import annotations

import errno
import os
import tomllib
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from sniffkit.explanations.language import Language, counts, duration, in_the_singular

SUBJECTS: dict[str, tuple[str, ...]] = {
    "ah": ("ipv6",),
    "arp": ("arp_table", "arp"),
    "chdlc": ("ppp",),
    "dns": ("dns_resolution", "dns"),
    "eth": ("ethernet",),
    "frame": ("frame_facts", "frame"),
    "erspan": ("gre",),
    "fields": ("filter",),
    "erspan3": ("gre",),
    "geneve": ("overlays",),
    "gtp": ("overlays",),
    "icmp": ("icmp_exchanges", "icmp"),
    "icmpv6": ("icmp_exchanges", "icmpv6"),
    "ieee8021ad": ("vlan",),
    "ieee8021ah": ("vlan",),
    "checksum": ("checksum_facts",),
    "ip": ("ipv4",),
    "ipv6": ("ipv6",),
    "llmnr": ("dns",),
    "loop": ("link",),
    "mdns": ("dns",),
    "null": ("link",),
    "port": ("ports",),
    "pppoe": ("ppp",),
    "pppoes": ("ppp",),
    "pweth": ("mpls",),
    "pwethcw": ("mpls",),
    "raw": ("link",),
    "sll": ("link",),
    "sll2": ("link",),
    "nd": ("neighbour_discovery",),
    "state": ("tcp_states",),
    "teredo": ("overlays",),
    "trailer": ("ethernet",),
    "vxlan": ("overlays",),
    "tcp": ("tcp_phases", "tcp", "tcp_analysis"),
    "udp": ("udp", "datagram_facts"),
    "error": ("errors",),
    "pcapng": ("errors",),
    "pcap": ("errors",),
    "compressed": ("errors",),
    "capture": ("errors",),
    "reason": ("field_reasons",),
}
"""Which files hold keys that begin with a word, where that is not the file of that name."""

_TEXTS = Path(__file__).parent / "texts"

_ENDS = frozenset({"sender", "receiver", "end"})
"""Values that are ends of a connection, said in the reader's language."""


@cache
def read_texts(stem: str) -> dict[str, Any]:
    """Return one file of texts, {} where there is none."""
    try:
        return tomllib.loads((_TEXTS / f"{stem}.toml").read_text("utf-8"))
    except (FileNotFoundError, PermissionError):  # out of reach only after rights were given up, when all is loaded
        return {}


def all_stems() -> list[str]:
    """Return the names of all files of texts."""
    return sorted(file.stem for file in _TEXTS.glob("*.toml"))


class Catalogue:
    """Texts in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._found: dict[tuple[str, str], str | None] = {}
        self._blanks: dict[str, tuple[str, ...]] = {}
        self._counting: set[str] = set()

    def text(self, key: str, part: str = "text", **values: object) -> str:
        """Return a text with its values filled in; a value named ``elapsed_ns`` fills ``{elapsed}`` as a duration.

        Raises KeyError when the key has no such part in this language.
        """
        found = self.find(key, part)
        if found is None:
            raise KeyError(f"{key}.{part}.{self.language}")
        return self.filled(found, **values) if values else found

    def filled(self, text: str, **values: object) -> str:
        """Return a text, or a part of one, with its values filled in."""
        names = self._blanks.get(text)
        if names is None:
            names = self._blanks[text] = tuple({name for _, name, _, _ in Formatter().parse(text) if name})
            if self.language == "en" and counts(text):
                self._counting.add(text)
        shown = {name: self._shown(name, values) for name in names}
        if text in self._counting and any(str(value) == "1" for value in shown.values()):
            text = in_the_singular(text, shown)
        return text.format_map(shown)

    def find(self, key: str, part: str) -> str | None:
        """Return a text as it stands in the file, None where there is none."""
        at = (key, part)
        if at not in self._found:
            self._found[at] = self._look_up(key, part)
        return self._found[at]

    def value(self, field: str, number: int) -> str | None:
        """Return what one value of a field means (``arp.opcode`` 1 is a request), None where no text says it."""
        for stem in _stems(field):
            entry = read_texts(stem).get(field, {}).get("value", {}).get(str(number))
            if entry is not None:
                return str(entry[self.language])
        return None

    def entry(self, key: str) -> dict[str, Any]:
        """Return everything that stands under a key, {} where it is unknown."""
        for stem in _stems(key):
            entry = read_texts(stem).get(key)
            if entry is not None:
                return dict(entry)
        return {}

    def _look_up(self, key: str, part: str) -> str | None:
        text = self.entry(key).get(part)
        if isinstance(text, str):  # the same in every language, such as an RFC's section
            return text
        return None if text is None else str(text[self.language])

    def _shown(self, name: str, values: dict[str, object]) -> object:
        """Return what fills a blank: ``{elapsed}`` is filled by ``elapsed_ns``, as a duration."""
        if name in values:
            value = values[name]
            if name in _ENDS and isinstance(value, str):
                return self.find(f"words.{value}", "text") or value
            if name == "reason" and isinstance(value, str) and self.language != "en":
                return self._refusal(value)
            return self.listed(value) if isinstance(value, tuple) else value
        nanoseconds = values[f"{name}_ns"]
        if nanoseconds is None:  # a packet without a time stamp
            return self.find("words.unknown-time", "text")
        if isinstance(nanoseconds, int) and nanoseconds < 0:
            return self.find("words.backwards", "text")
        return duration(nanoseconds, self.language) if isinstance(nanoseconds, int) else nanoseconds

    def _refusal(self, reason: str) -> str:
        """Return why the operating system refused something; a name may stand before it: ``FILE: Is a directory``."""
        before, colon, said = reason.rpartition(": ")
        found = self.find(f"system.{_errors().get(said)}", "text")
        return f"{before}{colon}{found}" if found else reason

    def listed(self, several: tuple[object, ...]) -> str:
        """Write several things one behind the other; ``…`` as the last stands for more of them."""
        *whole, last = map(str, several or ("",))
        text = (self.find("words.comma", "text") or "").join(whole if last == "…" else [*whole, last])
        return (self.find("words.and-more", "text") or "").format(several=text) if last == "…" else text


@cache
def _errors() -> dict[str, str]:
    """Return the operating system's words for each error -> its name: ``Permission denied`` -> EACCES."""
    return {os.strerror(number): name for number, name in errno.errorcode.items()}


@cache
def _stems(key: str) -> tuple[str, ...]:
    """Return the files that may hold a key, the likeliest first."""
    word = key.partition(".")[0]
    return (*SUBJECTS.get(word, (word,)), "words", "problems")
