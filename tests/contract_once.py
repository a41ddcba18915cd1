"""Parses the contract when imported, so that forked processes need not."""

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT

load_document(CONTRACT)
