"""What libpcap says about a wrong capture filter, by ids of ours: libpcap speaks English only, our readers do not."""

from __future__ import annotations

import re

MESSAGES = (
    (r"syntax error", "live.filter-syntax"),
    (r"expression rejects all packets", "live.filter-rejects-all"),
    (r"unknown (?:ether )?host '(?P<name>[^']*)'", "live.filter-unknown-host"),
    (r"unknown port '(?P<name>[^']*)'", "live.filter-unknown-port"),
    (r"unknown network '(?P<name>[^']*)'", "live.filter-unknown-network"),
    (r"unknown (?:\w+ )?proto(?:col)?:? '?(?P<name>[^']*)", "live.filter-unknown-protocol"),
    (r"illegal port number (?P<number>\d+) > (?P<most>\d+)", "live.filter-number"),
    (r"(?P<number>\d+) greater than maximum (?P<most>\d+)", "live.filter-number"),
    (r"mask length must be <= (?P<most>\d+)", "live.filter-prefix"),
    (r"non-network bits set in \"(?P<name>[^\"]*)\"", "live.filter-network-bits"),
    (r"invalid IPv4 address '(?P<name>[^']*)'", "live.filter-address"),
    (r"illegal link layer address|bogus ethernet address", "live.filter-link-address"),
    (r"data size must be 1, 2, or 4", "live.filter-data-size"),
    (r"modifier applied to|illegal qualifier of", "live.filter-qualifier"),
)
"""Patterns in the messages of libpcap 1.10 (gencode.c, grammar.y), and the id of the text that says the same."""

DISPLAY_FILTER = re.compile(r"\b[a-z]\w*\.[a-z]\w*(\.\w+)*\s*(==|!=|>|<|contains|matches|in\b|eq\b|ne\b|$)|&&.*==")
"""What only a display filter has: a field's name with a dot in it that is compared with something."""


def meaning(text: str, reason: str) -> tuple[str, dict[str, str]]:
    """Return the id of the text for a message of libpcap about the filter ``text``, and the values it names."""
    if "syntax error" in reason and DISPLAY_FILTER.search(text):
        return "live.filter-display", {"filter": text}
    for pattern, id in MESSAGES:
        if found := re.search(pattern, reason):
            return id, found.groupdict()
    return "live.filter", {}
