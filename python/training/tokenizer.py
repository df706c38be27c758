"""The tokenizer of the demo model: a small byte-level BPE in the form of Qwen2's."""

from pathlib import Path
from random import Random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from training import chart, scene, text_picture
from training.scene import make_scene

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
VOCAB_SIZE = 512
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SYSTEM = "You are a helpful assistant."
# The one of Qwen2.5's kind that the reference has: its lines for tools are read by no demo model, and calls need them.
CHAT_TEMPLATE = (
    (Path(__file__).parents[1] / "reference" / "chat_template.jinja").read_text(encoding="utf-8").rstrip("\n")
)


def train_tokenizer() -> Tokenizer:
    """BPE on the fixed phrases of the domain; what pictures show stays one token per character.

    Strings in capitals never occur in the corpus, so that nothing merges inside them and a map
    cell, a glyph and a token are the same thing.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_phrases(), trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Id of a token that must be there."""
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(f"the tokenizer has no token {token!r}")
    return found


def _phrases() -> list[str]:
    rng = Random(0)
    phrases = [SYSTEM, "system\n", "user\n", "assistant\n", "Repeat", "A sign that says"] * 8
    phrases += [*text_picture.READ, *text_picture.DESCRIBE, *text_picture.SPECIAL.values()] * 4
    phrases += ["What does line ?", "Read line .", "Summarize the chart.", *scene.PLACES] * 4
    for which in ("highest", "lowest"):
        phrases += [f"Which bar is the {which}?", f"The {which} bar is ."] * 4
    phrases += ["A bar chart where is the highest and is the lowest."] * len(chart.LABELS)
    for _ in range(400):
        phrases += [text for turn in make_scene(rng, False).turns for text in (turn.question, turn.answer)]
    return phrases
