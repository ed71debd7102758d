"""Answers told in bulk say what is said of them one by one, on hostile packets too."""

from __future__ import annotations

import random

import pytest

from sniffkit.analysis.dns.listing import DnsListing
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.dns_plain import PlainAnswers
from sniffkit.explanations.dns_words import DnsWords
from sniffkit.explanations.told_briefly import IN_FULL
from sniffkit.protocols.columns import Columns
from tests.analysis.dns.test_listing import some_packets
from tests.analysis.messages import batches


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_plain_answer_reads_the_same_either_way(language: str) -> None:
    """The catalogue's sentences, filled by columns and by facts."""
    assert language in ("en", "zh")
    told = 0
    for seed in range(12):
        catalogue = Catalogue(language)  # type: ignore[arg-type]
        words = DnsWords(catalogue)
        words.first_ns = 0
        listing = DnsListing()
        made = batches(some_packets(random.Random(seed), 250), 60)
        runs = [run for batch in made for run in listing.feed(Columns(batch))] + list(listing.finish())
        plain = PlainAnswers(words.briefly.sentence, catalogue, 0)
        for run in runs:
            for at, lesson in enumerate(plain.of(run.pairs) if len(run.pairs) else []):
                exchange = run.pairs.exchange(at)
                one_by_one = [words.lesson(exchange) for _ in range(IN_FULL + 1)][-1]  # the lesson is given by then
                if lesson is not None:
                    assert lesson == one_by_one
                    told += 1
    assert told > 40
