"""`watch` in the Trainer of transformers."""

import pytest
import torch

pytestmark = pytest.mark.filterwarnings("default")  # their warnings are theirs
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
TransformersWatch = pytest.importorskip("goodinit.callbacks.of_transformers").TransformersWatch


def trained(tmp_path, rate, attached=True):
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_layer=1, n_head=2, n_embd=32, vocab_size=50, n_positions=16, bos_token_id=0, eos_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config)
    x = torch.randint(0, 50, (32, 16))
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), max_steps=6, learning_rate=rate, optim="sgd", max_grad_norm=0, report_to=[],
        use_cpu=True, per_device_train_batch_size=8, logging_steps=100, save_strategy="no", disable_tqdm=True,
        lr_scheduler_type="constant",
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=model, args=arguments, train_dataset=[{"input_ids": each, "labels": each} for each in x]
    )
    callback = TransformersWatch(trainer if attached else None, steps=3)
    trainer.add_callback(callback)
    trainer.train()
    assert not model._forward_hooks
    return callback, trainer.state.log_history


@pytest.mark.parametrize("attached", [True, False])
def test_the_first_steps_are_watched_and_logged(tmp_path, attached):
    callback, history = trained(tmp_path, 0.01, attached)
    assert len(callback.watch.steps) == 3
    assert callback.watch.healthy
    assert callback.watch.steps[0].loss == pytest.approx(3.9, abs=0.3)  # ln 50
    seen = [each for each in history if "goodinit/update_to_weight" in each]
    assert len(seen) == 2  # an update is known from the second step on


def test_a_rate_that_is_too_large_is_found_and_logged(tmp_path):
    callback, history = trained(tmp_path, 300.0)
    assert any(each.code == "update-too-large" for each in callback.watch.findings)
    assert any(each.get("goodinit/update-too-large") == 2 for each in history)
