#!/bin/bash
# Measures on a machine with an NVIDIA GPU, part by part. Each part is useful alone and has its own time
# limit. `cargo xtask bundle` puts this script beside the program, its probe, the peer's script and the data.
#
#   session.sh PART...       parts: check nvml speed rq23 rq1 rq4 rq5 report; `all` runs them in this order
#
# Environment variables, with their defaults:
# DEVICE  where networks run (cuda); `cpu` is for trying the script
# OUT     folder of the output: summary.txt, logs.tar.gz, study.tar.gz, rewritten after each part (out)
# WORK    folder of intermediate files (a temporary folder)
# SCALE   factor for all time limits (1)
# SIZE    `tiny` uses small sizes, for trying the script (full sizes)
#
# If a folder `study` is beside this script (unpack study.tar.gz there), its study is continued.
set -u
here=$(cd "$(dirname "$0")" && pwd)
device=${DEVICE:-cuda}
out=${OUT:-out}
work=${WORK:-$(mktemp -d)}
scale=${SCALE:-1}
wattlab=$here/wattlab
probe=$here/libwattlab_probe_nvml.so
python=${PYTHON:-python3}
mkdir -p "$out" "$work"
out=$(cd "$out" && pwd)
work=$(cd "$work" && pwd)
study=$work/study
[ -d "$here/study" ] && [ ! -d "$study" ] && cp -r "$here/study" "$study"
failed=0

# Finds the driver's libraries in folders that the system does not search, and cuBLAS beside the program, in
# the system's folders or in Python's packages.
find_library() {
    local name=$1 folder
    shift
    ldconfig -p 2>/dev/null | grep -q "$name" && return
    for folder in "$@"; do
        if [ -e "$folder/$name" ]; then
            export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
            echo "$name: $folder"
            return
        fi
    done
    echo "$name: not found"
}
if [ "$device" != cpu ]; then
    find_library libcuda.so.1 /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/local/cuda/compat
    find_library libnvidia-ml.so.1 /usr/local/nvidia/lib64 /usr/local/nvidia/lib
    find_library libcublas.so.13 "$here/lib" /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib \
        $("$python" -c 'import sys, glob; print(*(f for p in sys.path for f in glob.glob(p + "/nvidia/*/lib")))' 2>/dev/null)
fi

# within SECONDS NAME COMMAND...: runs a command and keeps its output. A command that is not done in that time is
# interrupted, and the session has failed.
within() {
    local seconds name start code
    seconds=$(awk "BEGIN { print int($1 * $scale + 0.5) }") name=$2 start=$(date +%s)
    shift 2
    echo "== $name: time limit $seconds s: $*"
    timeout --kill-after=20 --signal=INT "$seconds" "$@" > >(tee "$work/$name.txt") 2> >(tee "$work/$name.log" >&2)
    code=$?
    echo "== $name: ended with $code after $(($(date +%s) - start)) s"
    [ $code -eq 0 ] || failed=1
    return $code
}

# as_far_as SECONDS NAME COMMAND...: the same for a study, which continues later: it may end by its time limit.
as_far_as() {
    local before=$failed
    within "$@"
    # 124: `timeout` interrupted it; 130: it says that it was interrupted. 137, killed, is a failure: it did not stop.
    case $? in 124 | 130) failed=$before ;; esac
}

# Runs one research question of the study; all questions share a journal.
question() {
    local profile=$here/gpu.toml
    local amount=()
    [ "${SIZE:-}" = tiny ] && profile=quick amount=(--budget 20s)
    local flags=("${amount[@]}" --profile "$profile" --rq "$2" --device "$device" --out "$study" --plugin "$probe")
    # Count the GPU's energy only, because nothing measures the processor's.
    [ "$device" != cpu ] && flags+=(--measured)
    [ -d "$here/data" ] && flags+=(--data-dir "$here/data")
    as_far_as "$1" "rq$2" "$wattlab" reproduce "${flags[@]}"
}

bench() {
    "$wattlab" model bench --device "$device" "$@"
}

part() {
    case $1 in
    check)
        { uname -a; nvidia-smi; nproc; "$wattlab" --version; } > "$work/machine.txt" 2>&1
        cat "$work/machine.txt"
        within 60 probes "$wattlab" probes --plugin "$probe"
        within 120 agree "$wattlab" model agree --device "$device"
        within 30 first "$wattlab" model bench --device "$device" --net simple_cnn --steps 200
        ;;
    nvml)
        local idle=10 steady=45
        [ "${SIZE:-}" = tiny ] && idle=1 steady=3
        if [ "$device" = cpu ]; then
            echo "== nvml: skipped, because device cpu has no GPU counter"
            return
        fi
        # Work without an end, then work of about a second with pauses.
        local steps=("$wattlab" model bench --device "$device" --net simple_cnn --channels 3 --side 32 --conv 4 --linear 7)
        for format in markdown json; do
            within 120 "nvml-steady-$format" "$wattlab" meter gpu --plugin "$probe" --idle "$idle" --for "$steady" \
                "--$format" -- "${steps[@]}" --steps 100000000
            steady=20
        done
        within 60 nvml-bursts "$wattlab" meter gpu --plugin "$probe" --idle 2 --for 40 --markdown -- \
            bash -c 'while :; do "$@" --steps 2000; sleep 0.3; done' bash "${steps[@]}"
        ;;
    speed)
        local seconds=0.5
        [ "${SIZE:-}" = tiny ] && seconds=0.05
        within 240 speed "$python" "$here/peer_gpu.py" "$wattlab" "$device" "$seconds"
        ;;
    rq23) question 210 2,3 ;;
    rq1) question 300 1 ;;
    rq4) question 240 4 ;;
    rq5) question 150 5 ;;
    report) within 60 report "$wattlab" report "$study" ;;
    *)
        echo "unknown part \`$1\`; parts: check nvml speed rq23 rq1 rq4 rq5 report all" >&2
        exit 2
        ;;
    esac
}

# Packs the output into a few files.
pack() {
    if [ -f "$study/journal.jsonl" ]; then
        cp "$here/gpu.toml" "$study/profile.toml"
        tar -C "$work" -czf "$work/study.tar.gz" study && mv "$work/study.tar.gz" "$out"
    fi
    (cd "$work" && tail -n +1 ./*.txt > "$out/summary.txt" && tar -czf logs.tar.gz ./*.txt ./*.log && mv logs.tar.gz "$out")
}

[ "$*" = all ] && set -- check nvml speed rq23 rq1 rq4 rq5 report
[ $# -eq 0 ] && set -- ""
for name in "$@"; do
    part "$name"
    pack
done
exit $failed
