"""The tokenizer and the chat template, as libraries read them from the model's folder."""

from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from reference.paths import RANDOM_MODEL, REPOSITORY

FOLDER = REPOSITORY / RANDOM_MODEL


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    loaded: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(FOLDER)
    return loaded


@pytest.mark.parametrize(
    "text", ["There is a café.", "  two  spaces\n\n\ttab 1234 it's", "在哪里 🙂 a\u0301", "\r\n x\u00a0y"]
)
def test_text_survives(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    raw = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    ids = raw.encode(text).ids
    assert tokenizer.encode(text, add_special_tokens=False) == ids
    assert raw.decode(ids) == raw.normalizer.normalize_str(text)


def test_digits_stand_alone_and_turns_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.tokenize("20<|im_end|>") == ["2", "0", "<|im_end|>"]
    assert len(tokenizer) == 800


def test_template_adds_the_system_line_and_puts_images_where_they_stand(tokenizer: PreTrainedTokenizerFast) -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "a "},
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": " b"},
    ]
    messages: list[dict[str, Any]] = [{"role": "user", "content": parts}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert rendered == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\na <image> b<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_template_keeps_the_callers_system_line(tokenizer: PreTrainedTokenizerFast) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    assert rendered == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
