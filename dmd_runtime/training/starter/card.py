"""The model card: what the starter is, what it was made from, what it reached, and what it must not be used for.

Mitchell et al., *Model Cards for Model Reporting*, FAT* 2019, https://arxiv.org/abs/1810.03993.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ROWS = {
    "L": "words alone: GoEmotions dev, single label",
    "V": "a still face alone: FERPlus PublicTest, majority label, faces found",
    "A": "a voice alone: RAVDESS actors 19 and 20",
    "label-paired triples": "label-paired triples of those, balanced",
}

_TEXT = """# Starter model of expressed emotion

Reads the last four seconds of words, face and voice, each of which may be missing, and says how strongly seven
emotions are *expressed* (happiness, neutral, surprise, sadness, anger, fear, disgust), with a sentiment from -3 to 3
and the edges of both distillation graphs. It is a DMD (Li, Wang, Cui, CVPR 2023) with edges that were taught to tell
which modality can be trusted.

**It does not know what anybody feels.** It tells what people who label pictures, voices and sentences would call what
is shown. Do not use it to judge, hire, grade, police or diagnose anyone.

## What it learned from

| set | used for | kind | licence |
|---|---|---|---|
| RAVDESS speech, actors 1-16 | voices | acted, two fixed sentences, North American English | CC BY-NC-SA 4.0 |
| FERPlus, Training | faces | small grey pictures from the web, votes of ten people | votes MIT; pictures for research |
| GoEmotions, train | words | Reddit comments, English | CC BY 4.0 / Apache-2.0 |
| MELD, train | words, sentiment | dialogue of one television series, text only | GPL-3.0 |

No sample had all three modalities. Each modality was learned alone, with the others missing, and together in
**label-paired triples**: a sentence, a face and a voice of one label that were *not recorded together*. Half of the
triples had one modality exchanged for another label's or for noise. Voices were played through rooms, microphones,
codecs and noise; faces turned, blurred, lit and covered; words lost as recognisers lose them. The sentiment of MELD is
its people's; elsewhere it is the sign of the label (happiness +, neutral 0, sadness, anger, fear and disgust -).

## What it reached on samples and speakers it never learned from

| what | n | chance | accuracy | UAR | macro-F1 | ECE |
|---|---|---|---|---|---|---|
{rows}

Chance is the share of the largest class; UAR of chance is 1/7 = .14. Temperatures were fitted on the validation split
(RAVDESS actors 17 and 18, a twentieth of GoEmotions, a fourteenth of FERPlus), not on these samples.

| recall | happiness | neutral | surprise | sadness | anger | fear | disgust |
|---|---|---|---|---|---|---|---|
{recalls}

## Limits

- Acted speech of few people, noisy labels of small pictures, written comments: live speech is none of these.
- Words are English. Other languages, accents, ages, skins and cultures than those in the sets were not measured.
- Fear and disgust are rare in FERPlus and GoEmotions: see the recalls.
- A talking mouth is not an expression: the faces learned from do not move.
- What an edge says of a *live* person was not measured; what it says of label-paired triples is in the documentation.

## Licence

The weights are derived from RAVDESS and come under CC BY-NC-SA 4.0, for non-commercial use, with attribution to
Livingstone and Russo (2018), Barsoum et al. (2016), Demszky et al. (2020) and Poria et al. (2019). The program is
under Apache-2.0. Made on {date} with version {app_version}, seed {seed}.
"""


def card(training: Mapping[str, Any]) -> str:
    """The card as Markdown, from a training record: its date, version, seed and the figures of its test split."""
    test = training["metrics"]["test"]
    rows = [
        f"| {text} | {test[key]['n']} | {test[key]['chance']:.2f} | "
        + " | ".join(f"{test[key][name]:.3f}" for name in ("accuracy", "uar", "macro_f1", "ece"))
        + " |"
        for key, text in _ROWS.items()
    ]
    labels = ("happiness", "neutral", "surprise", "sadness", "anger", "fear", "disgust")
    recalls = [
        "| " + _ROWS[key].split(":")[0] + " | " + " | ".join(_recall(test[key], label) for label in labels) + " |"
        for key in _ROWS
    ]
    return _TEXT.format(
        rows="\n".join(rows),
        recalls="\n".join(recalls),
        date=training["date"],
        app_version=training["app_version"],
        seed=training["seed"],
    )


def _recall(figures: Mapping[str, Any], label: str) -> str:
    found = figures["per_class"].get(label)
    return "-" if found is None or found["recall"] is None else f"{found['recall']:.2f}"
