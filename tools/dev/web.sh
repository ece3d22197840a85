# shellcheck shell=bash
# The web app: web/ into build/web, where every preset's programs find it.

# Debian's Node.js, unless one is there that is as new.
need_node() {
  if command -v npm >/dev/null && [[ $(node -p 'process.versions.node.split(".")[0]') -ge 18 ]]; then return 0; fi
  need_packages packages-web.txt
}

# web_sources: a checksum of all that it is made of.
web_sources() {
  find web openapi/boxoffice.yaml -type f ! -path '*/node_modules/*' ! -path 'web/sdk/dist/*' ! -path web/sdk/src/schema.ts -print0 | sort -z |
    xargs -0 sha256sum | sha256sum
}

# build_web: only what changed: the packages by their lock file, the app by its sources.
build_web() {
  local lock sources programs
  need_node
  mkdir -p build
  (
    exec 9>build/.web.lock
    flock 9
    lock=$(sha256sum <web/package-lock.json)
    if [[ $(cat web/node_modules/.lock.sha256 2>/dev/null || true) != "$lock" ]]; then
      echo "dev: fetching the web app's packages" >&2
      npm --prefix web ci --no-audit --no-fund --loglevel error >&2 9>&- || {
        echo "dev: could not fetch the web app's packages; what npm says is above. Once npm's registry is reached, the same command goes on" >&2
        exit 1
      }
      echo "$lock" >web/node_modules/.lock.sha256
    fi
    sources=$(web_sources)
    if [[ $(cat build/web.sha256 2>/dev/null || true) != "$sources" ]]; then
      echo "dev: building the web app" >&2
      (cd web && npm run --silent build) >build/web.log 2>&1 9>&- || {
        cat build/web.log >&2
        exit 1
      }
      echo "$sources" >build/web.sha256
    fi
    for programs in build/*/bin; do
      mkdir -p "${programs%/bin}/share/boxoffice"
      ln -sfn ../../../web "${programs%/bin}/share/boxoffice/web"
    done
  )
}

cmd_shots() {
  need_packages packages.txt packages-shots.txt
  build release boxoffice
  build_web
  node tests/browser/shots.mjs "$@"
}
