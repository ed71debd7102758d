"""The grammar of display filters: what may be written, and the tree it means. Wireshark 4.0's language, in one place.

test       := test "or" test | test "xor" test | test "and" test | "not" test     (weakest first; || ^^ && !)
            | ["any" | "all"] value relation value {relation value}
            | value "in" "{" [-]value [".." value] {"," ...} "}"
            | field                                               the packet has it
            | value & value                                       a bit is set
            | "(" test ")"
relation   := == eq any_eq | === all_eq | != ne all_ne | !== ~= any_ne | > gt | >= ge | < lt | <= le
            | contains | matches ~
value      := value (& | + - | * / %) value | - value | "(" value ")"
            | field [# layer] [slice] | function "(" value {"," value} ")" | literal [slice]
slice      := "[" part {"," part} "]",  part := start | start : length | start - end | : length | start :
literal    := 80 | 0x50 | 0b1010000 | 10.0.0.0/8 | 02:00:00:00:00:01 | 2001:db8::1 | TIME-WAIT | "text" | r"text"
            | 'c'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from sniffkit.errors import UsageError
from sniffkit.protocols.display_filter_tree import (
    TESTS,
    Among,
    Arithmetic,
    Call,
    Comparison,
    FieldName,
    Has,
    Literal,
    Logical,
    Node,
    Not,
    Slice,
)

LONGEST, DEEPEST = 10_000, 200
"""Characters of a filter, and how deep its parentheses may go."""

TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>[rR]?"(?:[^"\\]|\\.)*")
    |(?P<char>'(?:[^'\\]|\\.[0-9a-fA-F]{0,2})')
    |(?P<sign>===|!==|==|!=|~=|>=|<=|&&|\|\||\^\^|\.\.|[!~<>&+*%(){}\[\],\#/-])
    |(?P<word>(?:[A-Za-z0-9_:]|\.(?!\.)|(?<=[A-Za-z0-9])-(?=[A-Za-z0-9])|(?<=[0-9a-fA-F:])/(?=[0-9]))+)
    """,
    re.VERBOSE,
)

SLICE = re.compile(r"\s*(?:(-?\d+)\s*:\s*(\d+)|(-?\d+)\s*-\s*(-?\d+)|:\s*(\d+)|(-?\d+)\s*:|(-?\d+))\s*(?=[,\]])")

SAME = {
    "&&": "and", "||": "or", "^^": "xor", "!": "not", "eq": "==", "any_eq": "==", "===": "all_eq", "ne": "!=",
    "all_ne": "!=", "!==": "any_ne", "~=": "any_ne", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "~": "matches",
}  # fmt: skip
"""Two spellings of one operator."""

LOGICAL = {"or": 10, "xor": 20, "and": 30}
NOT = 40
RELATION = 50
RELATIONS = frozenset({"==", "all_eq", "!=", "any_ne", ">", ">=", "<", "<=", "contains", "matches", "in"})
ARITHMETIC = {"&": 60, "+": 70, "-": 70, "*": 80, "/": 80, "%": 80}
SIGN = 90

CAPTURE_WORDS = frozenset(
    {"host", "port", "net", "portrange", "src", "dst", "proto", "gateway", "greater", "less", "broadcast", "multicast"}
)
"""Words of tcpdump's language, which people try here."""

FULL_WIDTH = range(0xFF01, 0xFF5F)
"""Signs as Chinese and Japanese keyboards write them; the plain one has a code lower by 0xFEE0."""

PLAIN = {"，": ",", "。": ".", "“": '"', "”": '"', "‘": "'", "’": "'", "、": ",", "\u3000": " ", "…": ".."}

WORDS = frozenset({*LOGICAL, "not", "any", "all", *RELATIONS, *SAME})
FUNCTIONS = frozenset({"len", "count", "upper", "lower"})


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a filter: kind is a name of TOKEN's groups, or "end"."""

    kind: str
    text: str
    start: int
    end: int


def read_filter(expression: str) -> Node | None:
    """Return the tree of a filter, None for an empty one; raise UsageError with the place."""
    if len(expression) > LONGEST:
        raise UsageError("filter.too-long", length=len(expression), most=LONGEST)
    parser = _Parser(expression)
    if parser.token.kind == "end":
        return None
    tree = parser.test()
    if parser.token.kind != "end":
        parser.unexpected("operator")
    return tree


