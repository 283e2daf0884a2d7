"""Commissioning: the phantom in every patient position, measured, and a report to sign."""
