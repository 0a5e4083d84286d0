"""The benchmarks themselves: that they count what arrived, and run without any of the peers."""
