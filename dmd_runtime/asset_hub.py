"""Models of the hub: their files are listed by it, pinned to one revision, fetched and checked like all others.

What is fetched lies in ``<name>.part/`` of the cache beside its listing until it is whole; then the folder becomes
``<name>/``, and nobody is asked again. The listing says which revision of which repository it is, with the size and
hash of each file, so that a copy on another machine can be checked too.
"""

from __future__ import annotations

import http.client
import json
import logging
import shutil
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from dmd_runtime.asset_manifest import Asset, AssetFile
from dmd_runtime.asset_sources import TIMEOUT, FetchCancelledError, OnProgress
from dmd_runtime.assets import Assets, bytes_in, draft_of, locked
from dmd_runtime.errors import AssetError
from dmd_runtime.privacy import quiet_hub
from dmd_runtime.whole_file import whole_file

logger = logging.getLogger(__name__)

LISTING = "listing.json"
_FORMAT = 1
_LARGEST_ANSWER = 4 << 20  # bytes of a listing; the real ones have a few thousand


@dataclass(frozen=True, kw_only=True)
class HubModel:
    """A repository of the hub, and which of its files make the model.

    Attributes
    ----------
    name : str
        Of the asset and its folder.
    repository : str
        ``owner/name``.
    title, purpose, licence, licence_url, source : str
        For people, as in the manifest.
    needed : tuple of tuple of str
        Of each group of file names (with wildcards) one must be there.
    welcome : tuple of str
        More files that are fetched where there are any.
    """

    name: str
    repository: str
    title: str
    purpose: str
    licence: str
    licence_url: str
    source: str
    needed: tuple[tuple[str, ...], ...]
    welcome: tuple[str, ...] = ()

    def lacks(self, names: tuple[str, ...]) -> str:
        """What is not among ``names`` though it must be, for a message; empty where all is there."""
        lacking = [group for group in self.needed if not any(_among(name, group) for name in names)]
        return ", ".join(" or ".join(group) for group in lacking)

    def asset(self, revision: str, files: list[dict[str, Any]]) -> Asset:
        """The files at ``revision`` as an asset; raises ValueError where they cannot be what they should be."""
        wanted = [file for file in files if _among(file["path"], (*sum(self.needed, ()), *self.welcome))]
        if lacking := self.lacks(tuple(file["path"] for file in wanted)):
            raise ValueError(f"expected {lacking} among its files, got {', '.join(f['path'] for f in files) or 'none'}")
        at = f"{_endpoint()}/{self.repository}/resolve/{quote(revision, safe='')}"
        return Asset(
            name=self.name,
            title=self.title,
            purpose=self.purpose,
            licence=self.licence,
            licence_url=self.licence_url,
            source=self.source,
            files=tuple(AssetFile(**file, url=f"{at}/{quote(file['path'])}") for file in wanted),
        )


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a model at one revision of its repository."""

    revision: str
    asset: Asset


@dataclass(frozen=True, kw_only=True)
class HubStatus:
    """How much of a model is here.

    Attributes
    ----------
    place : Path or None
        Its folder, where it is whole and right.
    origin : str
        What kind of place that is.
    problems : tuple of str
        What was refused on the way.
    done_bytes, total_bytes : int
        Of a download that was begun; 0 where none was.
    """

    place: Path | None = None
    origin: str = ""
    problems: tuple[str, ...] = ()
    done_bytes: int = 0
    total_bytes: int = 0


def look(assets: Assets, model: HubModel, *, anew: bool = False) -> HubStatus:
    """Where a model is; never touches the network. ``anew`` hashes what is known to be right, too."""
    refused: list[str] = []
    for origin, folder in assets.places(model.name, refused):
        if not folder.is_dir():
            continue
        try:
            listing = read_listing(model, folder)
        except AssetError as error:
            refused.append(str(error))
            continue
        problems = assets.check(listing.asset, folder, anew=anew) if listing else None
        if listing is None or problems is None:
            if any(folder.glob("model.bin")):
                refused.append(f"{folder}: expected {LISTING} beside the model, to check it by, got none")
        elif problems:
            refused += problems
        else:
            return HubStatus(place=folder, origin=origin, problems=tuple(refused))
    part = draft_of(assets.cache / model.name)
    begun = _begun(model, part)
    done, total = (bytes_in(begun.asset, part), begun.asset.bytes) if begun else (0, 0)
    return HubStatus(problems=tuple(refused), done_bytes=done, total_bytes=total)


def fetch(
    assets: Assets, model: HubModel, *, on_progress: OnProgress | None = None, cancel: Event | None = None
) -> Path:
    """Find the model, else fetch it whole into the cache, going on with what is half there. Blocks.

    Raises
    ------
    AssetError
        It cannot be had; the first line names it and says why.
    FetchCancelledError
        ``cancel`` was set; what came is kept.
    """
    if found := look(assets, model).place:
        return found
    if assets.offline:
        raise AssetError(f"model {model.name} is not here, and the network is not used (working offline)")
    cancel = cancel or Event()
    target = assets.cache / model.name
    part = draft_of(target)
    try:
        with locked(assets.cache / f"{model.name}.lock", cancel):
            if found := look(assets, model).place:  # another program has fetched it meanwhile
                return found
            listing = _begun(model, part) or _pin(ask(model), part, model)
            try:
                assets.fill(listing.asset, part, on_progress, cancel)
            except FetchCancelledError:
                raise
            except AssetError as error:
                if (now := _ask_quietly(model)) is None or now == listing:
                    raise
                logger.info("model %s: %s; the hub has a newer one", model.name, str(error).splitlines()[0])
                listing = _pin(now, part, model)
                assets.fill(listing.asset, part, on_progress, cancel)
            if target.exists():  # it was not right
                shutil.rmtree(target)
            part.replace(target)
            assets.renamed(listing.asset, part, target)
            return target
    except (OSError, NotImplementedError) as error:
        raise AssetError(
            f"model {model.name}: expected a folder that can be written to, {target}, got: {error}"
        ) from error


def ask(model: HubModel) -> Listing:
    """Ask the hub which files a model has now.

    Raises
    ------
    AssetError
        It cannot be reached, knows no such repository, or what it says is not understood.
    """
    address = f"{_endpoint()}/api/models/{model.repository}?blobs=true"
    request = urllib.request.Request(address, headers={"User-Agent": "dmd", "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            said = json.loads(answer.read(_LARGEST_ANSWER))
        return Listing(revision=said["sha"], asset=model.asset(said["sha"], [_file(f) for f in said["siblings"]]))
    except urllib.error.HTTPError as error:
        with error:
            why = f"it answered {error.code} {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        why = f"it cannot be reached: {getattr(error, 'reason', None) or error or type(error).__name__}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"expected a list of its files, got something else: {_brief(error)}"
    raise AssetError(f"model {model.name} is not here, and the hub could not give it ({model.repository}): {why}")


def read_listing(model: HubModel, folder: Path) -> Listing | None:
    """The listing in ``folder``, or None where there is none.

    Raises
    ------
    AssetError
        It is not what it should be.
    """
    path = folder / LISTING
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if (known["format"], known["repository"]) != (_FORMAT, model.repository):
            raise ValueError(f"{known['repository']}, format {known['format']}")
        return Listing(revision=known["revision"], asset=model.asset(known["revision"], known["files"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(f"{path}: expected the files of {model.repository}, got {_brief(error)}") from None


def _write_listing(repository: str, listing: Listing, folder: Path) -> None:
    files = [
        {"path": f.path, "bytes": f.bytes} | ({"sha256": f.sha256} if f.sha256 else {"git_sha1": f.git_sha1})
        for f in listing.asset.files
    ]
    known = {"format": _FORMAT, "repository": repository, "revision": listing.revision, "files": files}
    with whole_file(folder / LISTING) as out:
        out.write(json.dumps(known, indent=1).encode())


def _pin(listing: Listing, part: Path, model: HubModel) -> Listing:
    """Write down what is about to be fetched; drafts of other files than these go."""
    part.mkdir(parents=True, exist_ok=True)
    before = _begun(model, part)
    same = {(f.path, f.digest) for f in before.asset.files} if before else set()
    kept = {name for f in listing.asset.files if (f.path, f.digest) in same for name in (f.path, f"{f.path}.part")}
    for path in part.iterdir():
        if path.name not in kept:
            path.unlink()
    _write_listing(model.repository, listing, part)
    return listing


def _begun(model: HubModel, part: Path) -> Listing | None:
    """What a download that was stopped had pinned, where that can still be read."""
    with suppress(AssetError):
        return read_listing(model, part)
    return None


def _ask_quietly(model: HubModel) -> Listing | None:
    with suppress(AssetError):
        return ask(model)
    return None


def _file(told: dict[str, Any]) -> dict[str, Any]:
    """One file as the hub tells it; large ones have a SHA-256, small ones are named by git."""
    lfs = told.get("lfs")
    digest = {"sha256": lfs["sha256"]} if lfs else {"git_sha1": told["blobId"]}
    return {"path": told["rfilename"], "bytes": lfs["size"] if lfs else told["size"], **digest}


def _among(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _endpoint() -> str:
    quiet_hub()
    from huggingface_hub.constants import ENDPOINT  # noqa: PLC0415 - only for other models, and after quiet_hub()

    return ENDPOINT


def _brief(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(error).__name__} {error}"[:160] if isinstance(error, KeyError) else str(error)[:160]
