"""Conversations with tools, and what transformers makes of them: prompts by the template, messages by its parser."""

import json
from types import SimpleNamespace
from typing import Any

from transformers import PreTrainedTokenizerFast
from transformers.cli.serving.utils import get_response_template
from transformers.utils.chat_parsing import parse_response

from .prompts import Message

ZOOM = {
    "type": "function",
    "function": {
        "name": "zoom",
        "description": 'Shows a part of the picture. Say "where": größer!',
        "parameters": {
            "type": "object",
            "properties": {
                "where": {"type": "string", "enum": ["top left", "bottom right"]},
                "factor": {"type": "number", "minimum": 1, "maximum": 8.5},
            },
            "required": ["where"],
            "additionalProperties": False,
        },
    },
}
STOP = {"type": "function", "function": {"name": "stop"}}

IMAGE = {"type": "image_url", "image_url": {"url": "images/sign.png"}}


def call(identity: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"id": identity, "type": "function", "function": function}


CONVERSATIONS: list[tuple[str, list[dict[str, Any]], list[Message]]] = [
    ("offered", [ZOOM, STOP], [{"role": "user", "content": "Look closer."}]),
    (
        "own-system",
        [ZOOM],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Look closer."}],
    ),
    (
        "called",
        [ZOOM],
        [
            {"role": "user", "content": [IMAGE, {"type": "text", "text": "What does the small print say?"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [call("call_1", "zoom", {"where": "top left", "factor": 2.5})],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "The part follows."},
            {"role": "user", "content": [IMAGE]},
        ],
    ),
    (
        "several",
        [ZOOM, STOP],
        [
            {"role": "user", "content": "Both corners, please."},
            {
                "role": "assistant",
                "content": "I look at both.",
                "tool_calls": [
                    call("a", "zoom", {"where": "top left"}),
                    call("b", "zoom", {"where": 'bottom right "\\ é\n'}),
                    call("c", "stop", {}),
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "left"},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "right"}]},
            {"role": "tool", "tool_call_id": "c", "content": ""},
        ],
    ),
    (
        "answered-without-tools",
        [],
        [
            {"role": "user", "content": "Stop."},
            {"role": "assistant", "tool_calls": [call("a", "stop", {"deep": [{"x": [None, True, 1, -2.5]}]})]},
            {"role": "tool", "tool_call_id": "a", "content": "stopped"},
        ],
    ),
]

ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"where": "top left"},
    {"text": 'quotes " and \\ and {braces} ] [ é 😀 \n\t'},
    {"nested": {"list": [1, [2.5, -3], {"a": None}], "flag": True}, "empty": {}, "none": []},
    {"looks like": '"}, {"name": "x", "arguments": {'},
]


def written(content: str, calls: list[tuple[str, dict[str, Any]]]) -> str:
    """The text of an answer, as the template writes it into a prompt."""
    lines = [
        f'<tool_call>\n{{"name": "{name}", "arguments": {json.dumps(arguments, ensure_ascii=False)}}}\n</tool_call>'
        for name, arguments in calls
    ]
    return "\n".join(([content] if content else []) + lines)


ANSWERS = [
    *(written("", [("zoom", arguments)]) for arguments in ARGUMENTS),
    written("I look closer.", [("zoom", ARGUMENTS[1])]),
    written("", [("zoom", ARGUMENTS[1]), ("stop", {}), ("zoom", ARGUMENTS[3])]),
    "No call at all: <tool> <tool_cal",
]


def template_message(message: Message) -> Message:
    """A message as templates read it: arguments as values, content never absent."""
    calls = [
        {**made, "function": {**made["function"], "arguments": json.loads(made["function"]["arguments"])}}
        for made in message.get("tool_calls", [])
    ]
    return {**message, "content": message.get("content") or "", **({"tool_calls": calls} if calls else {})}


def conversation(
    name: str, tools: list[dict[str, Any]], messages: list[Message], tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    rendered = tokenizer.apply_chat_template(
        [template_message(message) for message in messages],
        tools=tools or None,
        tokenize=False,
        add_generation_prompt=True,
    )
    assert isinstance(rendered, str)
    chunks = [tokenizer.encode(chunk, add_special_tokens=False) for chunk in rendered.split("<image>")]
    return {"name": name, "tools": tools, "messages": messages, "rendered": rendered, "ids": chunks}


def response_template() -> Any:
    """What `transformers serve` reads answers of Qwen2.5 by."""
    template = get_response_template(SimpleNamespace(), SimpleNamespace(config=SimpleNamespace(model_type="qwen2")))
    if template is None:
        raise ValueError("this transformers knows no answers of Qwen2.5")
    return template


def tool_goldens(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    template = response_template()
    return {
        "conversations": [conversation(*case, tokenizer) for case in CONVERSATIONS],
        "answers": [{"text": text, "message": parse_response(text, template, prefix="")} for text in ANSWERS],
    }
