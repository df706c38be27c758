"""Every stage at toy size, from nothing to a published folder that loads; and a stage that is cut off."""

import json
from pathlib import Path
from random import Random

import numpy as np
import torch
from safetensors.torch import load_file

from training.__main__ import main, run_stage
from training.dialogue import Dialogue
from training.evaluate import Score
from training.export import load_exported
from training.llm_stage import unpack
from training.recipe import SMOKE
from training.study_variant import VARIANTS
from training.text_picture import make_text
from training.vision import to_patches
from training.vora import Vora


def test_the_published_folder_has_the_published_layout(folders: tuple[Path, Path]) -> None:
    base = load_file(folders[1] / "base" / "model.safetensors")
    adapter = load_file(folders[1] / "adapter" / "model.safetensors")
    assert all(tensor.dtype == torch.bfloat16 for tensor in (*base.values(), *adapter.values()))
    assert not any("lora" in name for name in base)
    assert adapter["vision_embedding.patchifier.proj.weight"].shape == (SMOKE.vision_width, 3, 14, 14)
    assert adapter["llm.model.layers.0.mlp.up_proj.lora_A.weight"].shape == (SMOKE.lora_rank, 64)
    assert sum(".lora_A." in name for name in adapter) == 7 * SMOKE.lora_layers
    facts = json.loads((folders[1] / "adapter" / "config.json").read_text())
    assert facts["lora"]["layers"] == SMOKE.lora_layers and facts["hidden_size"] == 64


def test_the_base_did_not_change_while_it_learned_to_see(folders: tuple[Path, Path]) -> None:
    trained = torch.load(folders[0] / "llm.pt", weights_only=True)["modules"]["decoder"]
    published = load_file(folders[1] / "base" / "model.safetensors")
    assert trained.keys() == published.keys()
    assert all(torch.equal(trained[name].bfloat16(), published[name]) for name in trained)


def test_evaluation_judges_as_greedy_decoding_would(folders: tuple[Path, Path]) -> None:
    """At every place of a packed answer, the argmax is what plain decoding says after the same tokens."""
    vora, tokenizer = load_exported(folders[1])
    dialogue = Dialogue(tokenizer)
    picture = make_text(Random(1), True, lines=1)
    patches = to_patches(torch.from_numpy(np.asarray(picture.image)[None].copy()))
    row = dialogue.row(dialogue.cells(picture), picture.turns[:2]).stacked()[None]
    ids, branch, position, _ = unpack(row, torch.device("cpu"))
    packed = vora.llm.lm_head(vora(ids, branch, position, patches)[-1]).argmax(-1)[0]
    context = dialogue.context_length
    for turn in (1, 2):
        places = (branch[0] == turn).nonzero().flatten()
        for last in range(len(places)):
            kept = torch.cat((ids[:, :context], ids[:, places[: last + 1]]), dim=1)
            alone = decode_next(vora, kept, patches, len(dialogue.prefix))
            assert alone == int(packed[places[last]])


def decode_next(vora: Vora, ids: torch.Tensor, patches: torch.Tensor, start: int) -> int:
    """Next token after an unpacked sequence whose picture begins at `start`."""
    embed = vora.llm.model.embed_tokens
    embeddings = torch.cat((embed(ids[:, :start]), vora.vision(patches), embed(ids[:, start + 64 :])), dim=1)
    order = torch.arange(ids.shape[1])
    image = (order >= start) & (order < start + 64)
    mask = (order[None] <= order[:, None]) | (image[None] & image[:, None])
    return int(vora.llm.lm_head(vora.llm(embeddings, mask[None], order[None])[-1])[0, -1].argmax())


def test_a_stage_that_was_cut_off_goes_on(folders: tuple[Path, Path]) -> None:
    run, out = folders
    before = torch.load(run / "llm.pt", weights_only=True)
    run_stage("llm", run, out, SMOKE, torch.device("cpu"), 1)
    after = torch.load(run / "llm.pt", weights_only=True)
    assert before["step"] == after["step"] == SMOKE.llm_steps
    weight = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(before["modules"]["decoder"][weight], after["modules"]["decoder"][weight])


def test_the_study_runs_what_is_missing_and_makes_its_page(folders: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ["--smoke", "--work", str(folders[0])]
    main(["study", *arguments, "--only", "default"])
    study = folders[0] / "study"
    done = {file.name: file.stat().st_mtime_ns for file in study.glob("*.json")}
    assert sorted(done) == ["base-0.json", "default-0.json", "default-1.json"]
    main(["study", *arguments])
    assert {name: (study / name).stat().st_mtime_ns for name in done} == done
    assert not list(study.glob("*.pt"))
    main(["study-report", *arguments, "--docs", str(tmp_path)])
    page = (tmp_path / "vora-tiny-study.md").read_text()
    assert all(f"| {one.says} |" in page for one in VARIANTS)
    assert page.count(" here |\n") == 9
    assert (tmp_path / "vora-tiny-study.png").read_bytes().startswith(b"\x89PNG")


def test_interval_of_a_score() -> None:
    """Wilson's interval for 8 of 10, from Brown, Cai & DasGupta's formula by hand."""
    assert np.allclose(Score("k", 8, 10, 0.1).interval, (0.4902, 0.9433), atol=1e-3)
