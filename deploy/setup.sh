#!/usr/bin/env bash
# Set up Cordboard on a bare Debian: system packages, .venv, Python packages.
#   deploy/setup.sh            what the service and the demo need
#   deploy/setup.sh --tests    also what the tests need
# Nothing is done twice: what is there is left alone. The log is var/setup.log.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=no
[[ "${1:-}" == --tests ]] && tests=yes
mkdir -p var
log="$PWD/var/setup.log"
began=$SECONDS

say() { printf '%s[%4ds] %s\n' "setup " "$((SECONDS - began))" "$*"; }

# step TEXT COMMAND...: run quietly, show a sign of life every 15 s, show the log if it fails
step() {
  local text=$1 status=0 started=$SECONDS
  shift
  say "$text"
  printf '\n== %s: %s\n' "$text" "$*" >>"$log"
  "$@" >>"$log" 2>&1 </dev/null &
  local job=$!
  while kill -0 "$job" 2>/dev/null; do
    local waited=0
    while ((waited < 75)) && kill -0 "$job" 2>/dev/null; do sleep 0.2; waited=$((waited + 1)); done
    kill -0 "$job" 2>/dev/null && say "  still at it: $text ($((SECONDS - started)) s)"
  done
  wait "$job" || status=$?
  if ((status)); then
    say "FAILED: $text (exit $status); the end of $log:"
    tail -n 25 "$log"
    exit "$status"
  fi
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# the names of the Debian packages among "$@" that are not installed
missing_packages() {
  local package
  for package in "$@"; do
    [[ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" == "install ok installed" ]] ||
      printf '%s\n' "$package"
  done
}

right_version() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

find_python() {
  local name
  for name in python3.11 python3.12 python3 /usr/bin/python3.11 /usr/bin/python3; do
    if right_version "$name"; then command -v "$name"; return; fi
  done
  return 1
}

packages=(flite)
have() { command -v "$1" >/dev/null; }
have g++ || packages+=(g++)
have cmake || packages+=(cmake)
have ninja || packages+=(ninja-build)
[[ $tests == yes ]] && packages+=(sip-tester baresip-core kamailio kamailio-tls-modules openssl)
if ! python=$(find_python); then packages+=(python3 python3-venv); fi
if [[ -n "${python:-}" && ! -x .venv/bin/pip ]] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
  packages+=("$(basename "$(readlink -f "$python")")-venv")
fi
if have apt-get; then
  mapfile -t wanted < <(missing_packages "${packages[@]}")
  if ((${#wanted[@]})); then
    step "apt-get update" as_root apt-get update
    # the tests start their own Kamailio; Debian's would take port 5060 as soon as it is installed
    if [[ " ${wanted[*]} " == *" kamailio "* ]] && have systemctl; then
      as_root systemctl mask kamailio >>"$log" 2>&1 || true
    fi
    step "Debian packages: ${wanted[*]}" apt_install "${wanted[@]}"
  fi
fi
if [[ -z "${python:-}" ]] && ! python=$(find_python); then
  say "Cordboard needs Python 3.11 or 3.12; found $(python3 --version 2>&1)"
  exit 1
fi

if [[ ! -x .venv/bin/pip ]]; then
  step "virtual environment .venv with $("$python" --version)" "$python" -m venv .venv
fi

# llama.cpp is built for this machine's processor, once for all set-ups of this user
recipe="-DLLAVA_BUILD=OFF -DCMAKE_CXX_FLAGS='-include \"$PWD/deploy/amx_tiles.h\"'"
processor=$({ grep -m1 '^flags' /proc/cpuinfo; cat deploy/amx_tiles.h; } | sha256sum | cut -c1-8)
wheels="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/cordboard/wheels/$processor"
mkdir -p "$wheels"
requirement=$(.venv/bin/python - <<'PYTHON'
import tomllib
with open("pyproject.toml", "rb") as file:
    wanted = tomllib.load(file)["project"]["dependencies"]
print(next(each for each in wanted if each.startswith("llama-cpp-python")))
PYTHON
)
if ! compgen -G "$wheels/llama_cpp_python-*.whl" >/dev/null; then
  step "building llama.cpp (once on this machine; about 6 minutes on two cores)" \
    env CMAKE_ARGS="$recipe ${CMAKE_ARGS:-}" \
    .venv/bin/python -m pip wheel --no-cache-dir --no-deps --wheel-dir "$wheels" "$requirement"
fi
if [[ "$(cat .venv/.llama-build 2>/dev/null)" != "$processor" ]]; then
  step "llama.cpp as built for this processor" \
    .venv/bin/python -m pip install --force-reinstall --no-deps "$wheels"/llama_cpp_python-*.whl
  echo "$processor" >.venv/.llama-build
fi

extra=""
[[ $tests == yes ]] && extra="[dev]"
step "Python packages (about 600 MB on the first run)" \
  .venv/bin/python -m pip install --prefer-binary --find-links "$wheels" --editable ".$extra"
say "done"
