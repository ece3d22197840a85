#!/usr/bin/env python3
"""sbom.py PROGRAM VERSION: what a release is made of, as CycloneDX 1.5 JSON on stdout: the Debian packages that the program is linked
with (as they are here, where it was linked), those whose headers and archives are compiled into it, and the packages of npm in the
web app. The same input gives the same bytes: its time is SOURCE_DATE_EPOCH."""

import base64
import json
import os
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Of tools/dev/packages.txt: what only tests and benchmarks are compiled with.
NOT_IN_IT = {"libbenchmark-dev", "libgmock-dev", "libgtest-dev"}


def libraries(program):
    """The files of all shared libraries that the program is loaded with."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return sorted(set(re.findall(r"=> (/\S+)", said)) | set(re.findall(r"^\s+(/\S*ld-linux\S+)", said, re.MULTILINE)))


def packages_of(files):
    """{file: the Debian package that has it}. Debian's lists name some by /lib, which is /usr/lib."""
    names = {file: {os.path.realpath(file), os.path.realpath(file).removeprefix("/usr"), file} for file in files}
    asked = subprocess.run(["dpkg-query", "-S", *sorted(set().union(*names.values()))], capture_output=True, text=True, check=False)
    owners = {path: owner.split(":")[0] for owner, path in (line.rsplit(": ", 1) for line in asked.stdout.splitlines())}
    found = {file: next((owners[name] for name in paths if name in owners), None) for file, paths in names.items()}
    if missing := [file for file, owner in found.items() if owner is None]:
        raise SystemExit(f"sbom.py: no Debian package has {', '.join(missing)}")
    return found


def compiled_in():
    lines = [line.split("#")[0].strip() for line in (ROOT / "tools/dev/packages.txt").read_text().splitlines()]
    return {name for name in lines if re.fullmatch(r"lib\S+-dev", name)} - NOT_IN_IT


def debian_components(program):
    linkage = dict.fromkeys(compiled_in(), "headers or archive") | dict.fromkeys(packages_of(libraries(program)).values(), "shared library")
    fields = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"
    said = subprocess.run(["dpkg-query", "-W", "-f", fields, *sorted(linkage)], capture_output=True, text=True, check=True).stdout
    components = []
    for name, version, arch, source, source_version in (line.split("\t") for line in said.splitlines()):
        purl = f"pkg:deb/debian/{name}@{version.replace(':', '%3A')}?arch={arch}&distro=debian-12"
        components.append({
            "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
            "properties": [{"name": "boxoffice:linkage", "value": linkage[name]},
                           {"name": "boxoffice:debian-source", "value": f"{source} {source_version}"}],
        })  # fmt: skip
    return components


def npm_components():
    """What the lock file has but not for development alone, and but for our own."""
    components = {}
    for path, package in json.loads((ROOT / "web/package-lock.json").read_text())["packages"].items():
        if not path.startswith("node_modules/") or package.get("dev") or package.get("link"):
            continue
        name = path.rsplit("node_modules/", 1)[1]
        purl = f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"
        algorithm, digest = package["integrity"].split("-", 1)
        components[purl] = {
            "type": "library", "bom-ref": purl, "name": name, "version": package["version"], "purl": purl,
            "hashes": [{"alg": algorithm.upper().replace("SHA", "SHA-"), "content": base64.b64decode(digest).hex()}],
        } | ({"licenses": [{"license": {"id": package["license"]}}]} if re.fullmatch(r"[\w.-]+", package.get("license", "")) else {})  # fmt: skip
    return [components[purl] for purl in sorted(components)]


def descriptions():
    """What of others stands in our tree: docs/dependencies.md says why."""
    purl = "pkg:github/open-telemetry/opentelemetry-proto@v1.11.0"
    return [{"type": "library", "bom-ref": purl, "name": "opentelemetry-proto", "version": "1.11.0", "purl": purl,
             "licenses": [{"license": {"id": "Apache-2.0"}}]}]  # fmt: skip


def bill(program, version):
    made = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)
    purl = f"pkg:generic/boxoffice@{version}"
    components = debian_components(program) + npm_components() + descriptions()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{purl}#{made.isoformat()}')}",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "bom-ref": purl, "name": "boxoffice", "version": version, "purl": purl,
                          "licenses": [{"license": {"id": "Apache-2.0"}}]},
        },
        "components": components,
        "dependencies": [{"ref": purl, "dependsOn": [component["bom-ref"] for component in components]}],
    }  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    json.dump(bill(sys.argv[1], sys.argv[2]), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
