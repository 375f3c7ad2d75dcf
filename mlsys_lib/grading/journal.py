"""What was graded when: one JSON line per event, only ever appended."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Journal:
    """The journal of one assignment.

    Parameters
    ----------
    path : Path
        The file; its folder is made when the first line is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, **details: Any) -> None:
        """Add a line: the time in UTC, the event, and its details.

        A grader that was killed may have left half a line. The next line starts afresh.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "event": event, **details}).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
            os.write(file.fileno(), b"\n" + line if torn else line)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield every whole line, oldest first; a torn one is passed over."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict) and "event" in event:
                    yield event
