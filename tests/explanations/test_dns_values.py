"""Every record type, response code, operation and flag of DNS met in practice has its words in both languages."""

from __future__ import annotations

import pytest

from sniffkit.explanations.catalogue import Catalogue
from sniffkit.protocols.dns_data import Rcode, Type

QUESTIONS_ONLY = {Type.IXFR, Type.AXFR, Type.ANY}
OPERATIONS = (0, 1, 2, 4, 5, 6)
FLAGS = (
    "response", "authoritative", "truncated", "recdesired", "recavail", "z", "authenticated", "checkdisable",
    "conflict", "tentative",
)  # fmt: skip


def values() -> list[tuple[str, int]]:
    """Return all fields with the values that must be said."""
    found = [("dns.qry.type", int(kind)) for kind in Type]
    found += [("dns.resp.type", int(kind)) for kind in Type if kind not in QUESTIONS_ONLY]
    found += [("dns.flags.rcode", int(code)) for code in Rcode]
    found += [("dns.flags.opcode", number) for number in OPERATIONS]
    return found + [(f"dns.flags.{name}", bit) for name in FLAGS for bit in (0, 1)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_value_has_its_words(language: str) -> None:
    catalogue = Catalogue(language)  # type: ignore[arg-type]
    said = {value: catalogue.value(*value) for value in values()}
    assert [value for value, text in said.items() if not text] == []
    if language == "zh":
        assert [value for value, text in said.items() if text and text.isascii()] == []


def test_a_type_is_called_alike_in_question_and_answer() -> None:
    for language in ("en", "zh"):
        catalogue = Catalogue(language)  # type: ignore[arg-type]
        for kind in set(Type) - QUESTIONS_ONLY:
            name = catalogue.value("dns.qry.type", kind)
            assert name == catalogue.value("dns.resp.type", kind)
            assert name is not None
            assert kind.name in name
