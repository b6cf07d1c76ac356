"""Every error this program raises on purpose.

A message states what was expected and what came instead; it is one line, fit to be shown to a user as it is.
"""

from __future__ import annotations


class DMDError(Exception):
    """Base of all errors raised on purpose; its text is meant for users."""


class ConfigError(DMDError):
    """A setting is outside its rule; the message gives the rule and the value."""


class SourceError(DMDError):
    """A media file (or other input) cannot be read as what it should be."""


class DeviceError(DMDError):
    """A camera or microphone is missing, in use, refused or gone."""


class AssetError(DMDError):
    """A model file is missing, unreachable or not the one that was expected (size, SHA-256)."""


class ModelError(DMDError):
    """A model cannot be built, loaded or run as asked."""


class CheckpointError(ModelError):
    """A checkpoint file is unreadable, of another format, or does not match what runs."""


class RecordingError(DMDError):
    """A session cannot be written or read."""


class StageError(DMDError):
    """A stage of the pipeline died; ``__cause__`` is the original exception."""
