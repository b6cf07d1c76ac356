"""The command ``dmd``: what it says to bad input, and that odd but good input runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dmd_runtime.cli import main
from tests.factories import make_clip
from tests.features.face_assets import face_model
from tests.features.speech_assets import model_folder
from tests.shared_data import shared


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and standard error of a command that must not print a traceback."""
    try:
        code = main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return code, error


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    folder = tmp_path / "bad"
    folder.mkdir()
    whole = make_clip(tmp_path / "clip.mp4", seconds=2).read_bytes()
    (folder / "text.mp4").write_text("hello, I am no film\n")
    (folder / "empty.mp4").touch()
    (folder / "random.mp4").write_bytes(bytes(range(256)) * 400)
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.mark.parametrize("name", ["none.mp4", "", "text.mp4", "empty.mp4", "random.mp4", "cut.mp4"])
def test_bad_input_is_one_clear_line_exit_2_and_nothing_written(
    bad: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = bad / "sessions"
    code, error = said(capsys, "run", str(bad / name), "--out", str(out))
    assert code == 2
    assert error.count("\n") == 1
    assert error.startswith(f"dmd: {bad / name}: expected a media file")
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--checkpoint", "none.safetensors", "checkpoint none.safetensors: expected"),
        ("--asr-model", "nonsense", "speech model nonsense: expected a folder, none, or one of"),
        ("--config", "none.toml", "none.toml: expected a readable TOML file"),
    ],
)
def test_bad_options_are_told_before_anything_is_written(
    option: str, value: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", seconds=1)
    out = tmp_path / "sessions"
    code, error = said(capsys, "run", str(clip), "--out", str(out), "--offline", option, value)
    assert (code, error.count("\n")) == (2, 1)
    assert text in error
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments", [(), ("run",), ("run", "x", "--out", "y", "--fast"), ("nonsense",), ("bench", "x")]
)
def test_wrong_usage_exits_64(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, *arguments)[0] == 64


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    clip = make_clip(tmp_path / "clip.mkv", seconds=1)
    code, error = said(capsys, "run", str(clip), "--out", str(tmp_path / "file"), "--offline", "--asr-model", "none")
    assert code == 2
    assert "expected a folder that can be written to" in error


def test_odd_but_good_files_all_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    face_model(), model_folder("whisper-tiny.en"), model_folder("minilm-l6-v2")
    variable = [0.0, 0.03, 0.2, 0.21, 0.5, 1.0, 1.03, 1.5, 1.9, 2.0, 2.4]
    clips = {
        "sound": make_clip(tmp_path / "sound.wav", seconds=2.5, video_codec=None),
        "pictures": make_clip(tmp_path / "pictures.mkv", seconds=2.5, audio_codec=None),
        "large": make_clip(tmp_path / "large.mp4", seconds=2.2, size=(3840, 2160), fps=5, audio_codec="aac"),
        "slow": make_clip(tmp_path / "slow.mkv", seconds=2.5, fps=8),
        "variable": make_clip(tmp_path / "variable.mkv", frame_times=variable, seconds=2.5),
        "narrow": make_clip(tmp_path / "narrow.mkv", seconds=2.5, size=(360, 202)),
        "telephone": make_clip(tmp_path / "telephone.mkv", seconds=2.5, audio_rate=8000),
        "stereo": make_clip(tmp_path / "stereo.mkv", seconds=2.5, audio_rate=48_000, layout="stereo"),
    }
    bad = tmp_path / "text.mp4"
    bad.write_text("no film")
    out = tmp_path / "sessions"
    code = main(["analyze", *map(str, clips.values()), str(bad), "--out", str(out), "--offline"])
    printed = capsys.readouterr()
    assert code == 2  # one of many is bad, and only that
    assert f"dmd: {bad}: expected a media file" in printed.err
    folders = [Path(line) for line in printed.out.splitlines()]
    assert [folder.name for folder in folders] == [f"ses-{name}" for name in clips]
    for name, folder in zip(clips, folders, strict=True):
        manifest = json.loads((folder / "session.json").read_text())
        assert manifest["state"] == "complete"
        assert manifest["counts"]["readings"] >= 1, name
        assert set(manifest["absent"]) == {"sound": {"V"}, "pictures": {"L", "A"}}.get(name, set())
        reading = json.loads((folder / "readings.jsonl").read_text().splitlines()[0])
        assert reading["marks"] == []  # the starter has learned


def test_a_real_clip_becomes_a_whole_session_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    face_model(), model_folder("whisper-tiny.en"), model_folder("minilm-l6-v2")
    clip = shared("clips", "talkers", "talker_b.mp4")
    common = ("run", str(clip), "--out", str(tmp_path), "--offline", "--participant", "P 07", "--task", "talk")
    assert main([*common, "--with-media"]) == 0
    assert main([*common, "--show"]) == 0
    printed = capsys.readouterr()
    first, second = (Path(line) for line in printed.out.splitlines())
    assert (first.name, second.name) == ("ses-talkerb_task-talk", "ses-talkerb_task-talk_02")
    assert (first / "media.mp4").read_bytes() == clip.read_bytes()
    assert "UNTRAINED" not in printed.err
    assert "hetero" in printed.err
    assert main(["sessions", "list", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    tables = [
        {name: _lines(folder / f"{name}.jsonl") for name in ("readings", "words", "faces")}
        for folder in (first, second)
    ]
    assert tables[0] == tables[1]
    assert len(tables[0]["words"]) > 10


def _lines(path: Path) -> list[dict]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line.pop("made_at", None)
    return lines


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dmd_runtime", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("dmd ")
