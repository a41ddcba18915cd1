"""What every import of histories needs: records of the contract, batches of sessions, and the report."""

from .batch import Batch
from .records import Records
from .report import Report

__all__ = ["Batch", "Records", "Report"]
