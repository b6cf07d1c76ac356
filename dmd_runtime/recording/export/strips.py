"""What happened when, as named strips of stretches in milliseconds: what ELAN, Praat and BIDS events are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from dmd_runtime.recording.annotations import Annotations, Item, Tier, TierKind
from dmd_runtime.recording.comparing import MODEL, model_tier
from dmd_runtime.recording.export.provenance import marks, one_line, plain_text
from dmd_runtime.recording.export.utterances import end_of, text_of, utterances
from dmd_runtime.recording.reader import RecordedSession


class Stretch(NamedTuple):
    """From ``start`` to ``end``, both ms of session time; a moment where they are equal."""

    start: int
    end: int
    text: str
    label: str
    """The text without its note."""


class StripKind(StrEnum):
    """What a strip was made of."""

    WORDS = "word"
    UTTERANCES = "utterance"
    EMOTION = "expressed emotion"
    ANNOTATIONS = "annotation"
    TRACE = "trace"


@dataclass(frozen=True, kw_only=True, slots=True)
class Strip:
    """Stretches in the order of time, which may overlap; ``name`` is one line and no other strip's."""

    name: str
    kind: StripKind
    by: str
    tier: str
    stretches: tuple[Stretch, ...]


def strips(session: RecordedSession, annotations: Annotations) -> list[Strip]:
    """Words, utterances, the model's likeliest emotion, and every tier of the annotations.

    The model's emotion is that of :func:`~dmd_runtime.recording.comparing.model_tier`: windows overlap, so each reading
    stands for the middle of its window. Nothing stands where no reading is valid.
    """
    label = " ".join(("model", *map(one_line, marks(session))))
    words = (_stretch(word.span.start, word.span.end, word.text) for word in session.words)
    said = (_stretch(group[0].span.start, end_of(group), text_of(group)) for group in utterances(session.words))
    made = [
        Strip(name="words", kind=StripKind.WORDS, by="recogniser", tier="words", stretches=tuple(words)),
        Strip(name="utterances", kind=StripKind.UTTERANCES, by="recogniser", tier="utterances", stretches=tuple(said)),
        Strip(
            name=f"expressed emotion ({label})",
            kind=StripKind.EMOTION,
            by=MODEL,
            tier="expressed emotion",
            stretches=tuple(_of_item(item) for item in model_tier(session.readings).items),
        ),
        *(_of_tier(tier) for tier in annotations.tiers),
    ]
    return list(_renamed(made))


def lanes(stretches: Iterable[Stretch]) -> list[list[Stretch]]:
    """Stretches spread over as few lanes as it takes that no two of a lane overlap; each lasts 1 ms at least."""
    found: list[list[Stretch]] = []
    for stretch in sorted(stretches):
        wide = stretch._replace(end=max(stretch.end, stretch.start + 1))
        lane = next((lane for lane in found if lane[-1].end <= wide.start), None)
        if lane is None:
            found.append([wide])
        else:
            lane.append(wide)
    return found


def ms(seconds: float) -> int:
    """Session time in whole milliseconds, never before zero."""
    return max(0, round(seconds * 1000))


def _stretch(t0: float, t1: float, label: str, note: str = "") -> Stretch:
    start, label = ms(t0), plain_text(label).strip()
    return Stretch(start, max(start, ms(t1)), ": ".join(filter(None, (label, plain_text(note).strip()))), label)


def _of_item(item: Item) -> Stretch:
    return _stretch(item.t0, item.end, item.label, item.note)


def _of_tier(tier: Tier) -> Strip:
    stretches = tuple(_of_item(item) for item in tier.items)
    kind = StripKind.ANNOTATIONS
    if tier.kind is TierKind.TRACE:  # a sample holds until the next
        kind = StripKind.TRACE
        values = [_stretch(item.t0, item.t0, f"{item.value:.4g}") for item in tier.items]
        stretches = tuple(a._replace(end=b.start) for a, b in pairwise([*values, *values[-1:]]))
    name, by = one_line(tier.name) or "tier", one_line(tier.by)
    return Strip(name=f"{name} ({by})" if by else name, kind=kind, by=by, tier=name, stretches=stretches)


def _renamed(made: Iterable[Strip]) -> Iterator[Strip]:
    taken: set[str] = set()
    for strip in made:
        name, number = strip.name, 1
        while name in taken:
            number += 1
            name = f"{strip.name} {number}"
        taken.add(name)
        yield replace(strip, name=name)
