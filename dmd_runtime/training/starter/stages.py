"""Everything before the model itself, each part kept in a cache: a tuned text encoder, a face encoder, and windows.

A part's file carries a digest of what it was made from and how; what is there is not made again, so that an
interrupted build goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.torch import save_file

from dmd_runtime.corpora.corpus import Corpus, Face, Labelled, Sentence, VoiceClip
from dmd_runtime.corpora.faces import read_ferplus
from dmd_runtime.corpora.sentences import read_goemotions, read_meld
from dmd_runtime.corpora.voices import read_voices
from dmd_runtime.features.face_patch import SIZE
from dmd_runtime.features.language import LanguageExtractor
from dmd_runtime.features.text_encoder import TextEncoder
from dmd_runtime.features.visual import NAMES, VisualExtractor
from dmd_runtime.messages import Float32
from dmd_runtime.model.encoders import Encoder
from dmd_runtime.streaming.extractors import LABELS, Extractors
from dmd_runtime.training.starter import faces as face_training
from dmd_runtime.training.starter import text as text_training
from dmd_runtime.training.starter import voices as voice_windows

logger = logging.getLogger(__name__)

Progress = Callable[[float, str], None]
VALID_ACTORS, TEST_ACTORS = ("17", "18"), ("19", "20")
_SAID = {"happiness": 1.0, "neutral": 0.0, "sadness": -1.0, "anger": -1.0, "fear": -1.0, "disgust": -1.0}
MELD_WEIGHT = 0.3
FACE_VERSIONS, VOICE_VERSIONS = 4, 8
"""Versions of each face and clip that are kept, the first as it is."""


@dataclass(frozen=True, kw_only=True)
class Corpora:
    """All that is learned from and measured on.

    ``sentences`` are GoEmotions (train, then dev), ``utterances`` MELD (train, then dev), ``faces`` FERPlus, ``voices``
    RAVDESS; ``sources`` digests of the files with their labels, ``dev`` how many sentences and utterances are of dev.
    """

    sentences: tuple[Sentence, ...]
    utterances: tuple[Sentence, ...]
    faces: tuple[Face, ...]
    voices: tuple[VoiceClip, ...]
    sources: Mapping[str, str]
    dev: tuple[int, int]

    @classmethod
    def read(cls, root: Path) -> Corpora:
        """Read the sets below ``root``.

        Raises
        ------
        SourceError
            One is missing or broken.
        """
        parts: dict[str, Corpus[Any]] = {
            "goemotions train": read_goemotions(root / "goemotions" / "ekman_train.tsv", soft=True),
            "goemotions dev": read_goemotions(root / "goemotions" / "ekman_dev.tsv", soft=True),
            "meld train": read_meld(root / "meld" / "train_sent_emo.csv"),
            "meld dev": read_meld(root / "meld" / "dev_sent_emo.csv"),
            "ferplus": read_ferplus(root / "ferplus", soft=True),
            "ravdess": read_voices(root / "ravdess"),
        }
        both = {
            name: (*parts[f"{name} train"].samples, *parts[f"{name} dev"].samples) for name in ("goemotions", "meld")
        }
        return cls(
            sentences=both["goemotions"],
            utterances=both["meld"],
            faces=parts["ferplus"].samples,
            voices=parts["ravdess"].samples,
            sources={name: _file_digest(part.source) for name, part in parts.items()},
            dev=(len(parts["goemotions dev"]), len(parts["meld dev"])),
        )

    def splits(self) -> dict[str, npt.NDArray[np.str_]]:
        """``train``, ``valid`` or ``test`` of every sample, by the name of the field."""
        return {
            "sentences": _by_hash(self.sentences, 20, test_from=len(self.sentences) - self.dev[0]),
            "utterances": _by_hash(self.utterances, 10**9, test_from=len(self.utterances) - self.dev[1]),
            "faces": np.array(
                [
                    "test" if face.usage != "Training" else "valid" if _bucket(face.id, 14) == 0 else "train"
                    for face in self.faces
                ]
            ),
            "voices": np.array(
                [
                    "test" if c.group in TEST_ACTORS else "valid" if c.group in VALID_ACTORS else "train"
                    for c in self.voices
                ]
            ),
        }


class Stages:
    """The parts before the model.

    Parameters
    ----------
    corpora : Corpora
    extractors : Extractors
        Without any encoder of a checkpoint.
    text_folder : Path
        The text encoder's files, which the live extractor loads.
    cache : Path
    seed : int
    progress : callable (stage, share, text)
    """

    def __init__(
        self,
        *,
        corpora: Corpora,
        extractors: Extractors,
        text_folder: Path,
        cache: Path,
        seed: int,
        progress: Callable[[str, float, str], None],
    ) -> None:
        self.corpora, self.extractors, self.seed = corpora, extractors, seed
        self.text_folder = text_folder
        self._cache, self._progress = cache, progress
        self.splits = corpora.splits()
        cache.mkdir(parents=True, exist_ok=True)

    # ------------------------------------------------------------------ words

    def text_encoder(self, schedule: text_training.TextSchedule) -> Encoder:
        """The delta of the text encoder."""
        corpora = self.corpora
        key = self._key("text", asdict(schedule), corpora.sources["goemotions train"], corpora.sources["meld train"])

        def make() -> Encoder:
            kept = [s for s, split in zip(corpora.sentences, self.splits["sentences"], strict=True) if split == "train"]
            more = [
                s for s, split in zip(corpora.utterances, self.splits["utterances"], strict=True) if split == "train"
            ]
            everything = [*kept, *more]
            emotion = np.stack([s.emotion for s in everything])
            said = np.array([s.sentiment for s in everything], dtype=np.float32)
            texts = text_training.Texts(
                text=[s.text for s in everything],
                emotion=emotion,
                sentiment=np.where(np.isnan(said), valence(emotion), said),
                weight=np.repeat(np.array([1.0, MELD_WEIGHT], dtype=np.float32), [len(kept), len(more)]),
            )
            return text_training.tune(self.text_folder, texts, schedule, self.seed, self._bar("text encoder"))

        return self._encoder(key, make)

    def words(self, encoder: Encoder) -> tuple[npt.NDArray[Any], list[int]]:
        """Rows of all sentences and then all utterances, float16 (total, D), and the rows of each."""
        language = LanguageExtractor(TextEncoder(self.text_folder, delta=encoder))
        key = self._key("words", language.spec.to_json(), *self.corpora.sources.values())
        rows, lengths = self._cache / f"{key}.npy", self._cache / f"{key}.lengths.npy"
        if not lengths.exists():
            progress = self._bar("words")
            everything = (*self.corpora.sentences, *self.corpora.utterances)
            parts = []
            for k, sentence in enumerate(everything):
                parts.append(language.encode_text(sentence.text)[1].astype(np.float16))
                if k % 200 == 0:
                    progress(k / len(everything), "")
            _save(rows, np.concatenate(parts))
            _save(lengths, np.array([len(part) for part in parts]))
        return np.load(rows, mmap_mode="r", allow_pickle=False), np.load(lengths, allow_pickle=False).tolist()

    # ------------------------------------------------------------------ faces

    def measured_faces(self) -> dict[str, npt.NDArray[Any]]:
        """``patches`` uint8 (N, S, S), ``rows`` float32 (N, D) without embeddings, ``found`` bool (N,)."""
        spec = self.extractors.recipe.specs
        key = self._key(
            "faces", {m.value: s.to_json() for m, s in spec.items() if m.value == "V"}, self.corpora.sources["ferplus"]
        )
        path = self._cache / f"{key}.npz"
        if not path.exists():
            visual = VisualExtractor(self.extractors.faces)
            progress = self._bar("faces")
            stills = []
            for k, face in enumerate(self.corpora.faces):
                stills.append(visual.still(np.repeat(face.image[..., None], 3, axis=2)))
                if k % 100 == 0:
                    progress(k / len(self.corpora.faces), f"{sum(s is None for s in stills)} not found")
            visual.close()
            nothing = np.zeros(len(NAMES), dtype=np.float32)
            blank = np.zeros((SIZE, SIZE), dtype=np.uint8)
            draft = path.with_suffix(".part.npz")
            np.savez(
                draft,
                rows=np.stack([nothing if s is None else s.row for s in stills]),
                patches=np.stack([blank if s is None else s.patch for s in stills]),
                found=np.array([s is not None for s in stills]),
            )
            draft.replace(path)
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)

    def face_encoder(self, schedule: face_training.FaceSchedule) -> Encoder:
        """The face encoder, from the training faces that the landmarker finds (four votes for the seven at least)."""
        key = self._key("face", asdict(schedule), self.corpora.sources["ferplus"])

        def make() -> Encoder:
            chosen = np.flatnonzero(self.measured_faces()["found"] & (self.splits["faces"] == "train"))
            return face_training.fit(
                self.faces(chosen), face_training.Mirror(NAMES), schedule, self.seed, self._bar("face encoder")
            )

        return self._encoder(key, make)

    def faces(self, index: npt.NDArray[np.int64]) -> face_training.Faces:
        """Faces ``index`` as the encoder's training takes them."""
        measured = self.measured_faces()
        votes = np.stack([self.corpora.faces[i].emotion for i in index])
        return face_training.Faces(patches=measured["patches"][index], rows=measured["rows"][index], votes=votes)

    def face_rows(self, encoder: Encoder, count: int) -> Float32:
        """Rows with embeddings of all faces in ``count`` versions, float32 (N, count, D + E)."""
        key = self._key("face rows", {"encoder": encoder.identity, "count": count}, self.corpora.sources["ferplus"])
        path = self._cache / f"{key}.npy"
        if not path.exists():
            everything = self.faces(np.arange(len(self.corpora.faces)))
            _save(path, face_training.versions(encoder, everything, face_training.Mirror(NAMES), count, self.seed))
        rows: Float32 = np.load(path, allow_pickle=False)
        return rows

    # ----------------------------------------------------------------- voices

    def voice_windows(self, count: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Windows of all clips in ``count`` versions: float16 (N, count, T, D), bool (N, count, T)."""
        recipe = self.extractors.recipe
        spec = next(s for m, s in recipe.specs.items() if m.value == "A")
        key = self._key("voices", {**spec.to_json(), "count": count}, self.corpora.sources["ravdess"])
        into = self._cache / f"{key}.npy", self._cache / f"{key}.mask.npy"
        if not into[1].exists():
            voice_windows.write_versions(
                [clip.path for clip in self.corpora.voices],
                self.extractors.acoustic_window,
                spec=spec,
                duration=recipe.duration,
                count=count,
                into=into,
                progress=self._bar("voices"),
            )
        return np.load(into[0], mmap_mode="r", allow_pickle=False), np.load(into[1], allow_pickle=False)

    # ------------------------------------------------------------------ cache

    def _key(self, name: str, settings: Mapping[str, Any], *sources: str) -> str:
        body = json.dumps([settings, sources, self.seed], sort_keys=True)
        return f"{name.replace(' ', '-')}-{hashlib.sha256(body.encode()).hexdigest()[:12]}"

    def _bar(self, stage: str) -> Progress:
        return lambda share, text: self._progress(stage, share, text)

    def _encoder(self, key: str, make: Callable[[], Encoder]) -> Encoder:
        path = self._cache / f"{key}.safetensors"
        if not path.exists():
            made = make()
            draft = path.with_suffix(".part")
            save_file(dict(made.tensors), draft, {"config": json.dumps(made.config)})
            draft.replace(path)
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return Encoder(config=json.loads(file.metadata()["config"]), tensors=tensors)


def valence(emotion: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sign of the expressed emotion in [-1, 1] by its label, NaN where most of it is surprise: (N, 7) -> (N,)."""
    signs = np.array([_SAID.get(label, 0.0) for label in LABELS], dtype=np.float32)
    surprised = emotion[:, LABELS.index("surprise")] > 0.5
    return np.where(surprised, np.float32(np.nan), emotion @ signs).astype(np.float32)


def _by_hash(samples: Sequence[Labelled], one_in: int, *, test_from: int) -> npt.NDArray[np.str_]:
    return np.array(
        [
            "test" if k >= test_from else "valid" if _bucket(sample.id, one_in) == 0 else "train"
            for k, sample in enumerate(samples)
        ]
    )


def _bucket(name: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % count


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    draft = path.with_suffix(".part.npy")
    np.save(draft, array)
    draft.replace(path)
