"""Parts of the demo film: the face, the voice, and when what happens. See docs/demo.md."""
