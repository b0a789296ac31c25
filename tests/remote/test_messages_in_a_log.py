"""Messages between the lines of a job's log, whatever else is printed and however it arrives in pieces."""

from hypothesis import given
from hypothesis import strategies as st

from caviar.scheduler.remote.frames import LogReader, Message, messages_of, write_message

CONTENT = {"code": 3, "stdout": "ünd\n" * 9000 + "x", "stderr": ""}


@given(st.lists(st.integers(1, 400), max_size=60), st.booleans())
def test_lines_and_messages_come_out_as_they_were_written_in_any_pieces(sizes: list[int], ended: bool) -> None:
    before = "a line\n\ntwo\n" if ended else "a line\n\ntwo"
    log = (
        before
        + write_message(Message("place", {"directory": "/x"}))
        + "between\n"
        + write_message(Message("result", CONTENT))
    )
    reader, rest = LogReader(), log
    found: list[str | Message] = []
    for size in sizes:
        found += reader.feed(rest[:size])
        rest = rest[size:]
    found += reader.feed(rest)
    lines = [part for part in found if isinstance(part, str)]
    assert lines == ["a line\n", "\ntwo\n", "between\n"]
    assert [part for part in found if isinstance(part, Message)] == [
        Message("place", {"directory": "/x"}),
        Message("result", CONTENT),
    ]
    assert list(reader.end()) == []


def test_a_message_is_in_short_lines_of_its_own() -> None:
    lines = write_message(Message("result", {"stdout": "".join(map(chr, range(0x4E00, 0x9000)))})).splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) < 10_000
    assert lines[0] == ""


def test_a_message_that_was_cut_or_changed_is_none() -> None:
    written = write_message(Message("result", CONTENT))
    assert messages_of(written) == [Message("result", CONTENT)]
    packed = written.strip().rpartition(" ")[2]
    assert messages_of(written.replace(packed, packed[:-8])) == []
    assert messages_of(written.replace(packed, packed[:9] + packed[10:] + packed[9])) == []
    assert messages_of("::caviar result 1/1 00000000 eJw=\n::caviar result 2/2 1 !\n") == []


def test_the_last_line_may_be_without_its_line_feed() -> None:
    reader = LogReader()
    assert list(reader.feed("one\ntwo")) == ["one\n"]
    assert list(reader.end()) == ["two"]
