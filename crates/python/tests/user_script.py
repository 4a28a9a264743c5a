"""A user's program, which `mypy --strict` accepts."""

from __future__ import annotations

import wattlab
from wattlab.compat.codecarbon import EmissionsTracker
from wattlab.compat.zeus import Measurement, ZeusMonitor
from wattlab.errors import InputError


def objective(trial: wattlab.Trial) -> float:
    return float(trial["x"]) ** 2


def main() -> None:
    with wattlab.Meter(attribute=True) as meter:
        with meter.span("work") as span:
            pass
        joules: float | None = span.joules
        energies: dict[str, wattlab.Energy] = span.by_domain
        print(joules, span.uncertainty, span.origin, energies)

        @meter.span("double")
        def double(x: int) -> int:
            return 2 * x

        number: int = double(3)
        print(number, meter.report()["totals"])

        study = wattlab.Study({"x": wattlab.Float(0.0, 1.0)}, seed=1, budget_joules=10.0)
        study.optimize(objective, 3, meter=meter)
        print(study.best()["value"])

    try:
        wattlab.simulate("queue.toml")
    except InputError as error:
        print(error)

    monitor = ZeusMonitor()
    monitor.begin_window("w")
    found: Measurement = monitor.end_window("w")
    tracker = EmissionsTracker(country_iso_code="DEU", save_to_file=False)
    tracker.start()
    kilograms: float | None = tracker.stop()
    print(found.total_energy, kilograms)


if __name__ == "__main__":
    main()
