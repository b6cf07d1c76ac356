#!/usr/bin/env bash
# Build the one-folder program in dist/dmd-desktop and let it test itself. The lock names PyInstaller's version.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -m pip install --disable-pip-version-check -q -r requirements-package.lock
.venv/bin/python -m PyInstaller --noconfirm --log-level WARN build.spec
du -sh dist/dmd-desktop
QT_QPA_PLATFORM=offscreen dist/dmd-desktop/dmd-desktop --selftest --offline
