"""Property tests of search spaces are bounded by examples, not by the clock of a busy machine."""

from hypothesis import settings

settings.register_profile("search_spaces", deadline=None)
settings.load_profile("search_spaces")
