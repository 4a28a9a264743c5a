"""Joules per epoch and step in other people's training loops, through the loops' own loggers.

| loop | import |
|---|---|
| PyTorch Lightning | `from wattlab.callbacks.lightning import EnergyCallback` |
| Hugging Face `Trainer` | `from wattlab.callbacks.huggingface import EnergyCallback` |
| Keras | `from wattlab.callbacks.keras import EnergyCallback` |
| plain PyTorch | `from wattlab.callbacks.phases import Phases` |

Lightning's and the Trainer's loggers (TensorBoard, MLflow, W&B) get the values that the callbacks log;
`EnergyCallback.epochs` keeps them as well.
"""
