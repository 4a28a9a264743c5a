"""Recipe 11: joules of the phases of a PyTorch loop, and of epochs under Lightning, the Trainer and Keras."""

from pathlib import Path
from typing import Any

import pytest
import wattlab


def test_plain_pytorch() -> None:
    torch = pytest.importorskip("torch")
    from wattlab.callbacks.phases import Phases

    model = torch.nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    data = torch.utils.data.TensorDataset(torch.randn(64, 8), torch.randn(64, 1))
    loader = torch.utils.data.DataLoader(data, batch_size=16)
    with wattlab.Meter() as meter:
        phases = Phases(meter)
        for x, y in phases.batches(loader):
            with phases("forward"):
                loss = torch.nn.functional.mse_loss(model(x), y)
            with phases("backward"):
                optimizer.zero_grad()
                loss.backward()
            with phases("optimizer"):
                optimizer.step()
        totals = phases.totals()
    for name, total in totals.items():
        print(name, total["joules"], total["origin"])
    assert {name: total["spans"] for name, total in totals.items()} == {
        "data": 5,
        "forward": 4,
        "backward": 4,
        "optimizer": 4,
    }


def test_lightning(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pl = pytest.importorskip("lightning.pytorch")
    from wattlab.callbacks.lightning import EnergyCallback

    class Model(pl.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.layer(batch[0]).pow(2).mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    data = torch.utils.data.TensorDataset(torch.randn(64, 8))
    logger = pl.loggers.CSVLogger(tmp_path)
    energy = EnergyCallback(every=2)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=logger,
        callbacks=[energy],
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(Model(), torch.utils.data.DataLoader(data, batch_size=16))
    logger.save()
    text = Path(logger.log_dir, "metrics.csv").read_text()
    assert "energy/epoch/joules" in text and "energy/step/joules" in text
    assert len(energy.epochs) == 2


def test_hugging_face(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from wattlab.callbacks.huggingface import EnergyCallback

    config = transformers.BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    rows = [{"input_ids": torch.randint(0, 50, (8,)), "labels": torch.tensor(i % 2)} for i in range(16)]
    trainer = transformers.Trainer(
        model=transformers.BertForSequenceClassification(config),
        args=transformers.TrainingArguments(
            output_dir=str(tmp_path),
            num_train_epochs=2,
            per_device_train_batch_size=4,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=rows,
    )
    energy = EnergyCallback(every=2).follow(trainer)
    trainer.train()
    logged = [row for row in trainer.state.log_history if "energy/epoch/seconds" in row]
    assert len(logged) == len(energy.epochs) == 2


def test_keras() -> None:
    keras = pytest.importorskip("keras")
    numpy = pytest.importorskip("numpy")
    from wattlab.callbacks.keras import EnergyCallback

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    x = numpy.zeros((32, 4))
    history = model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[EnergyCallback()])
    assert len(history.history["energy/epoch/seconds"]) == 2


@pytest.mark.parametrize("kind", ["tensorboard", "mlflow", "wandb"])
def test_loggers(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The values reach each logger of Lightning; none of them needs a network."""
    torch = pytest.importorskip("torch")
    pl = pytest.importorskip("lightning.pytorch")
    pytest.importorskip(kind)
    from wattlab.callbacks.lightning import EnergyCallback

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    make = {
        "tensorboard": lambda: pl.loggers.TensorBoardLogger(tmp_path),
        "mlflow": lambda: pl.loggers.MLFlowLogger(tracking_uri=f"file:{tmp_path}/mlruns"),
        "wandb": lambda: pl.loggers.WandbLogger(save_dir=tmp_path, offline=True),
    }
    logger = make[kind]()

    class Model(pl.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.layer(batch[0]).pow(2).mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=logger,
        callbacks=[EnergyCallback()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    data = torch.utils.data.TensorDataset(torch.randn(16, 8))
    trainer.fit(Model(), torch.utils.data.DataLoader(data, batch_size=8))
    logger.finalize("success")
    if kind == "wandb":
        logger.experiment.finish()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"energy/epoch" in path.read_bytes() or "energy" in str(path) for path in written)
