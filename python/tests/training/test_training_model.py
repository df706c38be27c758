"""The training model against independent oracles: transformers' Qwen2, and greedy decoding."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from training.attention_mask import packed_mask
from training.dataset import make_picture
from training.decoder import Decoder, DecoderConfig
from training.dialogue import CELL_COUNT, CONTEXT, OPEN, PADDING, REPEATED, Dialogue
from training.export import qwen2_config
from training.llm_stage import unpack
from training.optimizer import orthogonalize
from training.picture import Turn
from training.scene import make_scene
from training.text_picture import make_page, make_text
from training.tokenizer import SPECIALS
from training.vision import to_patches
from training.vora import Vora, image_start

TINY = DecoderConfig(480, 64, 96, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)


@pytest.fixture
def vora() -> Vora:
    torch.manual_seed(0)
    model = Vora(Decoder(TINY), vision_width=32, rank=4, lora_layers=1)
    for name, parameter in model.named_parameters():
        if name.endswith("lora_B.weight"):
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def test_decoder_is_qwen2() -> None:
    torch.manual_seed(0)
    decoder = Decoder(TINY)
    facts = qwen2_config(TINY, dict.fromkeys(SPECIALS, 0))
    oracle = Qwen2ForCausalLM(Qwen2Config(**{k: v for k, v in facts.items() if "dtype" not in k})).eval()
    oracle.load_state_dict(decoder.state_dict())
    ids = torch.randint(0, TINY.vocab_size, (2, 9))
    branch = torch.zeros_like(ids)
    hidden = decoder(decoder.model.embed_tokens(ids), packed_mask(branch, None), torch.arange(9).expand(2, 9))[-1]
    assert torch.allclose(decoder.lm_head(hidden), oracle(ids).logits, atol=1e-5)


def test_a_packed_row_is_its_turns_asked_one_by_one(tokenizer: Tokenizer, vora: Vora) -> None:
    dialogue = Dialogue(tokenizer)
    picture = make_text(Random(1), False, lines=2)
    patches = to_patches(torch.from_numpy(np.asarray(picture.image)[None].copy()))

    def answers(turns: list[Turn]) -> dict[int, torch.Tensor]:
        """Hidden states of the answer of every turn that the row has room for."""
        ids, branch, position, target = unpack(
            dialogue.row(dialogue.cells(picture), turns).stacked()[None], torch.device("cpu")
        )
        hidden = vora(ids, branch, position, patches)[-1]
        placed = sorted(set(branch.flatten().tolist()) - {CONTEXT, PADDING})
        return {k - 1: hidden[(branch == k) & (target > 0)] for k in placed}

    packed = answers(picture.turns)
    assert len(packed) >= 2
    for index, state in packed.items():
        assert torch.allclose(answers([picture.turns[index]])[0], state, atol=1e-5)


def test_what_the_question_leaves_open_is_told_from_what_it_gives_away(tokenizer: Tokenizer) -> None:
    dialogue, rng = Dialogue(tokenizer), Random(3)
    for _ in range(40):
        for turn in make_scene(rng, False).turns + make_text(rng, False).turns:
            row = dialogue.row([], [turn])
            said, left = (tokenizer.decode(row.ids[row.target == kind].tolist()) for kind in (REPEATED, OPEN))
            assert left.strip() == turn.guess
            assert (said == "") == (turn.unknown == "")
            assert tokenizer.decode(row.ids[row.target > 0].tolist()) == turn.answer


def test_image_tokens_see_all_of_the_picture_and_text_does_not_look_ahead() -> None:
    branch = torch.tensor([[CONTEXT, CONTEXT, CONTEXT, CONTEXT, 1, 1, 2, PADDING]])
    image = torch.tensor([[False, True, True, False, False, False, False, False]])
    expected = """
        10000000
        11100000
        11100000
        11110000
        11111000
        11111100
        11110010
        00000001
    """
    mask = packed_mask(branch, image)[0]
    assert ["".join(str(int(cell)) for cell in row) for row in mask] == expected.split()


def test_only_lora_and_vision_learn(vora: Vora) -> None:
    learned = {name for name, parameter in vora.named_parameters() if parameter.requires_grad}
    assert all(".lora_" in name or name.startswith("vision.") for name in learned)
    assert sum(".lora_A" in name for name in learned) == 7


def test_look_is_the_start_of_the_whole_forward(tokenizer: Tokenizer, vora: Vora) -> None:
    dialogue = Dialogue(tokenizer)
    picture = make_text(Random(5), False)
    ids, branch, position, _ = unpack(
        dialogue.row(dialogue.cells(picture), picture.turns).stacked()[None], torch.device("cpu")
    )
    patches = to_patches(torch.from_numpy(np.asarray(picture.image)[None].copy()))
    start = image_start(ids)
    whole = vora(ids, branch, position, patches)[1][:, start : start + CELL_COUNT]
    assert torch.allclose(vora.look(ids, patches, 1)[0], whole, atol=1e-5)


def test_tokenizer_keeps_one_token_per_glyph(tokenizer: Tokenizer) -> None:
    for text in ("HELLO", "$104.99", "A7-K2", "____HI__.:/"):
        assert len(tokenizer.encode(text).ids) == len(text)
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_the_map_of_a_picture_as_text_is_its_cells_as_tokens(tokenizer: Tokenizer) -> None:
    dialogue, rng = Dialogue(tokenizer), Random(9)
    for number in range(600):
        picture = make_page(rng, False) if number % 4 == 0 else make_picture(rng, number % 2 == 0)
        assert dialogue.encode(str(picture.grid)) == dialogue.cells(picture)


def test_transformers_reads_the_tokenizer_the_same_way(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    theirs = Qwen2Tokenizer(tokenizer_file=str(tmp_path / "tokenizer.json"))
    text = "<|im_start|>user\nWhat does line 2 say?<|im_end|>\n"
    assert theirs(text)["input_ids"] == tokenizer.encode(text).ids


def test_orthogonalize_makes_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((3, 8, 20), (3, 20, 8)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
        assert values.min() > 0.5 and values.max() < 1.4


def test_config_head_size() -> None:
    assert replace(TINY, num_attention_heads=4).head_dim == 16
