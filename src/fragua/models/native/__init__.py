"""A decoder's forward in C++, compiled where it runs: without a compiler there is none, and torch does the work."""
