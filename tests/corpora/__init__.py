"""Tests of the corpora readers."""
