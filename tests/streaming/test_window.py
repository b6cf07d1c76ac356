from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.config import SessionConfig
from dmd_runtime.features.base import Recipe
from dmd_runtime.messages import FOREVER, FeatureBlock, Span, SpeechActivity, Window, WindowRows
from dmd_runtime.modality import MODALITIES
from dmd_runtime.streaming.window import WindowBuilder, covered
from tests.messages_factory import A, L, V, block, recipe, speech

CONFIG = SessionConfig.load().window
FACES = np.arange(0, 12, 1 / 15)
HOPS = np.arange(0.02, 12, 0.02)


def builder(absent: dict | None = None) -> WindowBuilder:
    return WindowBuilder(CONFIG, recipe(), absent)


def full(b: WindowBuilder) -> WindowBuilder:
    for message in (block(V, FACES), block(A, HOPS), block(L, (1.0, 3.0), ends=(1.5, 3.5)), speech((0.5, 11.0))):
        b.add(message)
    return b


def test_windows_tile_time() -> None:
    b = full(builder())
    spans = [b.build().span for _ in range(6)]
    assert spans == [(0, 2), (0, 2.5), (0, 3), (0, 3.5), (0, 4), (0.5, 4.5)]


def test_a_full_window_covers_everything() -> None:
    window = full(builder()).build()
    assert window.coverage == {L: 0.25, V: 1.0, A: 1.0}
    assert window.present == {L: True, V: True, A: True}
    assert window.reason == ""
    assert window.speech == 0.75


def test_rows_of_a_fixed_rate_keep_their_place_and_are_left_padded() -> None:
    b = builder()
    b.add(block(V, (0.0, 1.0)))
    window = b.build()  # ends at 2.0: slot 0 is -2.0 s
    assert np.flatnonzero(window.mask[V]).tolist() == [30, 45]
    assert window.features[V][45, 0] == 1.0


def test_tokens_are_packed_to_the_right_and_the_newest_win() -> None:
    b = builder()
    times = np.linspace(0.1, 1.9, 10)
    b.add(block(L, times))
    window = b.build()
    assert window.mask[L].all()
    np.testing.assert_allclose(window.features[L][:, 0], times[2:].astype(np.float32))


@given(cut=st.floats(0.1, 1.9))
def test_a_missing_face_is_masked_where_it_is_missing(cut: float) -> None:
    seen = FACES[cut > FACES]
    b = builder()
    b.add(block(V, seen, due=FACES))
    window = b.build()
    assert window.mask[V].sum() == len(seen)
    assert window.coverage[V] == pytest.approx(len(seen) / 30)
    assert not window.features[V][~window.mask[V]].any()


def test_a_face_that_left_is_missing_and_the_reason_says_since_when() -> None:
    b = full(builder())
    b = builder()
    b.add(block(V, FACES[FACES < 1.0], due=FACES))
    b.add(block(A, HOPS))
    b.add(speech((0.0, 12.0)))
    windows = [b.build() for _ in range(8)]
    assert windows[-1].span.end == 5.5
    assert windows[-1].present == {L: False, V: False, A: True}
    assert windows[-1].reason == "no words, no face for 5 s, voice only"


def test_silence_is_missing_voice_not_neutral_voice() -> None:
    b = builder()
    for message in (block(V, FACES), block(A, HOPS), block(L), speech()):
        b.add(message)
    window = b.build()
    assert window.coverage[A] == 1.0
    assert window.speech == 0.0
    assert window.present == {L: False, V: True, A: False}
    assert window.reason == "silence, face only"


def test_lost_sound_is_no_silence() -> None:
    b = builder()
    b.add(block(A, HOPS[:10], due=HOPS))
    b.add(speech((0, 12)))
    window = b.build()
    assert not window.present[A]
    assert "no sound" in window.reason


def test_a_device_that_sends_nothing_counts_as_missing() -> None:
    b = builder()
    b.add(block(V, FACES[FACES < 0.5]))
    assert b.build().coverage[V] == pytest.approx(8 / (8 + 15 * (2 - 7 / 15)))


def test_an_absent_modality_holds_nothing_up_and_names_its_reason() -> None:
    b = builder({V: "no camera", L: "no speech model"})
    b.add(block(A, HOPS))
    b.add(speech((0, 12)))
    assert all(b.settled.values())
    assert b.build().reason == "no speech model, no camera, voice only"


def test_words_revised_replace_what_was_said_before() -> None:
    b = builder()
    b.add(block(L, (0.5, 1.0), ends=(0.7, 1.2), settled_until=0.0))
    b.add(block(L, (0.6,), ends=(0.9,), replaces_from=0.5))
    window = b.build()
    assert window.features[L][window.mask[L], 0].tolist() == pytest.approx([0.6])
    assert window.coverage[L] == pytest.approx(0.15)


def test_settled_needs_features_and_voice_activity_of_the_sound() -> None:
    b = builder()
    b.add(block(A, HOPS))
    assert not b.settled[A]
    b.add(speech())
    assert b.settled[A]


@given(
    times=st.lists(st.floats(0, 10), min_size=1, max_size=40, unique=True),
    ends_after=st.floats(0, 1),
    windows=st.integers(1, 10),
)
def test_nothing_past_the_end_of_a_window_is_used(times: list[float], ends_after: float, windows: int) -> None:
    times = sorted(times)
    b = builder()
    b.add(block(A, times, ends=[t + ends_after for t in times]))
    b.add(block(L, times, ends=[t + ends_after for t in times]))
    for _ in range(windows):
        window = b.build()
        for m in (A, L):
            used = window.features[m][window.mask[m], 0]
            assert (used + ends_after <= window.span.end + 1e-4).all()
            assert (used >= window.span.start - 1e-4).all()


