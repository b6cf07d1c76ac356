"""Written emotion: GoEmotions in its Ekman grouping (tsv), and the utterances of MELD (csv).

Demszky et al., *GoEmotions*, ACL 2020, https://arxiv.org/abs/2005.00547; Poria et al., *MELD*, ACL 2019,
https://arxiv.org/abs/1810.02508.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from dmd_runtime.corpora.corpus import UNCERTAIN, Corpus, Sentence
from dmd_runtime.corpora.labels import label_index, one_hot
from dmd_runtime.corpora.layout import chosen_split, columns_of, find, read_rows, read_text, require_any
from dmd_runtime.errors import SourceError

EKMAN: Final = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
"""What the numbers of GoEmotions' Ekman files mean where no ``ekman_labels.txt`` lies beside them."""
_MELD: Final = ("Utterance", "Emotion")
_POLARITY: Final = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}


def read_goemotions(path: Path, *, soft: bool = False) -> Corpus[Sentence]:
    """Read text, label numbers (with commas between) and id, with tabs between; no header.

    Parameters
    ----------
    path : Path
        The tsv file; or its folder or one that holds that, of which the test set is read, else dev, else train.
    soft : bool
        For training: keep comments with several labels (shares alike, ``UNCERTAIN``); else they are excluded.

    Raises
    ------
    SourceError
        There is no such set, or a line is no comment with numbers of labels.
    """
    source = find(Path(path), "goemotions", goemotions_in, "a tsv file of text, label numbers, id (ekman_test.tsv)")
    labels = [label_index(name) for name in _ekman(source.with_name("ekman_labels.txt"))]
    lines = read_text(source).split("\n")
    samples: list[Sentence] = []
    excluded = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        text, told, key = _fields(line, len(labels), f"{source}, line {number}")
        known = [label for label in (labels[i] for i in told) if label is not None]
        if not known or (len(told) > 1 and not soft):
            excluded += 1
            continue
        samples.append(
            Sentence(
                id=key or str(number),
                emotion=np.mean([one_hot(label) for label in known], axis=0, dtype=np.float32),
                label=known[0] if len(told) == 1 else UNCERTAIN,
                text=text,
            )
        )
    require_any(len(samples), source, excluded)
    return Corpus(name="goemotions", source=source, samples=tuple(samples), n_excluded=excluded)


def read_meld(path: Path) -> Corpus[Sentence]:
    """Read utterances with emotion and polarity; the group is the dialogue.

    Parameters
    ----------
    path : Path
        The csv file; or its folder or one that holds that, of which the test set is read, else dev, else train.

    Raises
    ------
    SourceError
        There is no such set, or a column is missing.
    """
    source = find(Path(path), "meld", meld_in, "a csv file with Utterance, Emotion, Sentiment (test_sent_emo.csv)")
    samples: list[Sentence] = []
    excluded = 0
    for k, row in enumerate(read_rows(source, _MELD)):
        label = label_index(row["Emotion"])
        if label is None or not row["Utterance"]:
            excluded += 1
            continue
        dialogue = row.get("Dialogue_ID", "")
        samples.append(
            Sentence(
                id=f"{dialogue or k}_{row.get('Utterance_ID', '')}",
                emotion=one_hot(label),
                label=label,
                text=row["Utterance"],
                sentiment=_POLARITY.get(row.get("Sentiment", "").lower(), float("nan")),
                group=dialogue,
            )
        )
    require_any(len(samples), source, excluded)
    return Corpus(name="meld", source=source, samples=tuple(samples), n_excluded=excluded)


def goemotions_in(folder: Path) -> Path | None:
    """The tsv file of a folder."""
    return chosen_split(folder, ".tsv", _is_goemotions)


def meld_in(folder: Path) -> Path | None:
    """The csv file of a folder."""
    return chosen_split(folder, ".csv", lambda file: {*_MELD} <= {*columns_of(file)})


def _is_goemotions(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 16).decode("utf-8", "replace")
        _fields(first, 1 << 20, "")
    except (OSError, SourceError):
        return False
    return True


def _fields(line: str, labels: int, where: str) -> tuple[str, list[int], str]:
    """Text, numbers of labels and id of one line."""
    cells = line.rstrip("\r\n").split("\t")
    numbers = cells[1].split(",") if len(cells) > 1 else []
    if not numbers or not all(n.strip().isdecimal() and int(n) < labels for n in numbers):
        raise SourceError(
            f"{where}: expected text, label numbers below {labels}, id with tabs between, got {line[:80]!r}"
        )
    return cells[0].strip(), sorted({int(n) for n in numbers}), cells[2].strip() if len(cells) > 2 else ""


def _ekman(path: Path) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, read_text(path).splitlines()))) if path.is_file() else EKMAN
