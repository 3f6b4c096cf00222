from hypothesis import given
from hypothesis import strategies as st

from reporter.isolate.capped_log import CappedLog


def test_a_short_stream_is_kept_whole():
    log = CappedLog(limit_bytes=10)
    log.add(b"01234")
    log.add(b"56789")
    assert log.text() == "0123456789"
    assert log.length() == 10


def test_of_a_long_stream_the_beginning_and_the_end_are_kept():
    log = CappedLog(limit_bytes=10)
    for digit in b"0123456789abcdef":
        log.add(bytes([digit]))
    # 16 bytes, 5 + 5 kept, 16 - 10 = 6 not
    assert log.text() == "01234\n[6 bytes left out]\nbcdef"


def test_what_is_not_text_is_shown_as_such():
    log = CappedLog()
    log.add(b"\xff ok")
    assert log.text() == "\N{REPLACEMENT CHARACTER} ok"


@given(st.lists(st.binary(max_size=9)), st.integers(0, 40))
def test_reading_from_a_place_on_gives_what_came_after_it(chunks, since):
    log = CappedLog(limit_bytes=8)
    for chunk in chunks:
        log.add(bytes(byte % 26 + 97 for byte in chunk))
    stream = b"".join(bytes(byte % 26 + 97 for byte in chunk) for chunk in chunks).decode()
    wanted = stream[since:]
    text = log.text(since)
    assert log.length() == len(stream)
    if "left out" not in text:
        assert text == wanted
    else:
        head, gap, tail = text.split("\n")
        left_out = int(gap.split()[0].lstrip("["))
        assert wanted == head + wanted[len(head) : len(head) + left_out] + tail
        assert len(head) + left_out + len(tail) == len(wanted)
        assert len(head) + len(tail) <= 8
