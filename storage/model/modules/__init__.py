"""Modules, which profiles name: providers, tools, hooks, orchestrators and context managers, as handlers see them."""

from .records import INSTALLED, Module, ModuleNotFound, Modules, ModuleSummary, ModuleType

__all__ = ["INSTALLED", "Module", "ModuleNotFound", "ModuleSummary", "ModuleType", "Modules"]
