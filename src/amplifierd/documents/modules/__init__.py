"""Modules as files: what a `module.yaml` says, those of installed packages, and whether configurations fit."""
