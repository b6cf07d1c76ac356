"""Recorded numbers of this project's own model, for machines that have no others."""
