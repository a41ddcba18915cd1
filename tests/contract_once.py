"""Has the contract parsed in the process that imports this, and so in all that are forked from it."""

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT

load_document(CONTRACT)
