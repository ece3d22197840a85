"""A backup and an export that are ended by a signal leave no file behind."""

import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from program import PROGRAM, System


class Ended(unittest.TestCase):
    def end(self, command, data, number):
        """What is left of its file, once it had begun to write it and was ended."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            process = subprocess.Popen([PROGRAM, command, "--out", file, "--data", data], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                limit = time.monotonic() + 60
                while not Path(f"{file}.new").exists():
                    self.assertIsNone(process.poll(), "it ended before it was ended")
                    self.assertLess(time.monotonic(), limit)
                    time.sleep(0.01)
                process.send_signal(number)
                self.assertEqual(process.wait(timeout=60), 128 + number)
            finally:
                process.kill()
                process.communicate()
            return [path.name for path in Path(folder).iterdir()]

    def test_no_file_is_left_by_whatever_signal_ends_it(self):
        with System("--no-seed") as system:
            # Who writes to a store keeps a backup waiting for its moment, and who has it alone an export.
            for command, *hold in (("backup", "BEGIN IMMEDIATE"), ("export", "PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE")):
                if command == "export":
                    system.stop()
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    store = sqlite3.connect(system.data / "seat.db", isolation_level=None)
                    for statement in hold:
                        store.execute(statement)
                    with self.subTest(command=command, signal=number.name):
                        self.assertEqual(self.end(command, system.data, number), [])
                    store.close()


if __name__ == "__main__":
    unittest.main()
