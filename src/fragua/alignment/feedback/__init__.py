"""Feedback as people give it."""
