"""The page that tells a run: one self-contained file, rewritten while it lives."""
