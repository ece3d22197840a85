"""deploy/observability by Prometheus' own tool: the rules and the configuration are valid, and each alert fires when it should."""

import re
import shutil
import subprocess
import unittest

import yaml

from system import FOLDER, needs

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# A range of what is scraped: [5m]. Of a subquery ([2h:1m]), what has to be long enough is its step.
RANGE = re.compile(r"\[(?:\d+[smhd]:)?(\d+)([smhd])\]")


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=170, check=False)
    return done.returncode, done.stdout + done.stderr


class RulesTest(unittest.TestCase):
    def test_the_rules_are_valid(self):
        status, said = promtool("check", "rules", "alerts.yml")
        self.assertEqual(status, 0, said)

    def test_the_configuration_is_valid(self):
        status, said = promtool("check", "config", "--syntax-only", "prometheus.yml")
        self.assertEqual(status, 0, said)

    def test_each_alert_fires_when_it_should_and_not_else(self):
        status, said = promtool("test", "rules", "alerts_test.yml")
        self.assertEqual(status, 0, said)

    def test_each_alert_has_a_test_in_which_it_fires(self):
        rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())
        alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
        tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
        fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
        self.assertEqual(alerts, fired)

    def test_each_window_has_two_scrapes_in_it(self):
        # With one, there is no rate, and an alert that can't come.
        scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["global"]["scrape_interval"]
        self.assertRegex(scraped, r"^\d+s$")
        groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
        expressions = [rule["expr"] for group in groups for rule in group["rules"]]
        windows = {int(number) * SECONDS[unit]: found for found in expressions for number, unit in RANGE.findall(found)}
        self.assertTrue(windows)
        self.assertGreaterEqual(min(windows), 2 * int(scraped[:-1]), windows[min(windows)])


if __name__ == "__main__":
    needs(shutil.which("promtool"), "promtool is not installed: Debian's package prometheus")
    unittest.main()
