"""The study: that variants differ in what they say, and its arithmetic against hand and brute force."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.dataset import thin
from training.dialogue import CELL_COUNT, TURNS_LENGTH
from training.optimizer import Optimizers
from training.precision import multiplies_bf16
from training.recipe import SMOKE
from training.study_claims import Claim
from training.study_cost import step_bytes
from training.study_intervals import Estimate, SeedSpread, difference, mean, pooled_spread, ratio
from training.study_training import Lesson, build_student
from training.study_variant import VARIANTS, variant
from training.vora_stage import Apprenticeship

TINY = replace(SMOKE, study_steps=4, study_look_steps=1)
CPU = torch.device("cpu")


@pytest.fixture
def run(folders: tuple[Path, Path]) -> Path:
    return folders[0]


def begin(run: Path, name: str) -> tuple[Lesson, Apprenticeship]:
    chosen = variant(name)
    torch.manual_seed(0)
    student = build_student(run, TINY, chosen)
    with torch.no_grad():
        # The look-back heads of a fresh LLM see nothing that is far away.
        student.llm.get_parameter("model.layers.0.self_attn.q_proj.bias").zero_()
    both = Apprenticeship(run, TINY, CPU, student)
    return Lesson(run, TINY, chosen, 0, both), both


def learn(lesson: Lesson, both: Apprenticeship) -> None:
    optimizers = both.optimizers()
    for number in range(TINY.study_steps):
        lesson.step(number)["loss"].backward()  # type: ignore[no-untyped-call]
        optimizers.step(0.5)


@pytest.mark.parametrize("step", [0, TINY.study_look_steps])
@pytest.mark.parametrize("name", ["default", "causal"])
def test_only_the_causal_variant_hides_later_patches(run: Path, name: str, step: int) -> None:
    """The gradient of the first image token's state after a block, by the embedding of the last patch."""
    lesson, both = begin(run, name)
    states: list[torch.Tensor] = []
    seen: list[torch.Tensor] = []
    both.vora.llm.model.layers[0].register_forward_hook(lambda _module, _inputs, out: states.append(out))
    both.vora.vision.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    lesson.step(step)
    turns = TURNS_LENGTH if step else 0
    first = states[0].shape[1] - turns - CELL_COUNT
    (gradient,) = torch.autograd.grad(states[0][0, first].sum(), seen[0])
    assert bool(gradient[0, 0].any())
    assert bool(gradient[0, -1].any()) == (name == "default")


def test_full_fine_tuning_trains_the_weights_of_the_base(run: Path) -> None:
    for name, moves in (("full", True), ("default", False)):
        lesson, both = begin(run, name)
        before = {key: value.clone() for key, value in both.vora.state_dict().items()}
        learn(lesson, both)
        changed = {key for key, value in both.vora.state_dict().items() if not torch.equal(value, before[key])}
        base = {key for key in before if key.startswith("llm.") and ".lora_" not in key}
        assert changed & base == (base if moves else set())
        assert any(key.startswith("vision.") for key in changed)


def test_full_fine_tuning_has_no_lora_and_trains_everything(run: Path) -> None:
    student = build_student(run, TINY, variant("full"))
    assert all(parameter.requires_grad for parameter in student.parameters())
    assert not any(".lora_" in name for name, _ in student.named_parameters())


def test_ranks_are_those_that_variants_name(run: Path) -> None:
    for one in VARIANTS:
        names = dict(build_student(run, TINY, one).named_parameters())
        found = names.get("llm.model.layers.0.mlp.up_proj.lora_A.weight")
        assert (None if found is None else len(found)) == (None if one.full else one.rank or TINY.lora_rank)


def test_without_distillation_the_heads_get_no_gradient(run: Path) -> None:
    for name, distilled in (("default", True), ("no-distillation", False)):
        lesson, both = begin(run, name)
        for number in range(TINY.study_steps):
            losses = lesson.step(number)
            losses["loss"].backward()  # type: ignore[no-untyped-call]
            assert ("language" in losses) == (not distilled or number >= TINY.study_look_steps)
        gradients = [parameter.grad for parameter in both.heads.parameters()]
        assert all((gradient is not None and bool(gradient.any())) == distilled for gradient in gradients)


