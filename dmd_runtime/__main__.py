"""``python -m dmd_runtime``: the same as the command ``dmd``."""

from __future__ import annotations

import sys

from dmd_runtime.cli import main

if __name__ == "__main__":
    sys.exit(main())
