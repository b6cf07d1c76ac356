"""The starter model: from four corpora of single modalities to one checkpoint for live windows (``make starter``)."""
