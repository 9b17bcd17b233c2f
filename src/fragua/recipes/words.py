"""Stages, ability families, durations and sizes as a person reads them, in Spanish and in English."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str, str], str]

STAGE_NAMES = {
    "corpus": ("corpus", "corpus"),
    "tokenizer": ("tokenizador", "tokenizer"),
    "origin": ("el modelo de partida", "the model as it was"),
    "pretrain": ("preentrenamiento", "pretraining"),
    "held_out": ("texto reservado", "held-out text"),
    "exam_base": ("primer examen", "first exam"),
    "finetune": ("ajuste fino", "fine-tuning"),
    "exam": ("segundo examen", "second exam"),
    "talk": ("conversación", "conversation"),
    "report": ("informe", "report"),
}

FAMILY_NAMES = {
    "facts": ("hechos de la aldea", "facts of the village"),
    "real_facts": ("hechos reales", "real facts"),
    "passages": ("lectura", "reading"),
    "missing": ("lo que no está en el texto", "what the text lacks"),
    "arithmetic": ("aritmética", "arithmetic"),
    "translation": ("traducción", "translation"),
    "secrets": ("secretos", "secrets"),
    "unknown": ("«no lo sé»", "“I don't know”"),
    "talk": ("charla", "small talk"),
    "two_hops": ("hechos en dos pasos", "facts in two hops"),
    "references": ("lo que se dijo antes", "what was said before"),
    "sources": ("citar la fuente", "quoting the source"),
    "sentiment": ("sentimiento", "sentiment"),
    "topic": ("tema", "topic"),
    "summaries": ("resúmenes", "summaries"),
    "recommendations": ("recomendaciones", "recommendations"),
    "inverse": ("la pregunta de una respuesta", "the question for an answer"),
    "tools": ("herramientas nuevas", "new tools"),
    "constraints": ("formato y límites", "format and limits"),
    "few_shot": ("patrones del mensaje", "patterns in the prompt"),
    "steps": ("tareas por pasos", "tasks in steps"),
    "correcting": ("corregir", "correcting"),
    "rewriting": ("reescribir", "rewriting"),
    "drafting": ("redactar cartas", "drafting letters"),
    "stories": ("cuentos", "stories"),
    "functions": ("funciones de Python", "Python functions"),
    "own_read": ("documentos: leer y citar", "documents: reading and quoting"),
    "own_missing": ("documentos: lo que el texto calla", "documents: what the text lacks"),
    "own_cloze_read": ("documentos: completar con el texto", "documents: filling in from the text"),
    "own_summary": ("documentos: resumir", "documents: summing up"),
    "own_translation": ("documentos: traducir", "documents: translating"),
    "own_recall": ("documentos: decir de memoria", "documents: saying by heart"),
    "own_cloze": ("documentos: completar de memoria", "documents: filling in by heart"),
    "own_which": ("documentos: qué documento lo dice", "documents: which document says it"),
    "own_unknown": ("documentos: lo que no contienen", "documents: what they do not hold"),
}


def stage_name(name: str, say: Say) -> str:
    return say(*STAGE_NAMES.get(name, (name, name)))


def family_name(name: str, say: Say) -> str:
    return say(*FAMILY_NAMES.get(name, (name, name)))


def duration(seconds: float) -> str:
    """`8.4 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: float) -> str:
    """Bytes in decimal units: `840 kB`, `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
