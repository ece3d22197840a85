# shellcheck shell=bash
# The images and deploy/compose, for real. Not a part of ./dev test: it needs root, and builds for long.

cmd_test-deploy() {
  need_packages packages.txt packages-deploy.txt
  /usr/bin/python3 tests/deploy/live.py "$@"
}
