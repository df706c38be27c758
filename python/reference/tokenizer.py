"""A small Qwen2-style byte-level BPE tokenizer, trained on sentences of a little grammar."""

from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from .config import VoraConfig
from .json_file import write_json

TOKENS = 800
END_OF_TURN = "<|im_end|>"
END_OF_TEXT = "<|endoftext|>"

# In Qwen2.5's order. The first 14 are special; the rest are ordinary added tokens there, too.
SPECIAL = [
    END_OF_TEXT,
    "<|im_start|>",
    END_OF_TURN,
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
ADDED = [
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
]

# Qwen2's pre-tokenizer, to the letter: digits stand alone, newlines group, a leading space joins its word.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = (Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8").rstrip("\n")

WORDS: dict[str, list[str]] = {
    "colour": (
        "red green blue yellow orange purple black white grey brown pink golden silver violet crimson turquoise beige"
    ).split(),
    "size": (
        "small large tiny tall wide narrow round bright dark striped empty broken shiny wooden heavy gentle modern "
        "ancient"
    ).split(),
    "thing": (
        "circle square triangle star line crate cat dog bird house tree car boat cup table window flower mountain "
        "river letter number word sign photo picture café façade bicycle kitchen bottle station market bridge horse "
        "apple chair lamp street girl boy person train plane guitar clock book island"
    ).split(),
    "place": [
        "on the left",
        "on the right",
        "in the middle",
        "at the top",
        "near the corner",
        "under a cloud",
        "beside the road",
        "in front of the wall",
        "behind the garden",
        "along the beach",
        "across the valley",
    ],
    "number": "one two three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand".split(),
    "verb": "shows contains describes holds covers follows touches reflects surrounds supports carries crosses".split(),
    "question": [
        "What is in this picture?",
        "How many objects do you see?",
        "Which colour is the largest shape?",
        "Please describe the image.",
        "Read the text on the sign.",
        "Is there a person?",
        "Where does the water begin?",
        "Why would anyone look at this?",
    ],
}
PATTERNS = [
    "There is a {size} {colour} {thing} {place}.",
    "The {thing} {verb} {number} {colour} {thing}s {place}.",
    "{question} I can see {number} {thing}s and a {colour} {thing}.",
    "The image {verb} a {size} {thing} between the {colour} {thing} and the {thing}.",
    "It isn't {colour}; it's {size}, about {digits} pixels wide at 20 °C.",
    "{question}\nThe {thing} is {colour}.\n",
]


def training_text(sentences: int = 4000) -> list[str]:
    """Sentences about pictures, numbers and colours; the same on every machine."""
    random = np.random.Generator(np.random.PCG64(7))

    def fill(pattern: str) -> str:
        while "{" in pattern:
            start, end = pattern.index("{"), pattern.index("}")
            kind = pattern[start + 1 : end]
            word = (
                str(random.integers(0, 2000)) if kind == "digits" else WORDS[kind][random.integers(0, len(WORDS[kind]))]
            )
            pattern = pattern[:start] + word + pattern[end + 1 :]
        return pattern

    return [fill(PATTERNS[random.integers(0, len(PATTERNS))]) for _ in range(sentences)]


def train_tokenizer() -> Tokenizer:
    """Byte-level BPE of TOKENS tokens with Qwen2's normalizer, split, decoder and added tokens."""
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel(  # type: ignore[call-arg]
        add_prefix_space=False, trim_offsets=False, use_regex=False
    )
    trainer = BpeTrainer(
        vocab_size=TOKENS - len(SPECIAL) - len(ADDED),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in ADDED])
    if tokenizer.get_vocab_size() != TOKENS:
        raise ValueError(f"expected {TOKENS} tokens, trained {tokenizer.get_vocab_size()}")
    return tokenizer


def tokenizer_config(tokenizer: Tokenizer, config: VoraConfig) -> dict[str, Any]:
    """tokenizer_config.json in the form of Qwen2.5's, with the chat template."""
    decoder = {
        str(id_): {
            "content": token.content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": token.special,
        }
        for id_, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": decoder,
        "additional_special_tokens": SPECIAL[1:],
        "bos_token": None,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": END_OF_TURN,
        "errors": "replace",
        "model_max_length": config.max_positions,
        "pad_token": END_OF_TEXT,
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }


def write_tokenizer(tokenizer: Tokenizer, config: VoraConfig, folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json."""
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", tokenizer_config(tokenizer, config))


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Id of a token that must be there."""
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(f"the tokenizer has no token {token!r}")
    return found


def word_ids(tokenizer: Tokenizer) -> list[int]:
    """Ids of a space and a whole word of the grammar: what the random model may say."""
    words = {word.strip(".,;?") for sentence in training_text() for word in sentence.split()}
    texts = {id_: tokenizer.decode([id_]) for id_ in range(tokenizer.get_vocab_size())}
    return [id_ for id_, text in texts.items() if text[:1] == " " and text[1:].isalpha() and text[1:] in words]
