"""The operands of a display filter: what stands at either side of a comparison, with its type, ready to be read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from sniffkit.errors import UsageError
from sniffkit.protocols import filter_values
from sniffkit.protocols.display_filter_tree import Arithmetic, Call, FieldName, Literal, Node, Slice
from sniffkit.protocols.field_types import EITHER, FieldType, Kind, field_types, protocol_names
from sniffkit.protocols.filter_literals import NUMBERS, OCTETS, TIMES, Network, value_of
from sniffkit.protocols.filter_values import calculated, paired

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.batch_fields import BatchFields

    Found = tuple[NDArray[np.int64], Any]

SLICEABLE = frozenset({*OCTETS, Kind.TEXT, Kind.MAC, Kind.IPV4, Kind.IPV6})

HEXADECIMAL = -1
"""``FieldType.digits`` of octets turned into a number: what stands beside them is read as octets, too."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a filter: its type, and how it is read: the packets it is in and the values."""

    type: FieldType
    read: Callable[[BatchFields], Found]


class Operands:
    """Compiles the operands of one filter.

    fields: the ids that were met
    """

    def __init__(self, expression: str, more: Mapping[str, FieldType]) -> None:
        self.expression = expression
        self.more = more
        self.fields: set[str] = set()

    def fail(self, id: str, node: Node, **values: object) -> NoReturn:
        """Complain of a part of the filter."""
        raise UsageError(id, value=self.expression, place=node.start, width=max(node.end - node.start, 1), **values)

    def written(self, node: Node) -> str:
        """Return a part as it was written."""
        return self.expression[node.start : node.end]

    def type(self, id: str, node: Node) -> FieldType:
        """Return the type of a field, or complain and name the nearest."""
        known = self.more.get(id) or field_types().get(id)
        if known is None and id in protocol_names():
            known = FieldType(id, Kind.PROTOCOL, id)
        if known is None:
            names = [*field_types(), *self.more, *protocol_names()]
            near = difflib.get_close_matches(id, names, 1, 0.6)
            if near:
                self.fail("filter.unknown-field-near", node, field=id, near=near[0])
            self.fail("filter.unknown-field", node, field=id)
        self.fields.add(id)
        return known

    def is_field(self, id: str) -> bool:
        """Tell whether there is such a field or protocol."""
        return id in self.more or id in field_types() or id in protocol_names()

    def value(self, node: Node) -> Value:
        """Compile a value that has a type of its own."""
        if isinstance(node, FieldName):
            return self._field(node)
        if isinstance(node, Slice):
            value = self.in_octets(node.value)
            if value.type.kind not in SLICEABLE:
                self.fail("filter.no-slice", node, field=self.written(node.value))
            parts, kind = node.parts, value.type.kind

            def read(fields: BatchFields) -> Found:
                packet, values = value.read(fields)
                there, slices = filter_values.sliced(filter_values.octets_of(values, kind), parts)
                return packet[there], slices

            return Value(FieldType(self.written(node), Kind.OCTETS, value.type.protocol), read)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Arithmetic):
            return self._arithmetic(node)
        self.fail("filter.no-field", node, found=self.written(node))

    def in_octets(self, node: Node) -> Value:
        """Compile a value whose octets are looked at one by one: of a protocol these are its header."""
        value = self.value(node)
        if value.type.kind is not Kind.PROTOCOL or not isinstance(node, FieldName) or node.layer:
            return value
        id = node.id

        def read(fields: BatchFields) -> Found:
            found = fields.header(id)
            return found.packet, found.values

        return Value(value.type, read)

    def _field(self, node: FieldName) -> Value:
        field, layer, id = self.type(node.id, node), node.layer, node.id

        def read(fields: BatchFields) -> Found:
            found = fields.occurrences(id)
            return found.packet, found.values

        def read_layer(fields: BatchFields) -> Found:
            import numpy as np

            found = fields.occurrences(id)
            first = np.searchsorted(found.packet, found.packet)
            nth = (np.arange(len(found)) - first) // (2 if id in EITHER else 1)
            at = np.flatnonzero(nth == layer - 1)
            return found.packet[at], found.values[at]

        return Value(field, read_layer if layer else read)

    def _call(self, node: Call) -> Value:
        value = self.in_octets(node.value)
        kind = value.type.kind
        name = self.written(node)
        if node.function == "count":

            def count(fields: BatchFields) -> Found:
                import numpy as np

                return np.unique(value.read(fields)[0], return_counts=True)

            return Value(FieldType(name, Kind.UNSIGNED, value.type.protocol), count)
        if node.function == "len":
            if kind not in SLICEABLE:
                self.fail("filter.no-octets-to-count", node.value, field=self.written(node.value))

            def length(fields: BatchFields) -> Found:
                packet, values = value.read(fields)
                return packet, filter_values.octets_of(values, kind).length

            return Value(FieldType(name, Kind.UNSIGNED, value.type.protocol), length)
        if kind is not Kind.TEXT:
            self.fail("filter.not-a-text", node.value, field=self.written(node.value))
        change = str.upper if node.function == "upper" else str.lower

        def changed(fields: BatchFields) -> Found:
            packet, values = value.read(fields)
            values = values.copy()
            values[:] = [change(text) for text in values.tolist()]
            return packet, values

        return Value(replace(value.type, id=name, names=()), changed)

    def _arithmetic(self, node: Arithmetic) -> Value:
        left, right = node.left, node.right
        turned = self.is_literal(left)
        if turned and self.is_literal(right):
            self.fail("filter.no-field", node, found=self.written(node))
        value = self._numbers(self.value(right if turned else left), right if turned else left)
        sign = node.sign
        other: Value | int
        if turned or self.is_literal(right):
            other = self._number(left if turned else right, value.type)
            if sign in "/%" and not turned and other == 0:
                self.fail("filter.division-by-zero", right)
        else:
            other = self._numbers(self.value(right), right)

        def read(fields: BatchFields) -> Found:
            packet, values = value.read(fields)
            if isinstance(other, Value):
                packet, one, two = paired((packet, values), other.read(fields))
                return calculated(sign, packet, one, two)
            return calculated(sign, packet, other, values) if turned else calculated(sign, packet, values, other)

        return Value(replace(value.type, id=self.written(node), bits=64), read)

    def _numbers(self, value: Value, node: Node) -> Value:
        """Return a value as one that can be calculated with."""
        kind = value.type.kind
        if kind is Kind.FLAG:
            self.fail("filter.flag-arithmetic", node, field=self.written(node))
        if kind in (*NUMBERS, *TIMES, Kind.IPV4):
            return value
        if kind is not Kind.OCTETS:
            self.fail("filter.no-arithmetic", node, field=self.written(node))

        def read(fields: BatchFields) -> Found:
            packet, values = value.read(fields)
            return packet, filter_values.as_numbers(values)

        return Value(replace(value.type, kind=Kind.UNSIGNED, bits=64, digits=HEXADECIMAL), read)

    def _number(self, node: Node, like: FieldType) -> int:
        """Return a literal that is calculated with."""
        found = self.literal(node, like)
        return found.address if isinstance(found, Network) else int(found)

    def is_literal(self, node: Node) -> bool:
        """Tell whether a part is a value as written, or a sum of such."""
        if isinstance(node, Literal):
            return True
        return isinstance(node, Arithmetic) and self.is_literal(node.left) and self.is_literal(node.right)

    def literal(self, node: Node, like: FieldType) -> Any:
        """Return what a literal, or a sum of literals, means where a value of some type stands beside it."""
        if isinstance(node, FieldName):
            node = Literal(node.start, node.end, node.id)
        if isinstance(node, Literal):
            if like.digits == HEXADECIMAL and like.kind is Kind.UNSIGNED:
                return int.from_bytes(value_of(node, replace(like, kind=Kind.OCTETS), self.expression))
            return value_of(node, like, self.expression)
        if isinstance(node, Arithmetic) and like.kind in (*NUMBERS, *TIMES):
            _, found = calculated(node.sign, None, self._number(node.left, like), self._number(node.right, like))
            return int(found)
        self.fail("filter.no-value", node, found=self.written(node), field=like.id)

    def is_value_beside(self, node: Node, beside: Node) -> bool:
        """Tell whether a part of a comparison is a value, as a word can be that looks like a field's name."""
        if not isinstance(node, FieldName):
            return self.is_literal(node)
        if not isinstance(beside, FieldName) or not self.is_field(beside.id):
            return not self.is_field(node.id) and not self.is_literal(beside) and not isinstance(beside, FieldName)
        if self.is_field(node.id):
            # a protocol's name beside a field with fixed values (tcp.phase == data) is one of them
            return node.id in protocol_names() and bool(self.type(beside.id, beside).names)
        # a word with dots can only be the value of a text (dns.qry.name == example.com), else it is a field misspelt
        return "." not in node.id or self.type(beside.id, beside).kind in (Kind.TEXT, Kind.OCTETS, Kind.MAC)