def test_every_run_sees_the_whole_file_in_order_and_seeds_see_other_pictures() -> None:
    first, second = (np.concatenate([thin(1000, number, 5, 20, shift) for number in range(20)]) for shift in (0.0, 0.5))
    assert (np.diff(first) > 0).all() and first[0] < 10 and first[-1] >= 990 and second[-1] < 1000
    assert not set(first) & set(second)


def test_bytes_of_a_step_by_hand() -> None:
    """ReLU(x Wᵀ + b), x [3,4], W [5,4]: autograd keeps x and the result, as they are multiplied; Adam two f32 copies
    and a count."""
    width = 2 if multiplies_bf16(torch.device("cpu")) else 4
    layer = torch.nn.Linear(4, 5)
    optimizers = Optimizers([layer], 0.1, 0.1)
    x = torch.rand(3, 4)

    def loss() -> torch.Tensor:
        return torch.relu(layer(x)).sum()

    loss().backward()  # type: ignore[no-untyped-call]
    optimizers.step(0.5)
    found = step_bytes([layer], optimizers, loss)
    assert found == {"weights": 100, "gradients": 100, "optimizer": 80 + 2 * 20 + 4, "activations": width * (12 + 15)}
    assert layer.weight.grad is None


SPREAD = SeedSpread(0.02, 7)
T_7 = 2.364624
"""Student's t, 97.5 %, 7 degrees of freedom, from a printed table."""


def test_pooled_spread_by_hand() -> None:
    """Means 1, 3 and 10, 12, 14: squares 2 + 8 over 1 + 2 degrees of freedom."""
    spread = pooled_spread([np.array([[0.0, 2.0], [3.0, 3.0]]), np.array([[10.0], [12.0], [14.0]])])
    assert spread.freedom == 3
    assert np.isclose(spread.deviation, (10 / 3) ** 0.5)
    assert np.isclose(spread.quantile, 3.182446, atol=1e-5)
    with pytest.raises(ValueError, match="two seeds"):
        pooled_spread([np.ones((1, 4))])


def test_mean_by_hand() -> None:
    """Blocks .2, .4, .6 over seeds: variance .04, of the mean .04 / 3; seeds .02² / 2."""
    found = mean(np.array([[0.1, 0.4, 0.7], [0.3, 0.4, 0.5]]), SPREAD)
    half = T_7 * (0.02**2 / 2 + 0.04 / 3) ** 0.5
    assert np.allclose((found.value, found.low, found.high), (0.4, 0.4 - half, 0.4 + half), atol=1e-5)


def test_a_difference_on_the_same_pictures_forgets_what_they_share() -> None:
    first = np.array([[0.1, 0.5, 0.9], [0.1, 0.5, 0.9]])
    found = difference(first, first - 0.1, SPREAD)
    half = T_7 * 0.02
    assert np.allclose((found.value, found.low, found.high), (0.1, 0.1 - half, 0.1 + half), atol=1e-5)


def test_ratio_covers_as_often_as_it_says() -> None:
    """Brute force: of 2000 simulated studies, 95 % of the intervals hold the true ratio 0.9."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        pictures = rng.normal(0, 0.08, 10)
        tables = []
        for truth in (0.45, 0.5, 0.4, 0.3, 0.6, 0.5, 0.5):
            seeds = rng.normal(0, 0.03, (2, 1))
            tables.append(truth + seeds + pictures + rng.normal(0, 0.02, (2, 10)))
        found = ratio(tables[0], tables[1], pooled_spread(tables))
        held += found.low <= 0.9 <= found.high
    assert 0.93 < held / 2000 < 0.985


def test_a_ratio_over_nothing_is_not_decided() -> None:
    found = ratio(np.ones((2, 2)), np.zeros((2, 2)), SPREAD)
    assert Claim("c", "s", "f", found, least=0.95).verdict == "not decided here"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.96, 0.99, "holds here"), (0.7, 0.94, "does not hold here"), (0.9, 1.0, "not decided here")],
)
def test_verdicts_come_from_the_whole_interval(low: float, high: float, verdict: str) -> None:
    assert Claim("c", "s", "f", Estimate((low + high) / 2, low, high), least=0.95).verdict == verdict
