"""CodeCarbon's trackers: start, stop, tasks, context manager, decorators, outputs, and `emissions.csv`.

The CSV has CodeCarbon's columns and five more: `energy_consumed_origin`, the origins of its parts, and
`energy_consumed_uncertainty`, the half-width of the 95 % interval in kWh. What is not known is an empty field
or None, never 0. Nothing is sent over the network: the location is not looked up, so `EmissionsTracker` needs
`country_iso_code` (a keyword that CodeCarbon's lacks) or `force_carbon_intensity_g_co2e_kwh` to know grams,
as keywords, as variables (`CODECARBON_COUNTRY_ISO_CODE`) or in `.codecarbon.config`; without them emissions are
None and energies are still measured.
"""

from wattlab.compat._codecarbon_data import EmissionsData, TaskEmissionsData
from wattlab.compat._codecarbon_output import FileOutput, LoggerOutput, OutputMethod
from wattlab.compat._codecarbon_tracker import EmissionsTracker, OfflineEmissionsTracker
from wattlab.compat._codecarbon_wrappers import TaskEmissionsTracker, track_emissions, track_task_emissions

__all__ = [
    "EmissionsData",
    "EmissionsTracker",
    "FileOutput",
    "LoggerOutput",
    "OfflineEmissionsTracker",
    "OutputMethod",
    "TaskEmissionsData",
    "TaskEmissionsTracker",
    "track_emissions",
    "track_task_emissions",
]
