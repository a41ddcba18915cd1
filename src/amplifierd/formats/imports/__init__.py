"""Converts histories to records of the contract, writes them in batches of sessions, and makes the report."""

from .archive import Archive
from .batch import Batch
from .conversion import Conversion
from .folder_files import Folder, FolderFiles
from .records import Records
from .report import Report

__all__ = ["Archive", "Batch", "Conversion", "Folder", "FolderFiles", "Records", "Report"]
