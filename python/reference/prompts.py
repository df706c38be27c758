"""The prompts of the goldens, and how a conversation becomes token ids and embeddings."""

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from .attention_mask import Run, image_runs
from .oracle import Oracle
from .pixels import Mode

IMAGE_TOKEN = "<image>"
# Stands for an image among token ids, as in the reference; never looked up.
IMAGE_ID = -200

Message = dict[str, Any]


def image(file: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"images/{file}"}}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def video(*files: str) -> dict[str, Any]:
    return {"type": "video", "video": [f"images/{file}" for file in files]}


def frame_parts(frames: list[str]) -> list[dict[str, Any]]:
    """Frames as the reference shows them (data_module/processor.py): each with its second, one alone bare."""
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in frames]
    if len(pictures) == 1:
        return pictures
    stamped = [[text(f"{second}s: "), picture, text("; ")] for second, picture in enumerate(pictures, start=1)]
    return [part for parts in stamped for part in parts] + [text("\n")]


def user(*parts: dict[str, Any]) -> Message:
    return {"role": "user", "content": list(parts)}


@dataclass(frozen=True)
class Prompt:
    """A conversation in OpenAI form; videos in the form of Qwen's API."""

    name: str
    messages: list[Message]
    mode: Mode = "square"
    #: Store the logits of every position, not of the last alone.
    all_logits: bool = False

    def shown(self) -> list[Message]:
        """The conversation as the chat template gets it: text and images."""
        return [
            {
                **message,
                "content": message["content"]
                if isinstance(message["content"], str)
                else [
                    shown
                    for part in message["content"]
                    for shown in (frame_parts(part["video"]) if part["type"] == "video" else [part])
                ],
            }
            for message in self.messages
        ]

    def images(self) -> list[str]:
        """Files of the images, frames of videos among them, in order."""
        return [
            part["image_url"]["url"]
            for message in self.shown()
            if not isinstance(message["content"], str)
            for part in message["content"]
            if part["type"] == "image_url"
        ]


PROMPTS = [
    Prompt("text-only", [{"role": "user", "content": "How many colours does a rainbow have?"}], all_logits=True),
    Prompt(
        "own-system",
        [
            {"role": "system", "content": "Answer in one short sentence."},
            user(text("Why is the sky "), text("blue?")),
        ],
    ),
    Prompt("one-image", [user(image("photo-coast.jpg"), text("What is in this picture?"))], all_logits=True),
    Prompt(
        "two-images",
        [user(image("png-rgb.png"), text("Compare this with "), image("photo-night.webp"), text("\nWhich is darker?"))],
    ),
    Prompt(
        "adjacent-images",
        [user(image("webp-lossless.webp"), image("exif-6-png.png"), text("Do these show the same place?"))],
        all_logits=True,
    ),
    Prompt("native-image", [user(image("size-501x333.png"), text("Please describe the image."))], mode="native"),
    Prompt("two-frames", [user(video("png-rgb.png", "photo-coast.jpg"), text("What happens here?"))], all_logits=True),
    Prompt(
        "multi-turn",
        [
            user(image("sign.png"), text("Read the text on the sign.")),
            {"role": "assistant", "content": "It says VoRA sees 42."},
            user(text("Which colour is the second line?")),
        ],
    ),
    Prompt(
        "unicode",
        [
            user(
                image("jpeg-444.jpg"),
                text("Wie heißt das?  在哪里 \u00e9 e\u0301 👩‍🚀🙂\r\n\n\t«naïve» it's 20\u00a0°C…  "),
            )
        ],
    ),
]


@dataclass(frozen=True)
class Assembled:
    """A prompt ready for the model: `ids` holds IMAGE_ID once per image, `embeds` [L, hidden] all its rows."""

    rendered: str
    ids: list[int]
    embeds: torch.Tensor
    runs: list[Run] = field(default_factory=list)


def assemble(
    prompt: Prompt, tokenizer: PreTrainedTokenizerBase, oracle: Oracle, images: list[torch.Tensor]
) -> Assembled:
    """Renders, tokenizes the text around each image on its own, and puts image embeddings [N, hidden] in between."""
    rendered = tokenizer.apply_chat_template(prompt.shown(), tokenize=False, add_generation_prompt=True)
    assert isinstance(rendered, str)
    chunks = [tokenizer.encode(chunk, add_special_tokens=False) for chunk in rendered.split(IMAGE_TOKEN)]
    if len(chunks) != len(images) + 1:
        raise ValueError(f"{prompt.name}: {len(images)} images for {len(chunks) - 1} places")
    ids, rows, is_image = list(chunks[0]), [oracle.embed(chunks[0])], [False] * len(chunks[0])
    for embeds, chunk in zip(images, chunks[1:], strict=True):
        ids += [IMAGE_ID, *chunk]
        rows += [embeds, oracle.embed(chunk)]
        is_image += [True] * len(embeds) + [False] * len(chunk)
    return Assembled(rendered, ids, torch.cat(rows), image_runs(is_image))
