"""The job that docs/howto/back-up-and-restore.md shows for Kubernetes: its secrets and ports are those of the chart and its guide, its policy
lets it out, and its script, run here on SQLite, backs up the stores that it is given, and restores them."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/reference"))

from programs import SERVICES, ask, program  # noqa: E402

CHART = ROOT / "deploy/helm/boxoffice"
BACKUP = "boxoffice backup "


class Pod:
    """What stands for it here: its folders are in `root`, and its stores are those of `system`."""

    def __init__(self, spec, root, system):
        self.container, self.root = spec["containers"][0], root
        for folder in ("stores", "config", "backup", "bin"):
            (root / folder).mkdir(parents=True)
        (sources,) = [volume["projected"]["sources"] for volume in spec["volumes"] if "projected" in volume]
        for item in [item for one in sources for item in one["secret"]["items"]]:
            (root / "stores" / item["path"]).write_text(f"sqlite:{system}")
        (root / "bin/boxoffice").symlink_to(program())
        self.environment = {variable["name"]: variable["value"] for variable in self.container["env"]}
        self.environment |= {"PATH": f"{root}/bin:{os.environ['PATH']}", "BOXOFFICE_BUS_URL": f"sqlite:{system}/bus.db"}

    def run(self, script):
        here = re.sub(r"(?<!\w)/(?:stores|config|backup)\b", lambda folder: f"{self.root}{folder[0]}", script)
        return subprocess.run([*self.container["command"], here], env=self.environment, cwd=self.root, capture_output=True, text=True,
                              timeout=120, check=False)  # fmt: skip


class BackupOnKubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        page = (ROOT / "docs/howto/back-up-and-restore.md").read_text(encoding="utf-8")
        cls.section = page.split("\n## On Kubernetes\n")[1]
        job, cls.policy = yaml.safe_load_all(re.search(r"```yaml\n(.*?)```", cls.section, re.DOTALL)[1])
        template = job["spec"]["jobTemplate"]["spec"]["template"]
        cls.labels, cls.spec = template["metadata"]["labels"], template["spec"]
        cls.values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        cls.script = cls.spec["containers"][0]["args"][0]

    def test_no_policy_of_the_chart_holds_it_and_its_own_lets_it_out_to_the_stores(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["name"]
        self.assertNotEqual(self.labels["app.kubernetes.io/name"], chart, "whoever has this is denied whatever the chart does not allow")
        spec = self.policy["spec"]
        self.assertEqual((spec["podSelector"]["matchLabels"], spec["policyTypes"]), (self.labels, ["Ingress", "Egress"]))
        self.assertNotIn("ingress", spec)
        out = {(port["protocol"], port["port"]) for rule in spec["egress"] for port in rule["ports"]}
        outside = [port for where in ("postgres", "redis", "kafka") for port in self.values["networkPolicy"][where]["ports"]]
        self.assertEqual(out, {("UDP", 53), ("TCP", 53)} | {("TCP", port) for port in outside})

    def test_it_has_the_store_of_each_service_from_the_secret_that_the_guide_makes(self):
        keys = {service: values["store"]["key"] for service, values in self.values["services"].items() if "store" in values}
        (sources,) = [volume["projected"]["sources"] for volume in self.spec["volumes"] if "projected" in volume]
        given = {item["path"]: (source["secret"]["name"], item["key"]) for source in sources for item in source["secret"]["items"]}
        self.assertEqual(given, {service: (f"{service}-store", key) for service, key in keys.items()})

    def test_what_urls_name_is_where_the_chart_has_it(self):
        pod = (CHART / "templates/_pod.tpl").read_text(encoding="utf-8")
        (path,) = [mount["mountPath"] for mount in self.spec["containers"][0]["volumeMounts"] if mount["name"] == "trust"]
        self.assertIn(f"{{name: trust, mountPath: {path}, readOnly: true}}", pod)

    def test_it_is_told_of_the_bus_by_keys_that_services_have(self):
        told = ask("serve", "seat", "--help")
        for variable in self.spec["containers"][0]["env"]:
            self.assertIn(f"[{variable['name']}]", told)

    def test_its_script_backs_up_the_stores_that_it_is_given_and_restores_them(self):
        with tempfile.TemporaryDirectory() as folder:
            system = Path(folder) / "system"
            ask("migrate", "--data", str(system))
            pod = Pod(self.spec, Path(folder) / "first", system)
            done = pod.run(self.script)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual({file.stem for file in (pod.root / "config").glob("*.toml")}, set(SERVICES))
            (backup,) = (pod.root / "backup").iterdir()
            # The page has it in the place of the script's last two lines.
            restore = re.search(r"`(boxoffice restore [^`]+)`", self.section)[1].replace("/backup/FILE", str(backup))
            lines = self.script.splitlines()
            self.assertTrue(lines[-2].startswith(BACKUP), lines)
            again = Path(folder) / "again"
            again.mkdir()
            done = Pod(self.spec, Path(folder) / "second", again).run("\n".join([*lines[:-2], restore]))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue((again / "wallet.db").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
