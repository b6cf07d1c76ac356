"""What libraries would send by themselves, and what keeps each from it (docs/decisions/0004).

Two have ways out of their own: MediaPipe reports its use, and the hub client asks before it looks into its own cache.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from typing import Any, Final

_DEAD_PROXY: Final = "blocked://mediapipe-usage-reports"  # libcurl knows no such scheme, and gives up without a socket
_HUB: Final = {
    "HF_HUB_DISABLE_TELEMETRY": "1",  # else each request names the versions of other libraries here
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",  # else each request names the user, where he has signed in once
    "HF_HUB_DISABLE_XET": "1",  # its native client would read the proxies of import_mediapipe()
}
logger = logging.getLogger(__name__)


def import_mediapipe() -> Any:
    """Import MediaPipe (up to 3 s the first time) so that it reports to nobody; nothing else here may import it.

    The wheel's library posts usage (task, counts, times, system; no pictures) to play.googleapis.com from a thread of
    its own when a task is made, and has no switch. Its libcurl takes proxies from the process's environment:
    ``no_proxy``, ``NO_PROXY``, then ``https_proxy``, ``HTTPS_PROXY``, ``all_proxy``, ``ALL_PROXY``; the first that is
    not empty counts. So the first of them names a proxy that cannot be, before the library is loaded.

    ``os.putenv`` changes what native code sees and leaves ``os.environ`` alone: urllib, the hub client, and pip, which
    is given ``os.environ``, keep the user's own settings. Called for each landmarker, since whoever writes one of these
    names into ``os.environ`` later undoes it. On any thread.
    """
    # WORKAROUND for https://github.com/google-ai-edge/mediapipe/issues/6291
    if sys.platform == "linux":
        os.unsetenv("no_proxy")
        os.unsetenv("NO_PROXY")
        os.putenv("https_proxy", _DEAD_PROXY)
    else:
        _warn_once()
    import mediapipe  # noqa: PLC0415

    return mediapipe


@cache
def _warn_once() -> None:
    """Say that the promise is not kept: the libraries for other systems use these systems' own network code."""
    logger.warning(
        "on this system MediaPipe reports its use (no pictures) to play.googleapis.com; "
        "docs/models.md says how to block it"
    )


def quiet_hub() -> None:
    """Keep the hub client's requests to what a download needs; what the user has set himself stays.

    Must come before ``huggingface_hub`` is first imported, as faster-whisper and transformers do. ``HF_HUB_OFFLINE`` is
    not among it: it holds for the whole process and would forbid the one fetch that may be asked for. All models are
    loaded from folders that are known to be complete, which asks nobody.
    """
    for name, value in _HUB.items():
        os.environ.setdefault(name, value)
