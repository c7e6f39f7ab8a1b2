"""Simulated Pis on this machine."""
