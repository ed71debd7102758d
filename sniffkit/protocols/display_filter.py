"""Display filters: ``tcp.flags.syn == 1 && ip.ttl < 64`` tells which packets of a batch are meant, all at once.

The language is Wireshark 4.0's (``display_filter_grammar``), with ours on top where somebody offers more fields. A
filter reads only the columns it names, and of ``a && b`` nothing of ``b`` where no packet has ``a``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sniffkit.protocols import filter_values
from sniffkit.protocols.display_filter_grammar import read_filter
from sniffkit.protocols.display_filter_tree import (
    Among,
    Arithmetic,
    Comparison,
    FieldName,
    Has,
    Literal,
    Logical,
    Node,
    Not,
)
from sniffkit.protocols.field_types import FieldType, Kind
from sniffkit.protocols.filter_literals import NUMBERS, OCTETS, TIMES, in_octets, value_of
from sniffkit.protocols.filter_operands import SLICEABLE, Operands, Value
from sniffkit.protocols.filter_values import paired, widened
from sniffkit.protocols.linear_regex import PatternError, compile_pattern

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.batch_fields import BatchFields

    Mask = NDArray[np.bool_]
    Test = Callable[[BatchFields], Mask]
    Found = tuple[NDArray[np.int64], Any]

BY_DEFAULT_EVERY = frozenset({"!=", "all_eq"})
"""Comparisons that all occurrences of a field must pass; any other needs one that does."""

SEARCHABLE = frozenset({*OCTETS, Kind.TEXT})


BACKSLASH = re.compile(r'\\(["\\])')
"""In a pattern between quotes only these two lose their backslash; \\d and \\. stay as they are."""

TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


class DisplayFilter:
    """A filter ready for use.

    fields: the ids it names
    """

    def __init__(self, expression: str, more: Mapping[str, FieldType] | None = None) -> None:
        """Read a filter; raise UsageError, with the place, where it is wrong.

        more: fields beside those of the protocols (``tcp.stream``, ``tcp.phase`` ...)
        """
        self.expression = expression
        self._operands = Operands(expression, more or {})
        self.fields = self._operands.fields
        tree = read_filter(expression)
        self._test: Test | None = None if tree is None else self._compiled(tree)

    def matching(self, fields: BatchFields) -> Mask:
        """Return which packets of a batch are meant, bool (n,)."""
        import numpy as np

        return np.ones(len(fields), np.bool_) if self._test is None else self._test(fields)

    # From the tree to functions

    def _compiled(self, node: Node) -> Test:
        operands = self._operands
        if isinstance(node, Logical):
            return logical(node.sign, self._compiled(node.left), self._compiled(node.right))
        if isinstance(node, Not):
            test = self._compiled(node.test)
            return lambda fields: ~test(fields)
        if isinstance(node, Comparison):
            return self._comparison(node)
        if isinstance(node, Among):
            return self._among(node)
        assert isinstance(node, Has)
        value = operands.value(node.value)
        if isinstance(node.value, Arithmetic):
            return lambda fields: any_of(fields, *nonzero(value.read(fields)))
        return lambda fields: any_of(fields, value.read(fields)[0], None)

    # Comparisons

    def _comparison(self, node: Comparison) -> Test:
        operands = self._operands
        left, right, sign = node.left, node.right, node.sign
        every = sign in BY_DEFAULT_EVERY if node.every is None else node.every
        if sign in ("contains", "matches"):
            return self._search(node, every)
        if operands.is_value_beside(left, right) and not operands.is_value_beside(right, left):
            left, right, sign = right, left, TURNED.get(sign, sign)
        value = operands.value(left)
        if value.type.kind is Kind.LABEL:
            operands.fail("filter.not-comparable", left, field=operands.written(left), found=operands.written(right))
        if operands.is_value_beside(right, left):
            other, kind = operands.literal(right, value.type), value.type.kind

            def test(fields: BatchFields) -> Mask:
                packet, values = value.read(fields)
                return reduced(fields, packet, filter_values.compare(values, kind, sign, other), every)

            return test
        return self._two_fields(value, operands.value(right), sign, every, node)

    def _two_fields(self, one: Value, two: Value, sign: str, every: bool, node: Comparison) -> Test:
        operands = self._operands
        kinds = {one.type.kind, two.type.kind}
        kind = one.type.kind
        if kinds <= set(NUMBERS) or kinds <= set(TIMES) or len(kinds) == 1:
            as_octets = kind in OCTETS
        elif kinds <= SLICEABLE and kinds & set(OCTETS):
            as_octets = True
        else:
            operands.fail(
                "filter.kinds-differ",
                node,
                one=operands.written(node.left),
                two=operands.written(node.right),
            )
        operate = filter_values.OPERATORS[sign]
        kind_of_two = two.type.kind

        def test(fields: BatchFields) -> Mask:
            import numpy as np

            first, second = one.read(fields), two.read(fields)
            if as_octets:
                first = (first[0], filter_values.octets_of(first[1], kind))
                second = (second[0], filter_values.octets_of(second[1], kind_of_two))
            packet, left, right = paired(first, second)
            if as_octets:
                good = np.array([operate(left.octets(at), right.octets(at)) for at in range(len(packet))], np.bool_)
            elif kind is Kind.IPV6:
                left, right = (side.astype(">u8").view("S16").reshape(-1) for side in (left, right))
                good = operate(left, right)
            else:
                good = operate(widened(left), widened(right)).astype(np.bool_)
            return reduced(fields, packet, good, every)

        return test

    def _search(self, node: Comparison, every: bool) -> Test:
        operands = self._operands
        value = operands.value(node.left)
        kind, right = value.type.kind, node.right
        if kind not in SEARCHABLE and not (node.sign == "contains" and kind is Kind.MAC):
            operands.fail("filter.not-searchable", node.left, field=operands.written(node.left), sign=node.sign)
        if isinstance(right, FieldName):
            right = Literal(right.start, right.end, right.id)
        if not isinstance(right, Literal):
            operands.fail("filter.text-expected", right, found=operands.written(right), sign=node.sign)
        search: Callable[[Any], Mask]
        if node.sign == "matches":
            if right.quoted is None:
                operands.fail("filter.text-expected", right, found=operands.written(right), sign=node.sign)
            pattern = right.text[2:-1] if right.text[0] in "rR" else BACKSLASH.sub(r"\1", right.text[1:-1])
            try:
                found = compile_pattern(pattern)
            except PatternError as error:
                operands.fail("filter.pattern", right, reason=error.args[0])
            search = lambda values: filter_values.matches(values, found)  # noqa: E731
        else:
            like = value.type if kind is not Kind.MAC else replace(value.type, kind=Kind.OCTETS)
            wanted = value_of(right, like, self.expression)
            octets = in_octets(wanted) if isinstance(wanted, str) and right.quoted is not None else wanted
            octets = octets.encode() if isinstance(octets, str) else octets
            search = lambda values: filter_values.contains(values, kind, octets)  # noqa: E731

        def test(fields: BatchFields) -> Mask:
            packet, values = value.read(fields)
            return reduced(fields, packet, search(values), every)

        return test

    def _among(self, node: Among) -> Test:
        operands = self._operands
        value = operands.value(node.value)
        kind = value.type.kind
        if kind is Kind.LABEL:
            operands.fail("filter.not-comparable", node.value, field=operands.written(node.value), found="{…}")
        ranges = [
            (
                operands.literal(low, value.type),
                None if high is None else operands.literal(high, value.type),
            )
            for low, high in node.ranges
        ]

        def test(fields: BatchFields) -> Mask:
            packet, values = value.read(fields)
            good: Any = None
            for low, high in ranges:
                if high is None:
                    this = filter_values.compare(values, kind, "==", low)
                else:
                    this = filter_values.compare(values, kind, ">=", low)
                    this = this & filter_values.compare(values, kind, "<=", high)
                good = this if good is None else good | this
            return reduced(fields, packet, good, node.every)

        return test


def logical(sign: str, left: Test, right: Test) -> Test:
    """Join two tests; the second is not asked where the first has decided all packets."""

    def both(fields: BatchFields) -> Mask:
        first = left(fields)
        return first & right(fields) if first.any() else first

    def either(fields: BatchFields) -> Mask:
        first = left(fields)
        return first if first.all() else first | right(fields)

    def one_of(fields: BatchFields) -> Mask:
        return left(fields) ^ right(fields)

    return {"and": both, "or": either, "xor": one_of}[sign]


def any_of(fields: BatchFields, packet: NDArray[np.int64], good: Mask | None) -> Mask:
    """Return the packets in which a value is there (and good)."""
    import numpy as np

    found = np.zeros(len(fields), np.bool_)
    found[packet if good is None else packet[good]] = True
    return found


def reduced(fields: BatchFields, packet: NDArray[np.int64], good: Mask, every: bool) -> Mask:
    """Return the packets of which any value is good, or every one (and there is one)."""
    found = any_of(fields, packet, None if every else good)
    if every:
        found[packet[~good]] = False
    return found


def nonzero(found: Found) -> tuple[NDArray[np.int64], Mask]:
    """Tell which numbers are not 0."""
    packet, values = found
    return packet, values != 0
