"""Who can be compared in a session, and the figures of a comparison in words. No widgets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from desktop.models.words import emotion_word, translate
from dmd_runtime import Agreement, Annotations, Readings, Tier, TierKind, model_tier, model_valence_tier

COMPARABLE: Final = (TierKind.CATEGORY, TierKind.TRACE)
SCALES: Final = {"agreement": 0.0, "kappa": -1.0, "alpha": -1.0, "ccc": -1.0, "pearson": -1.0}
"""Least of each figure that has a scale up to 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One that can be compared: its name, its kind, and its tier, made when it is asked for."""

    title: str
    kind: TierKind
    tier: Callable[[], Tier]
    is_model: bool = False


def sides(annotations: Annotations, readings: Readings | None, analysis: str = "") -> tuple[Side, ...]:
    """The raters' labels and traces, then what the model says in the readings that are shown."""
    found = [
        Side(title=f"{tier.name} · {tier.by}", kind=tier.kind, tier=_kept(tier))
        for tier in annotations.tiers
        if tier.kind in COMPARABLE
    ]
    if readings is not None and len(readings):
        name = translate("comparing", "the model") + (f" ({analysis})" if analysis else "")
        emotion = translate("comparing", "emotion · {0}").format(name)
        valence = translate("comparing", "sentiment / 3 · {0}").format(name)
        found += [
            Side(title=emotion, kind=TierKind.CATEGORY, tier=cache(lambda: model_tier(readings)), is_model=True),
            Side(title=valence, kind=TierKind.TRACE, tier=cache(lambda: model_valence_tier(readings)), is_model=True),
        ]
    return tuple(found)


def _kept(tier: Tier) -> Callable[[], Tier]:
    return lambda: tier


def figure_name(name: str) -> str:
    """A figure in words."""
    return {
        "agreement": translate("comparing", "Agreement"),
        "kappa": translate("comparing", "Cohen's kappa"),
        "alpha": translate("comparing", "Krippendorff's alpha"),
        "ccc": translate("comparing", "CCC"),
        "pearson": translate("comparing", "Pearson's r"),
        "rmse": translate("comparing", "RMSE"),
    }.get(name, name)


def figure_text(name: str, value: float) -> str:
    """A figure as a number; agreement is a share."""
    if math.isnan(value):
        return translate("comparing", "none")
    return f"{100 * value:.1f} %" if name == "agreement" else f"{value:.3f}".replace("-", "−")


def interval_text(name: str, low: float, high: float) -> str:
    """Its 95 % interval."""
    if math.isnan(low) or math.isnan(high):
        return translate("comparing", "no interval")
    return translate("comparing", "{0} to {1}").format(figure_text(name, low), figure_text(name, high))


def amount_text(agreement: Agreement) -> str:
    """How much was compared."""
    both = translate("comparing", "n = {0} cells of {1:g} s in which both said something;")
    each = translate("comparing", "the first in {2}, the second in {3}")
    return f"{both} {each}".format(agreement.n, agreement.step, agreement.n_first, agreement.n_second)


def reason_text(agreement: Agreement) -> str:
    """Why there is no figure; empty where there is one."""
    if not agreement.reason:
        return ""
    return translate("comparing", "Too little in common for a figure: {0}.").format(agreement.reason)


def agreement_text(agreement: Agreement, first: str, second: str) -> str:
    """The whole comparison as text, with tabs between columns."""
    lines = [f"{first}\t{second}", amount_text(agreement)]
    if agreement.reason:
        return "\n".join([*lines, reason_text(agreement)])
    lines.append(translate("comparing", "figure\tvalue\t95 % interval"))
    for name, (value, low, high) in agreement.figures.items():
        lines.append("\t".join((figure_name(name), figure_text(name, value), interval_text(name, low, high))))
    if agreement.labels:
        lines.append(f"{translate('comparing', 'by chance')}\t{figure_text('agreement', agreement.chance)}")
        lines.append("")
        lines.append("\t".join((translate("comparing", "first ↓ second →"), *map(emotion_word, agreement.labels))))
        for label, row in zip(agreement.labels, agreement.confusion.tolist(), strict=True):
            lines.append("\t".join((emotion_word(label), *map(str, row))))
    return "\n".join(lines)
