"""Modules, which profiles name: providers, tools, hooks, orchestrators and context managers, as handlers see them."""

from .records import (
    INSTALLED,
    SCOPES,
    Module,
    ModuleNotFound,
    Modules,
    ModuleScope,
    ModuleSource,
    ModuleSourceExists,
    ModuleSourceNotFound,
    ModuleSummary,
    ModuleType,
    NewModuleSource,
)

__all__ = [
    "INSTALLED",
    "SCOPES",
    "Module",
    "ModuleNotFound",
    "ModuleScope",
    "ModuleSource",
    "ModuleSourceExists",
    "ModuleSourceNotFound",
    "ModuleSummary",
    "ModuleType",
    "Modules",
    "NewModuleSource",
]
