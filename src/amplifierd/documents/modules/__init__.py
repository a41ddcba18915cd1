"""Modules as files: reads each `module.yaml`, finds installed packages, and checks configurations."""
