"""Other packages' interfaces with wattlab's joules.

| in place of | import |
|---|---|
| `from codecarbon import EmissionsTracker` | `from wattlab.compat.codecarbon import EmissionsTracker` |
| `from zeus.monitor import ZeusMonitor` | `from wattlab.compat.zeus import ZeusMonitor` |
"""
