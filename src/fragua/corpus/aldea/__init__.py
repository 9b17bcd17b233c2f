"""Aldea: a closed bilingual world, rendered from one seeded graph into texts, conversations and an exam."""

from __future__ import annotations

from fragua.corpus.aldea.write import write_aldea, written_per_s

__all__ = ["write_aldea", "written_per_s"]
