"""Patterns find what Python's own engine finds, and none of them can run away."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffkit.protocols.linear_regex import PatternError, compile_pattern

PATTERNS = [
    "a+b", "(a+)+$", "^get .*http", "a{2,3}c", "[a-c]+x?y*z", "(ab|cd)*e", r"\bfoo\b.*", "x*", "f*.$", r"\d+\s\w", "a|",
    "[^a]b*", r"\Aab*", r"ab*\Z", "(?:a|b)+?c", "b*$",
]  # fmt: skip


@settings(max_examples=400)
@given(st.sampled_from(PATTERNS), st.text("abcdefxyz GET http\n 12foo", max_size=24))
def test_the_same_is_found_as_by_python(pattern: str, text: str) -> None:
    octets = text.encode()
    assert compile_pattern(pattern)(octets) == bool(re.search(pattern.encode(), octets, re.IGNORECASE))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "a*a*a*a*a*a*a*b", "(a?){40}a{40}b", "(.*.*.*)y"])
def test_no_pattern_runs_away(pattern: str) -> None:
    search = compile_pattern(pattern)
    begin = time.perf_counter()
    search(b"a" * 65_535 + b"!")
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("pattern", ["(", "a{5}{1000}{1000}", r"(a)\1*", "(?=a)b*", "(?<!a)b+", "[", "*"])
def test_what_cannot_be_read_or_would_be_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_case_does_not_matter() -> None:
    assert compile_pattern("get")(b"GET / HTTP")
    assert compile_pattern("HT+P")(b"get / http")
    assert not compile_pattern("[a-z]+ post")(b"GET / HTTP")
