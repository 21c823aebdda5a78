"""The chassis under every service: settings, logs, metrics, health, stages, simulated time."""