class _Parser:
    """Reads from left to right: every operator binds as strongly as the number it has above (Pratt 1973)."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.depth = 0
        self.at = 0
        self.token = self.next_token()

    def next_token(self) -> Token:
        while True:
            if self.at >= len(self.expression):
                return Token("end", "", len(self.expression), len(self.expression))
            found = TOKEN.match(self.expression, self.at)
            if found is None:
                self.no_sign()
            start, self.at = self.at, found.end()
            kind = str(found.lastgroup)
            if kind == "space":
                continue
            text = found.group()
            if kind == "sign" or (kind == "word" and text in WORDS):
                return Token("sign", SAME.get(text, text), start, self.at)
            return Token(kind, text, start, self.at)

    def advance(self) -> Token:
        """Take a token and look at the next."""
        token = self.token
        self.token = self.next_token()
        return token

    def take(self, sign: str) -> bool:
        """Take a sign if it comes next."""
        if self.token.kind == "sign" and self.token.text == sign:
            self.advance()
            return True
        return False

    def expect(self, sign: str) -> Token:
        """Take a sign that must come next."""
        token = self.token
        if not self.take(sign):
            self.unexpected(sign)
        return token

    def fail(self, id: str, start: int, end: int, **values: object) -> NoReturn:
        raise UsageError(id, value=self.expression, place=start, width=max(end - start, 1), **values)

    def no_sign(self) -> NoReturn:
        """Complain of a sign that no filter has; say which one is meant where that is plain."""
        sign, end = self.expression[self.at], self.at + 1
        plain = PLAIN.get(sign) or (chr(ord(sign) - 0xFEE0) if ord(sign) in FULL_WIDTH else "")
        if plain:
            self.fail("filter.full-width", self.at, end, found=sign, plain=plain)
        if sign == "=":
            self.fail("filter.single-equals", self.at, end)
        if sign == '"':
            self.fail("filter.quote-open", self.at, len(self.expression))
        self.fail("filter.character", self.at, end, found=sign)

    def unexpected(self, expected: str) -> NoReturn:
        """Complain of the next token; ``expected`` is a sign, or "value" or "operator"."""
        token = self.token
        before = self.expression[: token.start].split()
        if expected == "operator" and CAPTURE_WORDS & {self.written(token), *before[-1:]}:
            self.fail("filter.capture-language", token.start, token.end, found=self.written(token))
        if token.kind == "end":
            if expected == "value":
                self.fail("filter.end-value", token.start, token.end)
            self.fail("filter.end", token.start, token.end, expected=expected)
        if expected == "value":
            self.fail("filter.value-expected", token.start, token.end, found=self.written(token))
        if expected == "operator":
            self.fail("filter.operator-expected", token.start, token.end, found=self.written(token))
        self.fail("filter.expected", token.start, token.end, found=self.written(token), expected=expected)

    def written(self, token: Token) -> str:
        return self.expression[token.start : token.end]

    def test(self, binding: int = 0) -> Node:
        """Read a test."""
        return self.as_test(self.read(binding))

    def as_test(self, node: Node) -> Node:
        """Return a value as the question whether the packet has it."""
        if isinstance(node, TESTS):
            return node
        if isinstance(node, Literal):
            self.fail("filter.not-a-test", node.start, node.end, found=self.expression[node.start : node.end])
        return Has(node.start, node.end, node)

    def as_value(self, node: Node) -> Node:
        if isinstance(node, TESTS):
            self.fail("filter.not-a-value", node.start, node.end, found=self.expression[node.start : node.end])
        return node

    def read(self, binding: int) -> Node:
        """Read what binds at least as strongly as ``binding``: a test or a value."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail("filter.too-deep", self.token.start, self.token.end, most=DEEPEST)
        left = self.first()
        while self.token.kind == "sign":
            sign = self.token.text
            if sign in LOGICAL and LOGICAL[sign] > binding:
                self.advance()
                right = self.test(LOGICAL[sign])
                left = Logical(left.start, right.end, sign, self.as_test(left), right)
            elif sign in RELATIONS and binding < RELATION:
                left = self.relation(self.as_value(left), None)
            elif sign in ARITHMETIC and ARITHMETIC[sign] > binding:
                self.advance()
                right = self.as_value(self.read(ARITHMETIC[sign]))
                left = Arithmetic(left.start, right.end, sign, self.as_value(left), right)
            else:
                break
        self.depth -= 1
        return left

    def first(self) -> Node:
        """Read what can stand at the beginning of a test or a value."""
        token = self.token
        if self.take("not"):
            test = self.test(NOT)
            return Not(token.start, test.end, test)
        if self.take("("):
            inside = self.read(0)
            self.expect(")")
            return inside
        if self.take("-"):
            value = self.as_value(self.read(SIGN))
            if isinstance(value, Literal) and value.quoted is None:
                return Literal(token.start, value.end, "-" + value.text)
            zero = Literal(token.start, token.end, "0")
            return Arithmetic(token.start, value.end, "-", zero, value)
        if token.kind == "sign" and token.text in ("any", "all"):
            self.advance()
            value = self.as_value(self.read(RELATION))
            if self.token.kind != "sign" or self.token.text not in RELATIONS:
                self.unexpected("==")
            return self.relation(value, token.text == "all")
        if token.kind in ("string", "char", "word"):
            return self.operand()
        self.unexpected("value")

    def operand(self) -> Node:
        """Read a literal, field or function, and the slices behind it."""
        token = self.advance()
        node: Node
        if token.kind == "string":
            node = Literal(token.start, token.end, token.text, unquoted(token.text))
        elif token.kind == "char":
            said = unquoted(token.text)
            if len(said) != 1:
                self.fail("filter.character-constant", token.start, token.end, found=token.text)
            node = Literal(token.start, token.end, token.text, said, char=True)
        elif token.text in FUNCTIONS and self.take("("):
            value = self.as_value(self.read(RELATION))
            node = Call(token.start, self.expect(")").end, token.text, value)
        else:
            node = self.word(token)
        while self.token.kind == "sign" and self.token.text == "[":
            node = self.slice(node)
        return node

    def word(self, token: Token) -> Node:
        """Tell a field from a literal: a field is a name of letters, no address or number."""
        if not re.fullmatch(r"[A-Za-z_][\w]*(\.[\w]+)*", token.text) or token.text in (
            "True",
            "TRUE",
            "False",
            "FALSE",
        ):
            return Literal(token.start, token.end, token.text)
        layer = 0
        if self.token.kind == "sign" and self.token.text == "#":
            self.advance()
            number = self.token
            if number.kind != "word" or not number.text.isdecimal() or not 0 < int(number.text) < 256:
                self.fail("filter.layer", number.start, number.end, found=self.written(number))
            layer = int(self.advance().text)
        return FieldName(token.start, token.end, token.text, layer)

    def slice(self, value: Node) -> Node:
        """Read ``[...]``, in which signs mean something else; the parser stands at the bracket."""
        parts: list[tuple[int, int]] = []
        at = self.token.end
        while True:
            found = SLICE.match(self.expression, at)
            if found is None:
                self.fail("filter.slice", at, at + 1)
            first, length, begin, end, only_length, rest, single = found.groups()
            if max(len(part or "") for part in found.groups()) > 9:
                self.fail("filter.slice", at, found.end())
            if first is not None:
                parts.append((int(first), int(length)))
            elif begin is not None:
                parts.append((int(begin), int(end) - int(begin) + 1))
            elif only_length is not None:
                parts.append((0, int(only_length)))
            elif rest is not None:
                parts.append((int(rest), -1))
            else:
                parts.append((int(single), 1))
            if parts[-1][1] == 0 or parts[-1][1] < -1:
                self.fail("filter.slice", at, found.end())
            at = found.end() + 1
            if self.expression[at - 1] == "]":
                break
        self.at = at
        self.token = self.next_token()
        return Slice(value.start, at, value, tuple(parts))

    def relation(self, left: Node, every: bool | None) -> Node:
        """Read one comparison, or a chain: ``a < b < c`` says both."""
        found: Node | None = None
        while self.token.kind == "sign" and self.token.text in RELATIONS:
            sign = self.advance().text
            this: Node
            if sign == "in":
                ranges, end = self.ranges()
                this, right = Among(left.start, end, left, ranges, bool(every)), left
            else:
                right = self.as_value(self.read(RELATION))
                this = Comparison(left.start, right.end, sign, left, right, every)
            found = this if found is None else Logical(found.start, this.end, "and", found, this)
            left = right
        assert found is not None
        return found

    def ranges(self) -> tuple[tuple[tuple[Node, Node | None], ...], int]:
        """Read ``{80, 443, 8000..8080}``."""
        self.expect("{")
        found: list[tuple[Node, Node | None]] = []
        while True:
            low = self.as_value(self.read(RELATION))
            high = self.as_value(self.read(RELATION)) if self.take("..") else None
            found.append((low, high))
            if not self.take(","):
                break
        return tuple(found), self.expect("}").end


ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


def unquoted(text: str) -> str:
    r"""Return what a string in quotes says: ``\"``, ``\n``, ``\x41`` stand for one character, in r"..." for themselves.

    Characters from \x80 to \xff stand for that octet.
    """
    if text[0] in "rR":
        return text[2:-1]

    def one(found: re.Match[str]) -> str:
        code = found.group(1)
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        return ESCAPES.get(code, code)

    return re.sub(r"\\(x[0-9a-fA-F]{1,2}|.)", one, text[1:-1], flags=re.DOTALL)
