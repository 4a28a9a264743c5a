"""Zeus' monitor: named windows, joules by GPU and by processor package.

`Measurement` has Zeus' fields and four more: `joules` of all parts that do not overlap, `uncertainty`, `origin`
and `warnings`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any

from wattlab import _core
from wattlab._meter import Meter

__all__ = ["Measurement", "ZeusMonitor"]


@dataclass
class Measurement:
    """A window: seconds, and joules by index, which a sensor has measured; a part that is only estimated is
    left out there, and counts in `joules` alone. None: no sensor measures that part."""

    time: float
    gpu_energy: dict[int, float]
    cpu_energy: dict[int, float] | None = None
    dram_energy: dict[int, float] | None = None
    soc_energy: Any = None
    joules: float | None = None
    uncertainty: float | None = None
    origin: str | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def total_energy(self) -> float:
        """Joules of the GPUs, as in Zeus; `joules` has those of all parts."""
        return sum(self.gpu_energy.values())


class ZeusMonitor:
    """Measures windows of the program between `begin_window` and `end_window`, which may overlap."""

    def __init__(
        self,
        gpu_indices: Sequence[int] | None = None,
        cpu_indices: Sequence[int] | None = None,
        approx_instant_energy: bool = False,
        log_file: str | Path | None = None,
        sync_execution_with: str = "torch",
        *,
        meter: Meter | None = None,
    ) -> None:
        """gpu_indices, cpu_indices: numbers of the GPUs and packages, in the order of the meter's channels;
        None: all of them. GPUs are counted as the framework counts them: those that `CUDA_VISIBLE_DEVICES`
        hides have no number.

        approx_instant_energy: without effect; the meter integrates power where a window is short, and says
        so by `uncertainty`.
        """
        if sync_execution_with not in ("torch", "jax", "cupy"):
            raise ValueError(f"`sync_execution_with` is {sync_execution_with!r}; expected torch, jax or cupy")
        self._meter = Meter() if meter is None else meter
        self._sync = sync_execution_with
        channels = [(one["domain"], one["device"]) for one in self._meter.readings() if one["in_total"]]
        gpus = [device for domain, device in channels if domain == "gpu"]
        self._gpus = [gpus[place] for place in _visible(len(gpus))]
        self._packages = [device for domain, device in channels if domain == "cpu-package"]
        self.gpu_indices = _checked("gpu_indices", gpu_indices, len(self._gpus))
        self.cpu_indices = _checked("cpu_indices", cpu_indices, len(self._packages))
        self._open: dict[str, tuple[float, _core.Span]] = {}
        self._log = None
        if log_file is not None:
            if os.path.dirname(log_file):
                os.makedirs(os.path.dirname(log_file), exist_ok=True)
            self._log = Path(log_file)
            energies = ",".join(f"gpu{index}_energy" for index in self.gpu_indices)
            self._log.write_text(f"start_time,window_name,elapsed_time,{energies}\n", encoding="utf-8")

    def begin_window(self, key: str, sync_execution: bool = True, restart: bool = False) -> None:
        """Begins a window; its name is unique among those that are open. restart: drop the open one."""
        if key in self._open and not restart:
            raise ValueError(f"Measurement window '{key}' already exists")
        self._open.pop(key, None)
        if sync_execution:
            self._synchronize()
        self._open[key] = (time(), self._meter.begin(key))

    def end_window(self, key: str, sync_execution: bool = True, cancel: bool = False) -> Measurement:
        """Ends a window. cancel: its energies are not of use; the measurement is still returned."""
        if key not in self._open:
            raise ValueError(f"Measurement window '{key}' does not exist")
        began, span = self._open.pop(key)
        if sync_execution and not cancel:
            self._synchronize()
        span.end("cancelled" if cancel else None)
        found = self._measurement(span)
        if self._log is not None and not cancel:
            # As in `emissions.csv`, what no sensor measured is empty.
            energies = ",".join(str(found.gpu_energy.get(index, "")) for index in self.gpu_indices)
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{began},{key},{found.time},{energies}\n")
        return found

    def _measurement(self, span: _core.Span) -> Measurement:
        report = span.to_dict()
        domains = [] if report is None else report["domains"]

        def joules(domain: str, devices: dict[int, str]) -> dict[int, float]:
            # The memory of `package-0` is `package-0/dram`.
            found = {
                one["device"].removesuffix("/dram"): one["joules"]
                for one in domains
                if one["domain"] == domain and one["in_total"] and one["origin"] == "measured"
            }
            return {index: found[device] for index, device in devices.items() if device in found}

        packages = {index: self._packages[index] for index in self.cpu_indices}

        return Measurement(
            time=span.duration or 0.0,
            gpu_energy=joules("gpu", {index: self._gpus[index] for index in self.gpu_indices}),
            cpu_energy=joules("cpu-package", packages) or None,
            dram_energy=joules("dram", packages) or None,
            joules=span.joules,
            uncertainty=span.uncertainty,
            origin=span.origin,
            warnings=span.warnings,
        )

    def _synchronize(self) -> None:
        """Waits for the GPU's work, where the program has loaded its framework."""
        import sys

        module: Any = sys.modules.get(self._sync)
        if module is None or not self.gpu_indices:
            return
        if self._sync == "torch" and module.cuda.is_available():
            module.cuda.synchronize()
        elif self._sync == "jax":
            (module.device_put(0.0) + 0).block_until_ready()
        elif self._sync == "cupy":
            module.cuda.Device().synchronize()


def _visible(count: int) -> list[int]:
    """The places of the GPUs that the framework sees among those that the meter reads."""
    name = next((name for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES") if name in os.environ), None)
    if name is None:
        return list(range(count))
    places = []
    for text in os.environ[name].split(","):
        # The frameworks stop at the first number that is no GPU, such as -1.
        if not text.strip() or text.strip().startswith("-"):
            break
        if not text.strip().isdigit():
            raise ValueError(f"`{name}` has {text.strip()!r}; expected numbers of GPUs, such as 0,1")
        if int(text) >= count:
            break
        places.append(int(text))
    return places


def _checked(name: str, given: Sequence[int] | None, count: int) -> list[int]:
    indices = list(range(count)) if given is None else list(given)
    wrong = [index for index in indices if not 0 <= index < count]
    if wrong:
        raise ValueError(f"`{name}` has {wrong[0]}, and the meter reads {count} of them")
    return indices
