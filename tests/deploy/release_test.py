"""What ./dev release makes: all of it, by its checksums, with a bill of materials that CycloneDX's schema takes and that names whatever
the program is linked with. It makes nothing of what is not committed, and nothing under a version that the tree does not have."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

from jsonschema import Draft7Validator, RefResolver

sys.dont_write_bytecode = True

from programs import PROGRAM, ROOT  # noqa: E402

SKIPPED = 77
VERSION = "0.1.0"


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(SKIPPED)


def find_schemas():
    found = subprocess.run([ROOT / "tools/dev/cyclonedx.sh"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        skip(f"no schemas of CycloneDX: {found.stderr.strip()[-500:]}")
    return Path(found.stdout.strip())


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.out = Path(cls.folder.name) / "release"
        done = subprocess.run([ROOT / "deploy/release/make.sh", PROGRAM, ROOT / "build/web", VERSION, cls.out], text=True, timeout=300,
                              env={**os.environ, "DEB_COMPRESSION": "-Zxz -z0"}, capture_output=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        cls.bill = json.loads((cls.out / f"boxoffice-{VERSION}.cdx.json").read_text())

    def test_all_is_there_and_as_its_checksums_say(self):
        there = {path.name for path in self.out.iterdir()}
        arch = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
        self.assertEqual(there, {"SHA256SUMS", f"boxoffice-{VERSION}.tar.gz", f"boxoffice_{VERSION}_{arch}.deb",
                                 f"boxoffice-sdk-{VERSION}.tgz", f"boxoffice-{VERSION}.cdx.json"})  # fmt: skip
        checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=self.out, capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertEqual(len(checked.stdout.splitlines()), len(there) - 1)
        with open(self.out / f"boxoffice-{VERSION}.tar.gz", "ab") as changed:
            changed.write(b"x")
        checked = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=self.out, capture_output=True, text=True, check=False)
        self.assertNotEqual(checked.returncode, 0)

    def test_the_source_is_what_is_committed(self):
        with tarfile.open(self.out / f"boxoffice-{VERSION}.tar.gz") as tar:
            names = {name.removeprefix(f"boxoffice-{VERSION}/") for name in tar.getnames() if not tar.getmember(name).isdir()}
        listed = subprocess.run(["git", "ls-tree", "-r", "-z", "--name-only", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertEqual(names, set(listed.stdout.split("\0")) - {""})

    def test_the_source_makes_the_same_package(self):
        with tempfile.TemporaryDirectory() as folder, tarfile.open(self.out / f"boxoffice-{VERSION}.tar.gz") as tar:
            tar.extractall(folder)
            tree = Path(folder) / f"boxoffice-{VERSION}"
            done = subprocess.run([tree / "deploy/debian/make.sh", PROGRAM, ROOT / "build/web", VERSION, folder], text=True, timeout=300,
                                  env={**os.environ, "DEB_COMPRESSION": "-Zxz -z0"}, capture_output=True, check=False)  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stderr)
            made = Path(done.stdout.strip())
            self.assertEqual(made.read_bytes(), (self.out / made.name).read_bytes())
            version = subprocess.run(["bash", "-c", "source tools/dev/deploy.sh; version_of_head"], cwd=tree, text=True, capture_output=True,
                                     check=True)  # fmt: skip
            self.assertEqual(version.stdout.strip(), VERSION)

    def test_the_sdk_has_types_and_code_and_nothing_of_the_app(self):
        with tarfile.open(self.out / f"boxoffice-sdk-{VERSION}.tgz") as tar:
            names = set(tar.getnames())
        self.assertLessEqual({"package/package.json", "package/README.md", "package/dist/index.js", "package/dist/index.d.ts",
                              "package/dist/schema.d.ts", "package/examples/first_sale.ts"}, names)  # fmt: skip
        self.assertFalse([name for name in names if "node_modules" in name or "/src/" in name])

    def test_cyclonedx_takes_the_bill_of_materials(self):
        schemas = find_schemas()
        schema = json.loads((schemas / "bom-1.5.SNAPSHOT.schema.json").read_text())
        base = schema["$id"].rsplit("/", 1)[0]
        store = {f"{base}/{name}": json.loads((schemas / name).read_text()) for name in ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")}
        validator = Draft7Validator(schema, resolver=RefResolver(schema["$id"], schema, store=store))
        self.assertEqual([error.message for error in validator.iter_errors(self.bill)], [])
        wrong = {**self.bill, "components": [{"name": "no type"}]}
        self.assertTrue(list(validator.iter_errors(wrong)))

    def test_the_bill_names_what_the_program_is_linked_with(self):
        named = {component["name"]: component for component in self.bill["components"]}
        depends = subprocess.run(["dpkg-deb", "-f", next(self.out.glob("*.deb")), "Depends"], capture_output=True, text=True, check=True).stdout
        # libspdlog1.10-fmt9 is what libspdlog1.10 provides.
        linked = {name.removesuffix("-fmt9") for name in re.findall(r"\b(lib[\w.+-]+|zlib1g)\b(?= \(>=|,)", depends)}
        self.assertGreater(len(linked), 10)
        self.assertEqual(linked - set(named), set())
        for name in ("libboost1.81-dev", "libcsv-dev"):  # nothing else would tell that they are in it
            self.assertEqual(named[name]["properties"][0]["value"], "headers or archive")
        installed = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libssl3"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(named["libssl3"]["version"], installed)
        self.assertEqual(named["opentelemetry-proto"]["licenses"][0]["license"]["id"], "Apache-2.0")

    def test_the_bill_names_what_the_web_app_is_made_of(self):
        named = {component["purl"] for component in self.bill["components"]}
        wanted = json.loads((ROOT / "web/package.json").read_text())["dependencies"]
        for name, version in wanted.items():
            if name != "boxoffice-sdk":
                self.assertIn(f"pkg:npm/{name.replace('@', '%40')}@{version}", named)
        self.assertFalse([purl for purl in named if purl.startswith("pkg:npm/vite@")], "it has what only builds it")


class Refusals(unittest.TestCase):
    """In a copy of the script's surroundings, as they must not depend on what is being worked on here."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name) / "tree"
        for path in ("dev", "tools/dev", "CMakeLists.txt", "openapi/boxoffice.yaml", "web/sdk/package.json"):
            (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / path).is_dir() else shutil.copy)(ROOT / path, self.tree / path)
        for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "t"]):
            subprocess.run(["git", *words], cwd=self.tree, check=True)

    def refused(self, version):
        done = subprocess.run([self.tree / "dev", "release", version], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        return done.stderr

    def test_a_version_that_the_tree_does_not_have(self):
        self.assertIn(f"the version of this tree is {VERSION}", self.refused("9.9.9"))

    def test_versions_that_differ_within_the_tree(self):
        package = self.tree / "web/sdk/package.json"
        package.write_text(package.read_text().replace(f'"version": "{VERSION}"', '"version": "0.0.9"'))
        self.assertIn("another version", self.refused(VERSION))

    def test_what_is_not_committed(self):
        (self.tree / "new").write_text("")
        self.assertIn("committed", self.refused(VERSION))


if __name__ == "__main__":
    if shutil.which("dh") is None:
        skip("no debhelper")
    if not (ROOT / "build/web/index.html").exists():
        skip("the web app is not built")
    unittest.main(verbosity=2)
