"""Write the lock files: every package that pyproject.toml reaches, at the installed version.

``requirements.lock`` is what the program needs, ``requirements-dev.lock`` what tests and lint need besides, and
``requirements-package.lock`` what packaging needs besides. Local version tags are left out, so that each machine takes
the build (CPU or CUDA) that it is offered.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
# CUDA packages belong to one build of torch; they come with it where it is chosen.
LEFT_OUT = ("nvidia-", "cuda-", "triton")


def closure(requirements: Iterable[str], seen: dict[str, str]) -> dict[str, str]:
    """Add to ``seen`` (name -> version) everything the requirements need on this machine."""
    for text in requirements:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name.startswith(LEFT_OUT) or (requirement.marker and not _applies(requirement)):
            continue
        distribution = metadata.distribution(name)
        fresh = name not in seen
        seen[name] = Version(distribution.version).public
        if fresh or requirement.extras:
            wanted = [r for r in distribution.requires or () if _wanted(r, requirement.extras)]
            closure(wanted, seen)
    return seen


def _applies(requirement: Requirement) -> bool:
    return bool(requirement.marker and requirement.marker.evaluate({"extra": ""}))


def _wanted(text: str, extras: Iterable[str]) -> bool:
    marker = Requirement(text).marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def write(file: str, packages: Mapping[str, str]) -> None:
    """Write one lock file."""
    lines = ["# Written by `make lock`; every version is the one the suite last passed with."]
    lines += [f"{name}=={version}" for name, version in sorted(packages.items())]
    (ROOT / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write all three files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    run = closure([*project["build-system"]["requires"], *project["project"]["dependencies"]], {})
    write("requirements.lock", run)
    for file, needs in (
        ("requirements-dev.lock", [*extras["test"], *extras["lint"], *extras["demo"]]),
        ("requirements-package.lock", extras["package"]),
    ):
        more = closure(needs, dict(run))
        write(file, {name: version for name, version in more.items() if name not in run})


if __name__ == "__main__":
    main()
