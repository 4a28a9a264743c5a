//! The C interface between the meter and its probes, and nothing else.
