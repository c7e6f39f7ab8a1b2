"""Bare Pis become a Swarm: discover, connect, probe, check, plan, provision, verify."""
