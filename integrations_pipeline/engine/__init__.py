"""The pure core: snapshots and base in, a plan out. No I/O, no clock, no logging. Read `plan` first."""
