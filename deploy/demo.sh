#!/usr/bin/env bash
# Start Cordboard, call it with the built-in phone, show the conversation, stop.
# Own ports and own folder (var/demo), so that a running service is not disturbed.
set -euo pipefail
cd "$(dirname "$0")/.."

cordboard=.venv/bin/cordboard
home="$PWD/var/demo"
log="$home/serve.log"
config="$home/cordboard.yaml"
recording="$home/demo.wav"
service=""

stop() {
  local status=$?
  trap - EXIT INT TERM
  if [[ -n "$service" ]] && kill -0 "$service" 2>/dev/null; then
    kill -TERM "$service" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$service" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$service" 2>/dev/null || true
    wait "$service" 2>/dev/null || true
    echo "demo: the service has stopped"
  fi
  if ((status)); then
    echo "demo: FAILED (exit $status); the service's log is $log, its end:"
    tail -n 20 "$log" 2>/dev/null || true
  fi
  exit "$status"
}
trap stop EXIT INT TERM

mkdir -p "$home"
: >"$log"
port=$(.venv/bin/python deploy/demo.py "$config")

echo "demo: starting the service on 127.0.0.1:$port; its log is $log"
$cordboard serve --config "$config" >>"$log" 2>&1 &
service=$!
for _ in $(seq 18); do
  kill -0 "$service" 2>/dev/null || { echo "demo: the service ended at once"; exit 1; }
  $cordboard status --config "$config" --wait 10 && break
done
$cordboard status --config "$config" --wait 1 >/dev/null

echo "demo: calling; every time is measured on the RTP packets at the phone"
$cordboard call "sip:100@127.0.0.1:$port" --config "$config" \
  --say "How long does the battery last?" \
  --say "And how do I reset the camera?" \
  --interrupt "Sorry, what are your opening hours?@1.2" \
  --silence 1800 --save "$recording"

echo
echo "demo: what the call record says"
$cordboard calls --config "$config" show last
echo
echo "demo: listen to $recording (left: the phone, right: the agent)"
