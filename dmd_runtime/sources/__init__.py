"""Where pictures and sound come from: media files, and a source whose every item carries its number."""
