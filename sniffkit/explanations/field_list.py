"""The fields that can be asked for, with their types and meanings in the reader's language (``fields --list``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.language import Language


def lines(patterns: Sequence[str], language: Language) -> Iterator[str]:
    """Yield id, type and name, with tabs between, of each field that fits a pattern (of all, where there is none)."""
    from sniffkit.analysis.tcp.fields import types
    from sniffkit.protocols.field_types import field_types

    catalogue = Catalogue(language)
    known = {**field_types(), **types()}
    for id in sorted(known):
        if not patterns or any(fnmatchcase(id, pattern) for pattern in patterns):
            kind = catalogue.text(f"filter.kind.{known[id].kind.value}", "name")
            yield f"{id}\t{kind}\t{catalogue.find(id, 'name') or '-'}\n"
