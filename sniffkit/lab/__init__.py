"""The lab: classroom scenarios that make real traffic in network namespaces of their own, and record it."""
