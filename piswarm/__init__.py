"""piswarm: a pile of Raspberry Pis, one command, a private serverless cloud."""

__version__ = "0.1.0"