Messages = list[FeatureBlock | SpeechActivity]


def _stream(cuts: list[float]) -> Messages:
    """The same content in pieces that end at ``cuts``."""
    bounds = [0.0, *sorted(cuts), FOREVER]
    messages: Messages = []
    for start, end in pairwise(bounds):
        for m, times in ((V, FACES), (A, HOPS), (L, np.arange(0.3, 12, 0.7))):
            inside = times[(times >= start) & (times < end)]
            messages.append(block(m, inside, settled_until=end))
    messages.append(speech((1, 2), (3, 9)))
    return messages


def _same(one: Window, other: Window) -> bool:
    return (
        one.span == other.span
        and one.coverage == other.coverage
        and one.reason == other.reason
        and all(np.array_equal(one.features[m], other.features[m]) for m in MODALITIES)
        and all(np.array_equal(one.mask[m], other.mask[m]) for m in MODALITIES)
    )


@given(cuts=st.lists(st.floats(0, 12), max_size=6), seed=st.randoms(use_true_random=False))
def test_order_of_arrival_and_size_of_blocks_change_nothing(cuts: list[float], seed) -> None:
    plain, shuffled = builder(), builder()
    for message in _stream([]):
        plain.add(message)
    messages = _stream(cuts)
    seed.shuffle(messages)
    for message in messages:
        shuffled.add(message)
    assert all(_same(plain.build(), shuffled.build()) for _ in range(12))


def test_memory_is_bounded_by_what_later_windows_need() -> None:
    b = full(builder())
    for _ in range(18):
        b.build()
    assert len(b._tracks[A].times) <= 4.0 * 50 + 60
    assert b._tracks[A].times[0] >= b.next_end - 4.0 - 0.02


@given(
    spans=st.lists(st.tuples(st.floats(-1, 5), st.floats(0, 2)), max_size=8).map(
        lambda pairs: sorted((start, start + length) for start, length in pairs)
    )
)
def test_covered_is_the_union(spans: list[tuple[float, float]]) -> None:
    starts, ends = (np.array([s[i] for s in spans], dtype=np.float64) for i in (0, 1))
    grid = np.linspace(0, 4, 4001)[:-1] + 0.0005
    expected = np.zeros(len(grid), dtype=bool)
    for start, end in spans:
        expected |= (grid >= start) & (grid < end)
    assert covered(starts, ends, Span(0.0, 4.0)) == pytest.approx(expected.mean(), abs=0.005)


# ------------------------------------------------------ rows that know their window


def knowing() -> WindowBuilder:
    """A builder whose sound has three columns more, which come window by window."""
    plain = recipe()
    specs = {**plain.specs, A: replace(plain.specs[A], dim=5, window_columns=3)}
    return WindowBuilder(CONFIG, Recipe(duration=4.0, specs=specs))


def own(end: float, count: int = 100) -> WindowRows:
    values = np.full((count, 3), end, dtype=np.float32)
    return WindowRows(modality=A, end=end, values=values)


def test_rows_of_a_window_stand_behind_the_others_in_that_window_only() -> None:
    b = full(knowing())
    for message in (own(3.0), own(2.0), own(2.5, 110)):
        b.add(message)
    for end, count in ((2.0, 100), (2.5, 110), (3.0, 100)):
        window = b.build()
        assert window.present[A]
        slots = np.flatnonzero(window.mask[A])
        assert slots[0] >= 200 - count
        assert window.features[A].shape == (200, 5)
        assert (window.features[A][slots, 2:] == end).all()
        assert (window.features[A][slots, 0] > 0).all()
        assert not window.features[A][~window.mask[A]].any()


def test_sound_is_settled_when_the_rows_of_its_window_have_come() -> None:
    b = knowing()
    b.add(block(A, HOPS, settled_until=12.0))
    b.add(speech((0.5, 11.0)))
    assert not b.settled[A]
    b.add(own(2.0))
    assert b.settled[A]
    b.build()
    assert not b.settled[A]
    b.add(block(A))  # a stage that died owes nothing any more
    assert b.settled[A]


def test_a_voice_that_was_not_encoded_in_time_is_missing_and_says_so() -> None:
    b = full(knowing())
    b.add(own(2.5))
    late, next_one = b.build(), b.build()
    assert late.present == {L: True, V: True, A: False}
    assert late.reason == "voice not encoded in time"
    assert not late.mask[A].any()
    assert not late.features[A].any()
    assert late.coverage[A] == 1.0
    assert next_one.present[A]
    b.add(own(2.5))  # of a window that is gone
    assert not b._tracks[A].window_rows


def test_a_window_with_nothing_to_encode_is_silent() -> None:
    b = full(knowing())
    b.add(own(2.0, 0))
    assert b.build().reason == "silence"


def test_rows_of_windows_left_out_are_forgotten() -> None:
    b = full(knowing())
    for k in range(8):
        b.add(own(2.0 + k / 2))
    b.skip(5)
    assert sorted(b._tracks[A].window_rows) == [4.5, 5.0, 5.5]
    assert b.build().present[A]


def test_voice_activity_is_waited_for_where_there_is_sound_even_without_a_voice() -> None:
    missing = {A: "speech encoder missing"}
    assert not WindowBuilder(CONFIG, recipe(), missing).settled[A]
    assert WindowBuilder(CONFIG, recipe(), missing, sound=False).settled[A]
