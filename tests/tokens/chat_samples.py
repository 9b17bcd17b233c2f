"""Sentences to learn a small tokenizer from, and conversations of every form."""

from __future__ import annotations

SENTENCES = """La panadera de Aldea abre su tienda a las siete de la mañana. ¿Cuánto cuesta el pan? Cuesta 12
monedas.
The baker of the village opens her shop at seven in the morning. How much is the bread? It costs 12 coins.
El río pasa por el pueblo y llega al molino; los niños juegan en la orilla con un barco de papel.
The river runs through the village to the mill; the children play on its bank with a paper boat.
Había una vez un herrero que forjaba llaves. Once upon a time there was a smith who forged keys.
""".splitlines()

CALCULATOR = {
    "type": "function",
    "function": {
        "name": "calculate",
        "description": "Calcula una expresión.",
        "parameters": {
            "type": "object",
            "properties": {"expression": {"type": "string"}},
            "required": ["expression"],
        },
    },
}


def call(expression: str) -> dict:
    function = {"name": "calculate", "arguments": {"expression": expression}}
    return {"type": "function", "function": function}


CONVERSATIONS = [
    [{"role": "user", "content": "Hola"}, {"role": "assistant", "content": "¡Buenos días! ¿Qué tal está?"}],
    [
        {"role": "system", "content": "Sé breve, por favor."},
        {"role": "user", "content": "¿Cuánto es 12*37?"},
        {"role": "assistant", "content": None, "tool_calls": [call("12*37")]},
        {"role": "tool", "content": "444"},
        {"role": "assistant", "content": "Es 444 😀👩‍👩‍👧."},
        {"role": "user", "content": "\n\n  Gracias, canción, ñandú \n"},
        {"role": "assistant", "content": "De nada."},
    ],
    [
        {"role": "user", "content": "Do two sums: 1+2 and 3*4"},
        {"role": "assistant", "content": "At once: ", "tool_calls": [call("1+2"), call("3*4")]},
        {"role": "tool", "content": "3"},
        {"role": "tool", "content": "12"},
        {"role": "assistant", "content": "3 and 12"},
    ],
    [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "b"},
    ],
    [
        {"role": "user", "content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]},
        {
            "role": "assistant",
            "tool_calls": [{"function": {"name": "f", "arguments": '{"x":  "as text"}'}}],
        },
    ],
]
