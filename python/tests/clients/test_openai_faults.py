"""openai-python against the built worker before a model server that breaks: no fault looks like an answer."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from served import served

FAULTS = (
    "refuse closed-port http-500 slow-headers stall-first stall cut clean-cut reset malformed-json missing-finish "
    "error-event page"
).split()
WHOLE = "ok no-done odd slow-tokens".split()
FORMS = ["stream", "whole"]
TOLD = "model server|answer was cut off"


@pytest.fixture(scope="module")
def line() -> Iterator[Any]:
    with served("serve-faults.ts") as server:
        yield server


@pytest.fixture(scope="module")
def client(line: Any) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{line['url']}/v1", api_key="none", max_retries=0) as openai_client:
        yield openai_client


def ask(client: OpenAI, form: str, name: str) -> str:
    """As the package's documentation shows it."""
    messages: Any = [{"role": "user", "content": "Hi"}]
    model = f"{form}-{name}"
    if form == "whole":
        return client.chat.completions.create(model=model, messages=messages).choices[0].message.content or ""
    chunks = client.chat.completions.create(model=model, messages=messages, stream=True)
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_every_fault_has_its_row(line: Any) -> None:
    assert line["faults"] == FAULTS
    assert list(line["whole"]) == WHOLE


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_an_error(client: OpenAI, form: str, fault: str) -> None:
    with pytest.raises(openai.APIError, match=TOLD):
        ask(client, form, fault)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", WHOLE)
def test_answer_is_an_answer(client: OpenAI, line: Any, form: str, name: str) -> None:
    assert ask(client, form, name) == line["whole"][name]
