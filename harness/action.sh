#!/usr/bin/env bash
# The shell steps of action.yml, for other CI systems too: `action.sh install`, then `action.sh gate`.
# Options come as GATE_* variables, named as the action's inputs are; results lie in $GATE_OUT/gate and $GATE_OUT/store.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

install() {
    python -m pip install --quiet --disable-pip-version-check -c "$here/constraints.txt" "$here"
}

gate() {
    local out=${GATE_OUT:-.repro} status=0
    local -a claims=() own=() options=()
    read -r -d '' -a claims <<<"${GATE_CLAIMS:-}" || true # over several lines, too
    mkdir -p "$out/gate"
    out=$(cd "$out" && pwd)
    export REPRO_CACHE=${REPRO_CACHE:-$out/cache} REPRO_STORE=${REPRO_STORE:-$out/store}
    options+=(--json "$out/gate/gate.json" --markdown "$out/gate/gate.md" --junit "$out/gate/gate.xml")
    if [ -n "${GATE_IMPLEMENTATION:-}" ]; then
        own+=(--implementation "$(cd "$GATE_IMPLEMENTATION" && pwd)")
    fi
    if [ -e "${GATE_BASELINE:-baseline.json}" ]; then
        options+=(--baseline "$(realpath "${GATE_BASELINE:-baseline.json}")")
    else
        options+=(--baseline "${GATE_BASELINE:-baseline.json}")
    fi
    [ -z "${GATE_AGAINST:-}" ] || options+=(--against "$GATE_AGAINST")
    [ -z "${GATE_CHANGED_SINCE:-}" ] || options+=(--changed-since "$GATE_CHANGED_SINCE")
    [ -z "${GATE_SEEDS:-}" ] || options+=(--seeds "$GATE_SEEDS")
    [ -z "${GATE_FRESH:-}" ] || options+=(--fresh "$GATE_FRESH")
    case ${GATE_COSTS:-} in
        "") ;;
        none) options+=(--costs "") ;;
        *) options+=(--costs "$GATE_COSTS") ;;
    esac
    [ -d claims ] || cd "$here" # a repository with a submission only: the claims are this project's
    if [ "${GATE_JOBS:-1}" -gt 1 ] && [ -z "${GATE_CHANGED_SINCE:-}" ]; then
        # The trials, side by side; the gate reads them from the cache and says what is wrong with them.
        repro run "${claims[@]}" "${own[@]}" -n "$GATE_JOBS" >"$out/gate/claims.txt" 2>&1 || true
    fi
    repro gate "${claims[@]}" "${own[@]}" "${options[@]}" || status=$?
    if [ "$status" = 2 ] && [ "${GATE_UNDECIDED:-warn}" != fail ]; then
        echo "The gate is undecided, which does not fail this step (undecided: warn)."
        status=0
    fi
    return "$status"
}

case ${1:-} in
    install) install ;;
    gate) gate ;;
    *)
        echo "usage: action.sh install | gate" >&2
        exit 3
        ;;
esac
