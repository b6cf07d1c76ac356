from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError
from dmd_runtime.streaming.channel import Channel, ChannelClosed, Latest, Overflow

JOIN = 5.0


def test_capacity_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        Channel("c", 0, Overflow.BLOCK)


@given(items=st.lists(st.integers(), max_size=50), capacity=st.integers(1, 10))
def test_drop_oldest_keeps_the_newest_and_names_the_rest(items: list[int], capacity: int) -> None:
    channel: Channel[int] = Channel("c", capacity, Overflow.DROP_OLDEST)
    for item in items:
        assert channel.put(item)
    channel.close()
    seen: list[int] = []
    with suppress(ChannelClosed):  # the only way out
        while True:
            item, skipped = channel.get()
            seen += [*skipped, item]
    assert seen == items
    assert channel.dropped == max(0, len(items) - capacity)


def test_refuse_returns_false_and_counts() -> None:
    channel: Channel[int] = Channel("c", 1, Overflow.REFUSE)
    assert channel.put(1)
    assert not channel.put(2)
    assert channel.dropped == 1
    assert channel.get() == (1, ())


def test_block_waits_until_there_is_room() -> None:
    channel: Channel[int] = Channel("c", 1, Overflow.BLOCK)
    channel.put(1)
    sender = threading.Thread(target=channel.put, args=(2,))
    sender.start()
    assert channel.get(JOIN)[0] == 1
    assert channel.get(JOIN)[0] == 2
    sender.join(JOIN)
    assert not sender.is_alive()
    assert channel.dropped == 0


def test_close_wakes_a_blocked_sender_who_learns_that_the_item_is_gone() -> None:
    channel: Channel[int] = Channel("c", 1, Overflow.BLOCK)
    channel.put(1)
    results: list[bool] = []
    sender = threading.Thread(target=lambda: results.append(channel.put(2)))
    sender.start()
    channel.close()
    sender.join(JOIN)
    assert results == [False]


def test_get_times_out_on_an_empty_channel() -> None:
    with pytest.raises(TimeoutError):
        Channel("c", 1, Overflow.BLOCK).get(0.0)


def test_closed_channel_is_drained_first() -> None:
    channel: Channel[int] = Channel("c", 2, Overflow.BLOCK)
    channel.put(1)
    channel.close()
    assert channel.get() == (1, ())
    with pytest.raises(ChannelClosed):
        channel.get()


def test_latest_holds_the_newest_value_and_its_version() -> None:
    slot: Latest[str] = Latest()
    assert slot.get() == (0, None)
    slot.put("a")
    slot.put("b")
    assert slot.get() == (2, "b")
