"""The fields that can be asked for, with their types and meanings in the reader's language (``fields --list``)."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from sniffkit.errors import UsageError
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.language import Language
from sniffkit.explanations.lesson import Table


def listed(patterns: Sequence[str], language: Language) -> Table:
    """Return id, type and name of each field that fits a pattern (of all, where there is none).

    A pattern without a wildcard that is no field means the fields below it: ``tcp`` stands for ``tcp.*``. Raises
    UsageError where a pattern fits none.
    """
    from sniffkit.analysis.tcp.fields import types
    from sniffkit.protocols.field_types import field_types

    catalogue = Catalogue(language)
    known = {**field_types(), **types()}
    chosen: set[str] = set() if patterns else set(known)
    for pattern in patterns:
        found = {id for id in known if fnmatchcase(id, pattern)} or {id for id in known if id.startswith(f"{pattern}.")}
        if not found:
            raise UsageError("fields.list-none", pattern=pattern)
        chosen |= found
    rows = []
    for id in sorted(chosen):
        kind = catalogue.text(f"filter.kind.{known[id].kind.value}", "name")
        rows.append((id, kind, catalogue.find(id, "name") or "-"))
    headings = tuple(catalogue.text(f"fields.list.{name}") for name in ("field", "type", "meaning"))
    return Table("", headings, tuple(rows))
