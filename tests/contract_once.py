"""Parses the contract in the process that imports this module, for all processes that are forked from it."""

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT

load_document(CONTRACT)
