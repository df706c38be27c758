"""openai-python against the built worker in workerd and the endpoint behind it."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import openai
import pytest
from openai import OpenAI
from served import served

from reference.paths import GOLDEN, REPOSITORY

MODEL = "vora-random"
PROMPT = next(
    prompt
    for prompt in json.loads((REPOSITORY / GOLDEN / "prompts.json").read_text(encoding="utf-8"))
    if prompt["name"] == "one-image"
)


@pytest.fixture(scope="module")
def line() -> Iterator[Any]:
    with served("serve-line.ts") as server:
        yield server


@pytest.fixture(scope="module")
def client(line: Any) -> Iterator[OpenAI]:
    with open_client(line, "url") as openai_client:
        yield openai_client


def open_client(line: Any, worker: str) -> OpenAI:
    return OpenAI(base_url=f"{line[worker]}/v1", api_key=line["key"], max_retries=0)


def running(line: Any) -> int:
    """Answers that the endpoint is working on."""
    with urlopen(f"{line['endpoint']}/health") as answer:
        return int(json.load(answer)["running"])


def picture_file() -> str:
    [name] = [part["image_url"]["url"] for part in PROMPT["messages"][0]["content"] if part["type"] == "image_url"]
    assert isinstance(name, str)
    return name


def picture() -> str:
    data = base64.b64encode((REPOSITORY / GOLDEN / picture_file()).read_bytes()).decode()
    return f"data:image/png;base64,{data}"


def messages(url: str | None = None) -> Any:
    question = [part for part in PROMPT["messages"][0]["content"] if part["type"] == "text"]
    image = {"type": "image_url", "image_url": {"url": url or picture()}}
    return [{"role": "user", "content": [image, *question]}]


def test_chat_gives_the_words_of_the_reference(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=messages(), max_tokens=32, temperature=0)
    assert answer.choices[0].message.content == PROMPT["text"]
    assert answer.usage is not None and answer.usage.prompt_tokens == PROMPT["promptTokens"]


def test_picture_by_https_url_gives_the_same_words(line: Any) -> None:
    asked = messages(line["pictures"] + picture_file())
    with open_client(line, "reader") as reader:
        answer = reader.chat.completions.create(model=MODEL, messages=asked, max_tokens=32, temperature=0)
    assert answer.choices[0].message.content == PROMPT["text"]


def test_stream_gives_the_same_and_its_usage(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL,
        messages=messages(),
        max_tokens=32,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    words = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(words) == PROMPT["text"]
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 32


def test_response_gives_the_same(client: OpenAI) -> None:
    content = [
        {"type": "input_image", "image_url": picture(), "detail": "auto"},
        *[
            {"type": "input_text", "text": part["text"]}
            for part in PROMPT["messages"][0]["content"]
            if part["type"] == "text"
        ],
    ]
    items: Any = [{"role": "user", "content": content}]
    whole = client.responses.create(model=MODEL, input=items, max_output_tokens=32, temperature=0)
    assert whole.output_text == PROMPT["text"]
    with client.responses.stream(model=MODEL, input=items, max_output_tokens=32, temperature=0) as stream:
        streamed = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert streamed == PROMPT["text"]


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]


def test_errors_have_their_classes_and_name_the_field(client: OpenAI) -> None:
    hello: Any = [{"role": "user", "content": "Hi"}]
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=MODEL, messages=hello, temperature=9)
    assert bad.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-4o", messages=hello)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()


def test_leaving_mid_answer_stops_the_model_within_a_second(client: OpenAI, line: Any) -> None:
    with client.chat.completions.create(model=MODEL, messages=messages(), stream=True, max_tokens=1800) as stream:
        assert next(iter(stream)).choices[0].delta.role == "assistant"
        assert running(line) == 1
    left = time.monotonic()
    while running(line) > 0:
        assert time.monotonic() - left < 1
        time.sleep(0.02)
    assert client.models.list().data


DIGIT = {
    "type": "object",
    "properties": {"digit": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["digit"],
    "additionalProperties": False,
}


def test_tool_is_called_and_form_is_filled(client: OpenAI) -> None:
    tools: Any = [{"type": "function", "function": {"name": "pick", "parameters": DIGIT}}]
    choice: Any = {"type": "function", "function": {"name": "pick"}}
    answer = client.chat.completions.create(model=MODEL, messages=messages(), tools=tools, tool_choice=choice)
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function" and call.function.name == "pick"
    assert json.loads(call.function.arguments)["digit"] in range(10)
    form: Any = {"type": "json_schema", "json_schema": {"name": "form", "schema": DIGIT, "strict": True}}
    filled = client.chat.completions.create(model=MODEL, messages=messages(), response_format=form)
    assert json.loads(filled.choices[0].message.content or "")["digit"] in range(10)
