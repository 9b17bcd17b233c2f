"""Talking to a model: sampling, streaming, chat with tools, scoring."""
