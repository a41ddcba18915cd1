"""What every import of histories needs: records of the contract, batches of sessions, and the report."""

from .archive import Archive
from .batch import Batch
from .conversion import Conversion
from .folder_files import Folder, FolderFiles
from .records import Records
from .report import Report

__all__ = ["Archive", "Batch", "Conversion", "Folder", "FolderFiles", "Records", "Report"]
