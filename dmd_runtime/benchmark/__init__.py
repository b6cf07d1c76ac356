"""Measurements of this machine, and what they are measured beside."""
