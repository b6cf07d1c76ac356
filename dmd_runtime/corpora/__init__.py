"""Labelled corpora: read as they are laid out on disk, and made into windows by the live extractors."""
