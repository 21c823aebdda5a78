"""Kubernetes, as far as krakked needs it: one Lease, and the events beside it."""
