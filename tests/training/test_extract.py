"""``dmd extract``: clips become windows as a session has them, and no clip that is done is lost."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmd_runtime.cli import main
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import AssetError, RecordingError, SourceError
from dmd_runtime.features.base import Recipe
from dmd_runtime.messages import Span
from dmd_runtime.modality import MODALITIES
from dmd_runtime.streaming.extractors import LABELS
from dmd_runtime.training.clip_windows import ClipWindows, LiveSetup, grids, spread, voiced
from dmd_runtime.training.extract import extract
from dmd_runtime.training.feature_file import open_dataset, read_notes
from dmd_runtime.training.label_csv import Clip, hashed_split, read_clips
from tests.messages_factory import recipe, speech
from tests.shared_data import shared

L, V, A = MODALITIES
COLUMNS = ("video_id", "clip_id", "text", "label", "mode", "emotion", "speaker")
ROWS = (
    ("a", "1", "well done", "1.5", "train", "joy", "anna"),
    ("a", "2", "", "", "train", "contempt", "anna"),
    ("b", "1", "oh no", "-2", "dev", "", ""),
    ("c", "x.1", "so", "0", "test", "fear", "carl"),
)


def make_folder(folder: Path, rows: tuple[tuple[str, ...], ...] = ROWS, columns: tuple[str, ...] = COLUMNS) -> Path:
    """Clips that only a fake reads, half of them in ``Raw``."""
    for video, name, *_ in rows:
        place = folder / "Raw" / video if video < "c" else folder / video
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.mp4").write_bytes(f"{video}{name}".encode())
    with (folder / "label.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *(row[: len(columns)] for row in rows)])
    return folder


@dataclass(frozen=True)
class FakeSetup:
    """Measures a clip by its name: as many windows as letters in its video's and its own; notes what it has seen."""

    log: Path
    broken: tuple[str, ...] = ()
    error: type[Exception] = SourceError
    identity: str = "fake"

    @property
    def recipe(self) -> Recipe:
        return recipe()

    def __call__(self) -> Callable[[Clip], ClipWindows]:
        return self._measure

    def _measure(self, clip: Clip) -> ClipWindows:
        assert clip.path is not None
        with self.log.open("a") as file:
            file.write(f"{clip.id}\n")
        if clip.id in self.broken:
            raise self.error(f"{clip.path}: broken")
        count = len(clip.name)
        value = sum(clip.path.read_bytes())
        specs = self.recipe.specs
        return ClipWindows(
            ends=tuple(4.0 + k for k in range(count)),
            features={m: np.full((count, s.rows, s.dim), value, np.float32) for m, s in specs.items()},
            mask={m: np.ones((count, s.rows), np.bool_) for m, s in specs.items()},
        )

    def seen(self) -> list[str]:
        lines = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return sorted(lines)


def test_clips_become_a_data_set(tmp_path: Path) -> None:
    out, told = tmp_path / "out.safetensors", []
    done = extract(
        make_folder(tmp_path / "set"),
        out,
        FakeSetup(tmp_path / "log"),
        workers=1,
        on_clip=lambda *said: told.append(said),
    )
    assert (done.clips, done.resumed, done.windows, done.broken) == (4, 0, 6, {})
    assert told == [(k, 4, "") for k in range(5)]
    assert not (tmp_path / "out.safetensors.parts").exists()
    data = open_dataset(out)
    assert data.recipe == recipe().to_json()
    assert {name: s.ids for name, s in data.splits.items()} == {
        "train": ("a$_$1", "a$_$2"),
        "valid": ("b$_$1",),
        "test": ("c$_$x.1@4.00", "c$_$x.1@5.00", "c$_$x.1@6.00"),
    }
    train, valid, test = data.splits.values()
    assert (train.groups, valid.groups, test.groups) == (("anna", "anna"), ("b",), ("carl",) * 3)
    assert train.labels == LABELS
    assert train.emotion[0].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert np.isnan(train.emotion[1]).all()  # another emotion than the seven
    assert np.isnan(valid.emotion).all()
    assert test.emotion.argmax(axis=1).tolist() == [LABELS.index("fear")] * 3
    assert train.sentiment[0] == 1.5
    assert np.isnan(train.sentiment[1])
    assert all(test.features[m][2, 0, 0] == sum(b"cx.1") for m in MODALITIES)
    assert test.mask[V].all()


def test_it_goes_on_where_it_stood(tmp_path: Path) -> None:
    folder, out = make_folder(tmp_path / "set"), tmp_path / "out"
    setup = FakeSetup(tmp_path / "log", broken=("b$_$1",), error=AssetError)  # not the clip's fault: all ends here
    with pytest.raises(AssetError):
        extract(folder, out, setup, workers=1)
    assert setup.seen() == ["a$_$1", "a$_$2", "b$_$1"]
    assert not out.exists()
    parts = sorted((tmp_path / "out.parts").iterdir())
    assert len(parts) == 2

    parts[0].write_bytes(parts[0].read_bytes()[:-1])  # as a disk may leave it
    (tmp_path / "out.parts" / ".x.part").write_bytes(b"what was being written")
    setup = FakeSetup(tmp_path / "log")
    done = extract(folder, out, setup, workers=1)
    assert done.resumed == 1
    seen = setup.seen()
    assert len(seen) == 3
    assert {"b$_$1", "c$_$x.1"} < set(seen)

    whole = tmp_path / "whole"
    extract(folder, whole, FakeSetup(tmp_path / "log"), workers=1)
    assert out.read_bytes() == whole.read_bytes()


