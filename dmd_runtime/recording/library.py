"""What session folders lie below a root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.manifest import NAME, read_manifest


def find_sessions(root: Path) -> list[Path]:
    """All session folders below ``root``, by name.

    Raises
    ------
    RecordingError
        ``root`` is no folder.
    """
    if not root.is_dir():
        raise RecordingError(
            f"{root}: expected a folder with sessions in it, got {'a file' if root.exists() else 'nothing'}"
        )
    return sorted(path.parent for path in root.glob(f"sub-*/ses-*/{NAME}"))


def list_sessions(root: Path) -> Iterator[str]:
    """One line a session: folder, state, length, readings, words, marks; a broken manifest is said, not skipped."""
    for folder in find_sessions(root):
        name = folder.relative_to(root)
        try:
            manifest = read_manifest(folder)
        except RecordingError as error:
            yield f"{name}\tunreadable\t{error}"
            continue
        counts, marks = manifest.get("counts", {}), manifest.get("marks", [])
        yield "\t".join(
            [
                str(name),
                str(manifest["state"]),
                f"{_number(counts.get('media_end_s')):.1f} s",
                f"{counts.get('readings', 0)} readings",
                f"{counts.get('words', 0)} words",
                " ".join(map(str, marks)),
            ]
        )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
