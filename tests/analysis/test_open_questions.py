"""What may still be answered is kept; what is too old, or one too many, is let go in its turn."""

from __future__ import annotations

from dataclasses import dataclass

from sniffkit.analysis.open_questions import OpenQuestions, elapsed
from sniffkit.sources.batch import NO_TIME


@dataclass
class Asked:
    name: str
    last_ns: int = 0


def test_old_questions_go_first_and_in_order() -> None:
    gone: list[str] = []
    questions: OpenQuestions[Asked] = OpenQuestions(leave=lambda record: gone.append(record.name), linger_ns=10)
    first, second = Asked("first", 0), Asked("second", 5)
    questions.add(first, "a")
    questions.add(second, "b", "also b")
    questions.tick(10)
    assert questions.find("a") is first
    questions.tick(11)
    assert questions.find("a") is None
    assert questions.find("also b") is second
    assert questions.take() == [first]
    assert questions.take() == []
    assert questions.finish() == [second]
    assert gone == ["first", "second"]


def test_an_older_question_under_the_same_key_is_handed_out_all_the_same() -> None:
    questions: OpenQuestions[Asked] = OpenQuestions()
    older, newer = Asked("older"), Asked("newer")
    questions.add(older, "key")
    questions.add(newer, "key")
    assert questions.find("key") is newer
    assert questions.finish() == [older, newer]


def test_there_are_never_more_than_allowed() -> None:
    questions: OpenQuestions[Asked] = OpenQuestions(keep=False, most=100)
    for number in range(1000):
        questions.add(Asked(str(number)), number)
        questions.tick(0)
    assert len(questions) == 100
    assert questions.find(899) is None
    assert questions.find(900) is not None
    assert questions.finish() == []


def test_a_clock_set_back_makes_nothing_old() -> None:
    questions: OpenQuestions[Asked] = OpenQuestions(linger_ns=10)
    questions.add(Asked("now", 1000), "key")
    questions.tick(5)
    questions.tick(NO_TIME)
    assert questions.find("key") is not None


def test_without_a_time_stamp_nothing_is_known_to_pass() -> None:
    assert elapsed(NO_TIME, 5) is None
    assert elapsed(5, NO_TIME) is None
    assert elapsed(7, 5) == 2