def test_what_has_changed_is_measured_again(tmp_path: Path) -> None:
    folder, out, setup = make_folder(tmp_path / "set"), tmp_path / "out", FakeSetup(tmp_path / "log")
    extract(folder, out, setup, workers=1, limit=3)
    assert (tmp_path / "out.parts").is_dir()  # there is more to come
    setup.seen()
    (folder / "Raw" / "a" / "1.mp4").write_bytes(b"another film")
    table = folder / "label.csv"
    table.write_text(table.read_text().replace("oh no", "oh yes").replace("1.5", "0.5"))
    assert extract(folder, out, setup, workers=1).resumed == 1
    assert setup.seen() == ["a$_$1", "b$_$1", "c$_$x.1"]
    assert open_dataset(out)["train"].sentiment[0] == 0.5  # labels are not in the parts

    extract(folder, out, setup, workers=1, limit=1)
    setup.seen()
    extract(folder, out, replace(setup, identity="other words"), workers=1, limit=1)
    assert setup.seen() == ["a$_$1"]


@pytest.mark.parametrize("error", [SourceError, ZeroDivisionError])
def test_a_broken_clip_is_told_and_left_out(
    error: type[Exception], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, out, told = make_folder(tmp_path / "set"), tmp_path / "out", []
    setup = FakeSetup(tmp_path / "log", broken=("a$_$1",), error=error)
    done = extract(folder, out, setup, workers=1, on_clip=lambda *said: told.append(said))
    assert list(done.broken) == ["a$_$1"]
    assert "broken" in done.broken["a$_$1"]
    assert [said[2][:7] for said in told if said[2]] == ["a$_$1: "]
    assert read_notes(out)["broken"] == done.broken
    assert open_dataset(out)["train"].ids == ("a$_$2",)
    setup.seen()
    extract(folder, out, FakeSetup(tmp_path / "log"), workers=1)
    assert setup.seen() == ["a$_$1"]  # the others were kept

    every = tuple(clip.id for clip in read_clips(folder)[0])
    with pytest.raises(SourceError, match="expected at least one clip that can be measured, got 4 broken"):
        extract(folder, tmp_path / "none", replace(setup, broken=every), workers=1)
    assert not (tmp_path / "none").exists()


def test_processes_do_the_same(tmp_path: Path) -> None:
    folder, setup = make_folder(tmp_path / "set"), FakeSetup(tmp_path / "log", broken=("a$_$2",))
    one, two = tmp_path / "one", tmp_path / "two"
    extract(folder, one, setup, workers=1)
    done = extract(folder, two, setup, workers=2)
    assert list(done.broken) == ["a$_$2"]
    assert one.read_bytes() == two.read_bytes()


def test_a_place_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    setup = FakeSetup(tmp_path / "log")
    with pytest.raises(RecordingError, match="expected a file in a folder that exists"):
        extract(make_folder(tmp_path / "set"), tmp_path / "no" / "out", setup)
    assert setup.seen() == []


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("a", "1", "x", "4"), r"a 1: label: expected a score in \[-3, 3\] or nothing, got 4"),
        (("a", "1", "x", "nan"), "label: expected a score"),
        (("a", "1", "x", "good"), "label: expected a score"),
        (("a", "1", "x", "1", "later"), "mode: expected train, valid, val, dev, test or nothing, got later"),
        (("..", "1", "x", "1"), "expected video_id and clip_id as names of a folder and a file"),
        (("a", "../1", "x", "1"), "expected video_id and clip_id as names"),
        (("a", "", "x", "1"), "expected video_id and clip_id as names"),
        (("a", "2", "x", "1"), r"expected every clip once, got a\$_\$2 twice"),
    ],
)
def test_a_wrong_line_is_named(row: tuple[str, ...], says: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with (folder / "label.csv").open("a", newline="") as file:
        csv.writer(file).writerow((*row, *("",) * (len(COLUMNS) - len(row))))
    with pytest.raises(SourceError, match=says):
        read_clips(folder)


def test_columns_and_files_are_found_or_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match=r"expected a folder with label\.csv"):
        read_clips(tmp_path)
    folder = make_folder(tmp_path, columns=COLUMNS[:4])
    clips, with_emotions = read_clips(folder)
    assert not with_emotions
    assert [clip.path and clip.path.parent.parent.name for clip in clips] == ["Raw", "Raw", "Raw", tmp_path.name]
    assert [clip.group for clip in clips] == ["a", "a", "b", "c"]
    (folder / "label.csv").write_text("video_id,clip_id,label\na,1,2\n")
    assert main(["extract", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "text missing" in capsys.readouterr().err


def test_splits_by_hash_cut_through_no_group_and_stay() -> None:
    splits = [hashed_split(f"speaker {k}") for k in range(2000)]
    shares = [splits.count(name) / 2000 for name in ("train", "valid", "test")]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=0.03)
    assert [hashed_split(name) for name in ("anna", "fritz", "speaker 12")] == ["train", "valid", "test"]


@pytest.mark.parametrize(
    ("end", "ends"),
    [(0.5, [0.5]), (4.0, [4.0]), (4.0005, [4.0005]), (5.0, [4.0, 5.0]), (6.0, [4.0, 6.0]), (9.5, [4, 6, 8, 9.5])],
)
def test_windows_cover_a_clip_to_its_end(end: float, ends: list[float]) -> None:
    config = SessionConfig.load().window
    assert [g.first + k * g.step for g, count in grids(config, end) for k in range(count)] == ends


def test_words_of_the_csv_fill_the_voiced_span() -> None:
    span = voiced([speech((1.0, 2.0)), "something else", speech((3.0, 5.5))], 5.0)
    assert span == Span(1.0, 5.0)
    assert voiced([speech()], 3.0) == Span(0.0, 3.0)
    said = spread(" so it  goes ", Span(1.0, 4.0))
    assert said is not None
    assert [(w.text, w.span) for w in said.words] == [("so", (1, 2)), ("it", (2, 3)), ("goes", (3, 4))]
    assert spread("  ", span) is None


def real_folder(folder: Path, lines: list[dict[str, Any]]) -> Path:
    """Real clips below ``Raw``, each {from: a file, video, name, text}."""
    rows = [("video_id", "clip_id", "text", "label")]
    for line in lines:
        place = folder / "Raw" / line["video"]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(line["from"], place / f"{line['name']}{line['from'].suffix}")
        rows.append((line["video"], line["name"], line["text"], "1"))
    with (folder / "label.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder


def test_real_clips_through_the_live_extractors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A read command of 3 s with its text, sound alone without one, and a text file that is no clip."""
    (tmp_path / "broken.mp4").write_text("no film")
    folder = real_folder(
        tmp_path / "set",
        [
            {
                "from": shared("clips", "grid", "bbaf2n.mpg"),
                "video": "s1",
                "name": "1",
                "text": "bin blue at f two now",
            },
            {"from": shared("clips", "speech", "LJ001-0002.wav"), "video": "s2", "name": "1", "text": ""},
            {"from": tmp_path / "broken.mp4", "video": "s3", "name": "1", "text": "x"},
        ],
    )
    out = tmp_path / "out.safetensors"
    told = ["extract", str(folder), "--out", str(out), "--workers", "1", "--offline", "--transcripts", "csv"]
    assert main(told) == 0
    said = capsys.readouterr()
    assert "2 windows of 2 clips, 1 broken" in said.out
    assert "s3$_$1" in said.err
    assert "expected a media file" in said.err
    data = open_dataset(out)
    assert data.recipe == LiveSetup(config=SessionConfig.load()).recipe.to_json()
    rows = {
        i: {m: int(s.mask[m][k].sum()) for m in MODALITIES} for s in data.splits.values() for k, i in enumerate(s.ids)
    }
    film, sound = rows["s1$_$1"], rows["s2$_$1"]
    assert film[L] >= 6
    assert film[V] >= 40
    assert film[A] >= 120
    assert sound[L] == sound[V] == 0
    assert sound[A] >= 60
    for samples in data.splits.values():
        for m in MODALITIES:
            assert np.isfinite(samples.features[m]).all()
            real = samples.features[m][samples.mask[m]]
            assert not len(real) or real.std() > 0


@pytest.mark.slow
def test_windows_are_those_of_a_session(tmp_path: Path) -> None:
    """The same recording, live in exact mode: the window that ends at 4 s has the same rows of face and voice."""
    from dmd_runtime.assets import Assets
    from dmd_runtime.sources.file import FileSource
    from dmd_runtime.streaming.session import Session
    from dmd_runtime.streaming.toolbox import Toolbox
    from dmd_runtime.training.clip_windows import LiveMeasure

    path = shared("clips", "talkers", "talker_b.mp4")
    config = SessionConfig.load()
    setup = LiveSetup(config=config, transcripts="asr")
    clip = Clip(video="t", name="b", text="", sentiment=0.0, emotion=None, split="train", group="t", path=path)
    windows = LiveMeasure(setup)(clip)
    assert windows.ends[0] == 4.0
    built: list[Any] = []
    session = Session(FileSource(path, paced=False), Toolbox.load(config, Assets(offline=True)), config, exact=True)
    build = session.reading._builder.build
    session.reading._builder.build = lambda: built.append(build()) or built[-1]  # type: ignore[method-assign]
    session.run()
    live = next(window for window in built if window.span.end == 4.0)
    for m in MODALITIES:
        np.testing.assert_array_equal(windows.mask[m][0], live.mask[m])
        np.testing.assert_allclose(windows.features[m][0], live.features[m], atol=1e-5)
