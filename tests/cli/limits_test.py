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

    def test_what_late_commands_are_judged_by_outlives_them(self):
        for service, key, least, why in (
            ("seat", "tombstone.kept_ms", 26 * 3_600_000, "taken for one that was undone"),
            ("relay", "delivery.kept_ms", 11 * 24 * 3_600_000, "before anybody can replay it"),
            ("relay", "processed_event.kept_ms", 14 * 24 * 3_600_000, "taken for one that has been consumed"),
            ("ranking", "processed_event.kept_ms", 14 * 24 * 3_600_000, "taken for one that has been consumed"),
        ):
            flag = "--" + key.replace(".", "-").replace("_", "-")
            with self.subTest(key=key), tempfile.TemporaryDirectory() as data:
                refused = run("serve", service, "--data", data, flag, least - 1)
                self.assertEqual(refused.returncode, 2)
                self.assertRegex(refused.stderr, f"{key} must be {least} or more .*{why}")
                self.assertIn("bus_url", run("serve", service, "--data", data, flag, least, "--bus-url", "nowhere").stderr)


if __name__ == "__main__":
    unittest.main()
