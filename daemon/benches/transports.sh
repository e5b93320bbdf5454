#!/usr/bin/env bash
# Two builds of the worker side by side, with and without the cargo feature `libublk`. To be run as root
# in a virtual machine that is thrown away, with fio:
#
#   tests/vm/run -k 6.12 -t 600 -- daemon/benches/transports.sh OURS LIBUBLK [ROUNDS]
#
# Rounds (5) of two seconds for each of both, in turns, 4 KiB at queue depth 32, on devices of one queue:
# one that keeps nothing (`null`), where all that is measured is the queue, and one with lz4 (`store`).
# Prints a line a measurement, and at the end the medians: requests a second, the worker's processor time
# for a request, and the ratio of both, ours over libublk's.
set -euo pipefail

ours=$(realpath -- "$1") libublk=$(realpath -- "$2") rounds=${3:-5}
readonly KIB=$((128 << 10)) # of a device
work=$(mktemp -d)

# start NUMBER PROGRAM [OPTION]...: a worker that serves /dev/ublkbNUMBER.
declare -A pids
start() {
  local directory=/run/trueno-ublk/zram$1 number=$1
  mkdir -p "$directory"
  mount -t tmpfs -o noswap,size=400m,mode=0700 none "$directory"
  printf '%s\n' "disksize=$((KIB << 10))" comp_algorithm=lz4 trueno/queues=1 >"$directory/settings"
  "$2" worker --create --directory "$directory" "${@:3}" 2>"$work/$number" &
  pids[$number]=$!
  until grep -q "ready id=$number" "$work/$number"; do
    kill -0 "${pids[$number]}" || { cat "$work/$number"; exit 1; }
    sleep 0.1
  done
}

# load NUMBER WHAT [OPTION]...: fio; prints requests a second.
load() {
  fio --name=load --filename="/dev/ublkb$1" --rw="$2" --bs=4k --iodepth=32 --ioengine=io_uring \
    --direct=1 --thread --norandommap --randrepeat=0 --buffer_compress_percentage=60 \
    --refill_buffers=0 --minimal "${@:3}" | awk -F';' '{ print $8 + $49 }'
}

# ticks NUMBER: the worker's processor time so far, in hundredths of a second.
ticks() { awk '{ print $14 + $15 }' "/proc/${pids[$1]}/stat"; }

# median FIELD KEY: of the lines that begin so.
median() {
  grep "^$2 " "$work/all" | sort -g -k "$1,$1" | awk -v field="$1" '
    { value[NR] = $field } END { print value[int((NR + 1) / 2)] }'
}

modprobe ublk_drv
start 0 "$ours" --null
start 1 "$libublk" --null
start 2 "$ours"
start 3 "$libublk"
for number in 2 3; do load "$number" write --bs=64k >/dev/null; done

echo 'device transport load requests/s us/request'
for ((round = 0; round < rounds; round++)); do
  for what in randread randwrite; do
    for number in 0 1 2 3; do
      # The one that is first is the other one's turn next time.
      number=$((number ^ (round & 1)))
      device=null transport=ours
      if ((number >= 2)); then device=store; fi
      if ((number & 1)); then transport=libublk; fi
      before=$(ticks "$number")
      rate=$(load "$number" "$what" --time_based --runtime=2)
      spent=$(($(ticks "$number") - before))
      awk -v key="$device $transport $what" -v rate="$rate" -v spent="$spent" \
        'BEGIN { printf "%s %d %.1f\n", key, rate, spent * 1e4 / (rate * 2) }' | tee -a "$work/all"
    done
  done
done

echo 'device load: ours, libublk, ratio of requests/s; ours, libublk, ratio of us/request'
for device in null store; do
  for what in randread randwrite; do
    awk -v title="$device $what" \
      -v a="$(median 4 "$device ours $what")" -v b="$(median 4 "$device libublk $what")" \
      -v c="$(median 5 "$device ours $what")" -v d="$(median 5 "$device libublk $what")" \
      'BEGIN { printf "%s: %d %d %.2f; %.1f %.1f %.2f\n", title, a, b, a / b, c, d, c / d }'
  done
done
