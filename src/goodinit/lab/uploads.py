"""The CSV files that pages dropped: kept in memory, a bounded number of them for a bounded time."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from goodinit.datasets import CsvText
from goodinit.datasets.files import read_header
from goodinit.errors import GoodinitError
from goodinit.lab.errors import LabError
from goodinit.lab.limits import LIMITS

__all__ = ["Upload", "Uploads"]

KEPT = 3600.0  # seconds


@dataclass(frozen=True)
class Upload:
    """A file, its column names and the number of rows below them, and when it came."""

    csv: CsvText
    columns: tuple[str, ...]
    rows: int
    came: float


class Uploads:
    """The files by their names, which nobody can guess; the oldest goes when there are too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.lock = clock, threading.Lock()
        self.files: dict[str, Upload] = {}

    def add(self, name: str, body: bytes) -> tuple[str, Upload]:
        """Keep a file. Raises LabError for what is not CSV text with a header and two columns."""
        try:
            csv = CsvText(name, body.decode("utf-8-sig"))
            columns, rows = read_header(csv)
        except UnicodeDecodeError:
            message = f"{name}: this is not text in UTF-8; save the table as CSV in UTF-8"
            raise LabError("bad-data", message, field="data.csv", given=name) from None
        except GoodinitError as error:
            raise LabError("bad-data", str(error), field="data.csv", given=name) from None
        with self.lock:
            self._forget()
            while len(self.files) >= LIMITS["csv_files"]:
                del self.files[next(iter(self.files))]
            key = secrets.token_urlsafe(16)
            self.files[key] = upload = Upload(csv, columns, rows, self.clock())
        return key, upload

    def get(self, key: str) -> Upload:
        """The file. Raises LabError where it is not kept, or no more."""
        with self.lock:
            self._forget()
            if key not in self.files:
                message = "the CSV file is not kept any more; drop it on the page again"
                raise LabError("expired-csv", message, field="data.csv", given=key, status=410)
            return self.files[key]

    def _forget(self) -> None:
        now = self.clock()
        for key in [key for key, file in self.files.items() if now - file.came > KEPT]:
            del self.files[key]
