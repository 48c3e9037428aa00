#!/usr/bin/env bash
# Runs schemathesis, which the first run installs into a folder of its own: schemathesis.sh ARGUMENT...
set -euo pipefail
version=4.32.5
home=${SERVICES_CACHE:-$HOME/.cache/podbeat-services}/schemathesis-$version

if [ ! -x "$home/bin/schemathesis" ]; then
  command -v python3 >/dev/null || { echo "schemathesis: python3 is missing; install it: apt-get install -y python3 python3-venv" >&2; exit 1; }
  rm -rf "$home.$$"
  python3 -m venv "$home.$$" || { echo "schemathesis: python's venv is missing; install it: apt-get install -y python3-venv" >&2; exit 1; }
  "$home.$$/bin/pip" -q --disable-pip-version-check install "schemathesis==$version" >&2
  mv -T "$home.$$" "$home" 2>/dev/null || rm -rf "$home.$$" # another run was faster
fi
cd "$(mktemp -d)" # it leaves files where it runs
trap 'rm -rf "$PWD"' EXIT
"$home/bin/python" -m schemathesis.cli "$@"
