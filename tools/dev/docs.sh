# shellcheck shell=bash
# The pages of docs/reference that are written from code and contracts.

cmd_docs() {
  need_packages packages.txt packages-test.txt
  build release boxoffice
  BOXOFFICE_PROGRAM=$PWD/build/release/bin/boxoffice python3 -B tools/reference/configuration_page.py >build/configuration.md
  mv build/configuration.md docs/reference/configuration.md
  cmd_check --update-golden
}
