"""`watch` in Lightning's own trainer."""

import warnings

import pytest
import torch
from torch import nn

from goodinit.checkup.model_watch import StartWarning

pytestmark = pytest.mark.filterwarnings("default")  # their warnings are theirs
lightning = pytest.importorskip("lightning")
LightningWatch = pytest.importorskip("goodinit.callbacks.of_lightning").LightningWatch


class Module(lightning.LightningModule):
    def __init__(self, rate):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
        self.rate = rate

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.rate)


def fit(tmp_path, rate, accumulate=1):
    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randint(0, 2, (64,))
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8)
    callback = LightningWatch(steps=3)
    logger = lightning.pytorch.loggers.CSVLogger(tmp_path)
    trainer = lightning.Trainer(
        max_epochs=1, callbacks=[callback], logger=logger, accelerator="cpu", log_every_n_steps=1,
        accumulate_grad_batches=accumulate, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Module(rate), data)
    return callback, (tmp_path / "lightning_logs" / "version_0" / "metrics.csv").read_text()


def test_the_first_steps_are_watched_and_logged(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", StartWarning)
        callback, logs = fit(tmp_path, 0.01)
    assert len(callback.watch.steps) == 3
    assert callback.watch.healthy
    assert 0.4 < callback.watch.steps[0].loss < 1.2
    assert "goodinit/update_to_weight" in logs.splitlines()[0]
    accumulated, _ = fit(tmp_path / "accumulated", 0.01, accumulate=2)
    assert 0.4 < accumulated.watch.steps[0].loss < 1.2  # not half of it


def test_a_rate_that_is_too_large_is_found_and_logged(tmp_path):
    callback, logs = fit(tmp_path, 100.0)
    assert any(each.code == "update-too-large" for each in callback.watch.findings)
    assert "goodinit/update-too-large" in logs.splitlines()[0]
