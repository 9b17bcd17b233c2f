"""What clients may send. A field that is not here, and would change the answer, is refused by name."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fragua.inference.engine import Sampling

MOST_STOPS = 16
MOST_TOP = 20
"""Likeliest tokens that are told beside the chosen one."""
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]


class Body(BaseModel):
    """JSON as it was sent: no type is bent, no NaN, no lone surrogate."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _unicode(cls, values: Any) -> Any:
        try:
            json.dumps(values, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text holds a lone surrogate, which is no character") from error
        except RecursionError as error:
            raise ValueError("nested too deep") from error
        return values


class StreamOptions(Body):
    include_usage: bool = False
    include_obfuscation: bool | None = None


class Asked(Body):
    """What chats and plain continuations share."""

    model: str
    n: int | None = Field(default=None, ge=1, le=128)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=-1, description="only the k likeliest; -1 or 0: all")
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0, le=10)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = Field(default=None, max_length=MOST_STOPS)
    ignore_eos: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(default=None, description="taken, without effect, as are those below")
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None

    @field_validator("stop")
    @classmethod
    def _stops(cls, stop: str | list[str] | None) -> str | list[str] | None:
        stops = [stop] if isinstance(stop, str) else stop or []
        if len(stops) > MOST_STOPS:
            raise ValueError(f"{len(stops)} stop strings, {MOST_STOPS} at most")
        if "" in stops:
            raise ValueError("a stop string is empty")
        return stop

    @field_validator("logit_bias")
    @classmethod
    def _ids(cls, bias: dict[str, float] | None) -> dict[str, float] | None:
        wrong = next((key for key in bias or {} if not (key.isascii() and key.isdigit())), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is not a token id")
        return bias

    @model_validator(mode="after")
    def _streamed(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only for stream: true")
        return self

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def sampling(self, max_tokens: int, **more: Any) -> Sampling:
        """Raises InputError where values do not go together."""
        values = {
            "top_p": self.top_p,
            "top_k": self.top_k if (self.top_k or 0) > 0 else None,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "frequency_penalty": self.frequency_penalty,
            "presence_penalty": self.presence_penalty,
            "temperature": self.temperature,
            "logit_bias": {int(key): value for key, value in (self.logit_bias or {}).items()},
            "seed": None if self.seed is None else self.seed % 2**63,
            "stop": (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            "stop_ids": tuple(self.stop_token_ids or ()),
            "ignore_end": bool(self.ignore_eos),
            "max_tokens": max_tokens,
        }
        return Sampling.parse({key: value for key, value in (values | more).items() if value is not None})


class TextPart(Body):
    type: Literal["text"]
    text: str


Content = str | list[TextPart]


class CalledFunction(Body):
    name: str
    arguments: str


class ToolCall(Body):
    id: str | None = None
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None


class ChatMessage(Body):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = Field(default=None, description="as the client gives it back; without effect")
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.content is None and not self.tool_calls:
            raise ValueError("neither content nor tool_calls")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only the assistant calls tools")
        return self

    def plain(self) -> dict[str, Any]:
        """As chat templates take it."""
        content = self.content
        if isinstance(content, list):
            content = "".join(part.text for part in content)
        message: dict[str, Any] = {"role": "system" if self.role == "developer" else self.role}
        message["content"] = content
        if self.tool_calls:
            calls = [call.function for call in self.tool_calls]
            message["tool_calls"] = [{"type": "function", "function": call.model_dump()} for call in calls]
        return message


class Function(Body):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolOffer(Body):
    type: Literal["function"]
    function: Function

    def described(self) -> dict[str, Any]:
        return {
            "type": "function",
            "function": self.function.model_dump(exclude_none=True, exclude={"strict"}),
        }


class NamedFunction(Body):
    name: Name


class NamedChoice(Body):
    type: Literal["function"]
    function: NamedFunction


class JsonSchema(Body):
    name: Name
    description: str | None = None
    schema_: dict[str, Any] = Field(default={}, alias="schema")
    strict: bool | None = None


class TextForm(Body):
    type: Literal["text"]


class ObjectForm(Body):
    type: Literal["json_object"]


class SchemaForm(Body):
    type: Literal["json_schema"]
    json_schema: JsonSchema


Form = Annotated[TextForm | ObjectForm | SchemaForm, Field(discriminator="type")]


class ChatBody(Asked):
    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=MOST_TOP)
    response_format: Form | None = None
    tools: list[ToolOffer] | None = Field(default=None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    modalities: list[Literal["text"]] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        names = [tool.function.name for tool in self.tools or []]
        if len(set(names)) < len(names):
            raise ValueError("tools: two have the same name")
        if self.tool_choice not in (None, "none", "auto") and not names:
            raise ValueError("tool_choice needs tools")
        if isinstance(self.tool_choice, NamedChoice) and self.tool_choice.function.name not in names:
            raise ValueError(f"tool_choice: there is no tool '{self.tool_choice.function.name}'")
        return self

    def form(self) -> dict[str, Any] | None:
        """The schema that the content must fit."""
        match self.response_format:
            case ObjectForm():
                return {"type": "object"}
            case SchemaForm() as form:
                return form.json_schema.schema_
        return None


class CompletionBody(Asked):
    prompt: str | list[str] | list[int] | list[list[int]]
    max_tokens: int | None = Field(default=None, ge=0, description="16 unless said otherwise")
    logprobs: int | None = Field(default=None, ge=0, le=MOST_TOP)
    echo: bool | None = None
    best_of: int | None = Field(default=None, ge=1, le=128)
    suffix: None = None

    @model_validator(mode="after")
    def _best(self) -> Self:
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise ValueError("best_of: only as many as n are drawn")
        return self


class EmbeddingBody(Body):
    model: str
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: None = Field(default=None, description="vectors are as long as the model makes them")
    user: str | None = None


class TokenizeBody(Body):
    """Either a prompt or messages."""

    model: str | None = None
    prompt: str | None = None
    messages: list[ChatMessage] | None = None
    tools: list[ToolOffer] | None = None
    add_generation_prompt: bool = True
    add_special_tokens: bool = True
    return_token_strs: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("either prompt or messages")
        return self


class DetokenizeBody(Body):
    model: str | None = None
    tokens: list[int]
