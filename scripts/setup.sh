#!/usr/bin/env bash
# Set-up on a fresh Debian or Ubuntu machine: system libraries, virtual environment, locked packages.
# Usage: scripts/setup.sh run|dev      Does nothing when nothing has changed since the last time.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-run}
venv=.venv

say() { printf 'setup: %s\n' "$*" >&2; }

# --- system libraries ---------------------------------------------------------------------------------------------
# libegl1 and libgles2: the face model's runtime, and Qt; libportaudio2: microphones; libx…: windows under X11.
libraries="libegl1 libgles2 libgl1 libportaudio2 fonts-dejavu-core libfontconfig1 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0
    libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-shape0 libxcb-randr0 libxcb-xkb1"
# Tests: a virtual screen, a virtual microphone, a synthetic voice (which also remakes the demo).
[ "$kind" = dev ] && libraries="$libraries xvfb xauth pulseaudio pulseaudio-utils libasound2-plugins espeak-ng"
missing=""
if command -v dpkg-query >/dev/null 2>&1; then
    for name in $libraries; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)" = installed ] || missing="$missing $name"
    done
else
    say "not a Debian or Ubuntu machine: please see that these libraries are there:" $libraries
fi

# --- python -------------------------------------------------------------------------------------------------------
usable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; }
python=""
for candidate in "${PYTHON:-}" python3.11 python3.12 python3; do
    if [ -n "$candidate" ] && usable "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    say "expected Python 3.11 or 3.12, found $(python3 --version 2>&1 || echo none)."
    say "On Debian 12:  sudo apt-get install python3 python3-venv      or name one:  PYTHON=/path/to/python3.11 make run"
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    missing="$missing $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
fi

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root=none; fi
    if [ "$as_root" = none ]; then
        say "system libraries are missing. Please type this line, then start again:"
        say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing"
        exit 1
    fi
    say "installing system libraries:$missing"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

# --- packages -----------------------------------------------------------------------------------------------------
locks="requirements.lock"
[ "$kind" = dev ] && locks="$locks requirements-dev.lock"
stamp="$venv/.setup-$kind"
wanted=$(cat pyproject.toml $locks "$0" | sha256sum | cut -d' ' -f1)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && [ -x "$venv/bin/dmd" ]; then exit 0; fi

if [ ! -x "$venv/bin/python" ] || ! usable "$venv/bin/python"; then
    say "making the virtual environment $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
pip="$venv/bin/python -m pip --disable-pip-version-check -q"
say "installing locked packages (the first time takes some minutes)"
# torch first and alone: where a CPU build of this very version is at hand, pip takes it, and nothing asks for CUDA later.
$pip install "$(grep -E '^torch==' requirements.lock)"
for lock in $locks; do $pip install -r "$lock"; done
$pip install --no-deps --no-build-isolation -e .
echo "$wanted" > "$stamp"
say "ready"
