"""What is kept is kept long enough: a shorter time is refused, and it is said why."""

import tempfile
import unittest

from program import run


class Limits(unittest.TestCase):
    def test_answers_outlive_the_sagas_that_they_are_of(self):
        with tempfile.TemporaryDirectory() as data:
            keep = ["--request-answers-kept-ms", 300_000]
            refused = run("serve", "reservation", "--data", data, *keep)
            self.assertEqual(refused.returncode, 2)
            self.assertRegex(refused.stderr, "request.answers_kept_ms must be 960000 or more .* would buy twice")
            # Where sagas are shorter, so may this be: what is refused then is something else.
            shorter = ["--saga-park-after-ms", 200_000, "--saga-deadline-ms", 60_000, "--bus-url", "nowhere"]
            self.assertIn("bus_url", run("serve", "reservation", "--data", data, *keep, *shorter).stderr)


if __name__ == "__main__":
    unittest.main()
