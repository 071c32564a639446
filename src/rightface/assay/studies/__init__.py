"""Published studies, computed again: what was printed beside what follows from its counts."""
