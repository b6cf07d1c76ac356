"""Names of devices, as people type and remember them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from PySide6.QtCore import QCoreApplication

from dmd_runtime import DeviceError

translate = QCoreApplication.translate


def distinct(names: Iterable[str]) -> list[str]:
    """Names as given; the second of one name becomes "name (2)"."""
    out: list[str] = []
    for name in names:
        numbered = (f"{name} ({n})" for n in itertools.count(2))
        out.append(next(one for one in itertools.chain([name], numbered) if one not in out))
    return out


def match_name(text: str, names: Sequence[str]) -> int | None:
    """Which of ``names`` is meant: the one that equals ``text`` but for case, or the only one that contains it.

    Raises
    ------
    DeviceError
        Several contain it, and none equals it.
    """
    wanted = text.casefold()
    folded = [name.casefold() for name in names]
    if wanted in folded:
        return folded.index(wanted)
    hits = [i for i, name in enumerate(folded) if wanted in name]
    if len(hits) > 1:
        message = translate("capture", "“{name}” could be any of {names}.")
        raise DeviceError(message.format(name=text, names=", ".join(f"“{names[i]}”" for i in hits)))
    return hits[0] if hits else None
