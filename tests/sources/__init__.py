"""Tests of dmd_runtime.sources."""
