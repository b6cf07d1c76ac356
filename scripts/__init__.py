"""Scripts of the project; the tests import their pure parts."""
