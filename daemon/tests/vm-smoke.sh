#!/usr/bin/env bash
# Drives workers on a real ublk driver. To be run as root in a virtual machine that is thrown away:
#
#   tests/vm/run -k 6.12 -t 300 -- daemon/tests/vm-smoke.sh target/debug/trueno-ublk \
#     target/debug/examples/control [PART]...
#
# Parts: create device recovery parking copy errors; all of them by default. fio is used where it is
# installed. Exits 0 if everything held; the first thing that did not is the last line.
set -euo pipefail

worker=$(realpath -- "$1") control=$(realpath -- "$2")
shift 2
parts=${*:-create device recovery parking copy errors}
directory=/run/trueno-ublk/zram0
work=$(mktemp -d)

die() {
  echo "FAILED: $*"
  cat "$work"/*.log 2>/dev/null || true
  dmesg | tail -n 20
  exit 1
}

# expect TEXT COMMAND...: the command's output contains the text.
expect() {
  local text=$1 output
  shift
  output=$("$@" 2>&1) || true
  [[ $output == *"$text"* ]] || die "'$*' says '$output' and not '$text'"
}

# begin NAME [OPTION]...: starts a worker; its number is in pids[NAME], what it tells in $work/NAME.
declare -A pids
begin() {
  local name=$1
  shift
  rm -f "$work/$name"
  "$worker" worker --create --directory "$directory" --ready 3 "$@" 3>"$work/$name" 2>"$work/$name.log" &
  pids[$name]=$!
}

# told NAME LINE: waits until it has told this.
told() {
  local tries=0
  until grep -qx "$2" "$work/$1" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 400 ] || die "worker $1 has not told '$2' but '$(cat "$work/$1")'"
    sleep 0.05
  done
}

# ended NAME STATUS: it ends with this status.
ended() {
  local status=0
  wait "${pids[$1]}" || status=$?
  [ "$status" = "$2" ] || die "worker $1 has ended with $status, not $2"
}

# setup SETTING...: a new directory with these settings.
setup() {
  mkdir -p "$directory"
  mount -t tmpfs -o noswap,size=700m,mode=0700,nodev,nosuid,noexec none "$directory"
  printf '%s\n' "disksize=$((256 << 20))" "$@" >"$directory/settings"
}

# teardown NAME...: stops the device; these workers end well, and nothing is left.
teardown() {
  "$control" stop 0 || die 'STOP_DEV'
  local name
  for name in "$@"; do ended "$name" 0; done
  "$control" delete 0 || die 'DEL_DEV'
  [ ! -e /dev/ublkb0 ] && [ ! -e /dev/ublkc0 ] || die 'a node is left'
  umount "$directory"
}

random() { dd if=/dev/urandom of="$work/random" bs=1M count="$1" status=none; }
store() { dd if="$work/random" of=/dev/ublkb0 bs=1M oflag=direct status=none; }
holds() {
  local mib=$(($(stat -c %s "$work/random") >> 20))
  dd if=/dev/ublkb0 bs=1M count="$mib" iflag=direct status=none | cmp -- "$work/random" - || die "$1"
}

part_create() {
  setup comp_algorithm=zstd algorithm_params=level=1 trueno/queues=2
  begin one
  told one 'ready id=0'
  [ ! -s "$work/one.log" ] || die "warnings: $(cat "$work/one.log")"
  # What the kernel's own zram has, but for the scheduler, which that lacks.
  local attribute value
  while read -r attribute value; do
    expect "$value" cat "/sys/block/ublkb0/queue/$attribute"
  done <<'END'
logical_block_size 4096
physical_block_size 4096
minimum_io_size 4096
optimal_io_size 4096
discard_granularity 4096
discard_max_bytes 2199023255040
write_zeroes_max_bytes 2199023255040
rotational 0
write_cache write through
io_timeout 1000
scheduler [none]
END
  expect "$((512 << 10))" cat /sys/block/ublkb0/size
  # PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE on every thread, the kernel's for our ring included.
  local thread
  for thread in /proc/"${pids[one]}"/task/*; do
    [ $(($(awk '{ print $9 }' "$thread/stat") & 0x180000)) = $((0x180000)) ] ||
      die "$(cat "$thread/comm") is no IO_FLUSHER"
  done
  # The buffers are there: 2 queues of 64 tags of 64 KiB.
  [ "$(awk '/^RssAnon:/ { print $2 }' "/proc/${pids[one]}/status")" -ge 8192 ] ||
    die "buffers without memory: $(grep Rss "/proc/${pids[one]}/status")"
  expect -1000 cat "/proc/${pids[one]}/oom_score_adj"
  expect 'VmSwap:	       0 kB' grep VmSwap "/proc/${pids[one]}/status"
  [ "$(wc -l <"/proc/${pids[one]}/mountinfo")" -le 7 ] ||
    die "mounts of others: $(cat "/proc/${pids[one]}/mountinfo")"
  kill -TERM "${pids[one]}"
  kill -INT "${pids[one]}"
  sleep 0.2
  kill -0 "${pids[one]}" || die 'a signal has ended it'
  expect 'Live' "$control" info 0
  expect "trueno-ublk 1 pid=${pids[one]} id=0" "$control" ask "$directory/socket" idle=all
  expect ok "$control" ask "$directory/socket" mem_used_max=0
  expect ok "$control" ask "$directory/socket" compact=1
  expect 'error 22' "$control" ask "$directory/socket" nonsense=1
  random 16
  store
  expect 'ok pages=4096 damaged=0' "$control" ask "$directory/socket" verify=1
  teardown one
}

part_device() {
  setup trueno/queues=2
  begin one
  told one 'ready id=0'
  mkfs.ext4 -q /dev/ublkb0
  mkdir -p "$work/mounted"
  mount /dev/ublkb0 "$work/mounted"
  cp -r "$(dirname -- "$worker")/../../store" "$work/mounted/"
  sync
  echo 3 >/proc/sys/vm/drop_caches
  diff -r "$(dirname -- "$worker")/../../store" "$work/mounted/store" || die 'files differ'
  umount "$work/mounted"
  fsck.ext4 -fn /dev/ublkb0 >/dev/null 2>&1 || die 'fsck'
  random 24
  store
  holds 'read back'
  blkdiscard /dev/ublkb0
  cmp -n $((64 << 20)) /dev/zero /dev/ublkb0 || die 'discarded pages are not zero'
  expect 'ok pages=0 damaged=0' "$control" ask "$directory/socket" verify=1
  teardown one
}

part_recovery() {
  setup trueno/queues=2
  begin one
  told one 'ready id=0'
  begin two
  told two standby
  random 32
  store
  local previous=one next=two round name
  for round in 1 2 3; do
    "$control" probe /dev/ublkb0 3 >"$work/probe" &
    local probe=$!
    if command -v fio >/dev/null; then
      fio --name=verify --filename=/dev/ublkb0 --offset=64m --size=32m --rw=randwrite --bs=4k \
        --bssplit=4k/60:16k/30:64k/10 --direct=1 --ioengine=libaio --iodepth=32 \
        --verify=crc32c --verify_backlog=64 --time_based --runtime=3 >"$work/fio.log" 2>&1 &
    else
      dd if="$work/random" of=/dev/ublkb0 seek=64 bs=1M oflag=direct status=none &
    fi
    local load=$!
    sleep 1.5
    kill -9 "${pids[$previous]}"
    told "$next" 'ready id=0'
    name=again$round
    begin "$name"
    told "$name" standby
    wait "$load" || die "the load has failed: $(tail "$work/fio.log")"
    wait "$probe" || die 'a read has failed'
    echo "kill $round: longest read $(cat "$work/probe")"
    holds "after kill $round"
    previous=$next next=$name
  done
  kill -9 "${pids[$previous]}" "${pids[$next]}"
  begin last
  told last 'ready id=0'
  holds 'after both were killed'
  expect 'damaged=0' "$control" ask "$directory/socket" verify=1
  # A standby whose device is stopped has nothing more to do.
  begin waiting
  told waiting standby
  teardown last waiting
}

part_parking() {
  setup trueno/queues=2 comp_algorithm=lz4
  begin one
  told one 'ready id=0'
  # The grow thread gets what time nobody else wants: writes wait, and none fails.
  local thread
  for thread in /proc/"${pids[one]}"/task/*; do
    [ "$(cat "$thread/comm")" != grow ] || chrt -i -p 0 "${thread##*/}"
  done
  random 128
  store || die 'a write has failed'
  holds 'parked writes'
  # Beyond the limit there is an error at once, and what is stored stays.
  expect ok "$control" ask "$directory/socket" "mem_limit=$((130 << 20))"
  expect 'No space left' dd if="$work/random" of=/dev/ublkb0 bs=1M oflag=direct seek=128 status=none
  holds 'at the limit'
  expect ok "$control" ask "$directory/socket" mem_limit=0
  dd if="$work/random" of=/dev/ublkb0 bs=1M oflag=direct seek=128 count=64 status=none ||
    die 'the limit stays'
  teardown one
}

part_copy() {
  setup trueno/queues=2 trueno/user_copy=1 trueno/io_size=131072
  begin one
  told one 'ready id=0'
  begin two
  told two standby
  random 32
  store
  holds 'user copy'
  kill -9 "${pids[one]}"
  told two 'ready id=0'
  holds 'user copy, taken over'
  blkdiscard -o 0 -l $((1 << 20)) /dev/ublkb0
  cmp -n $((1 << 20)) /dev/zero /dev/ublkb0 || die 'discarded pages are not zero'
  teardown two
}

part_errors() {
  local log=$work/error
  fails() { # fails TEXT [OPTION]...: a worker does not start, and tells so
    local text=$1 status=0
    shift
    "$worker" worker --create --directory "$directory" --ready 3 "$@" 3>"$log" 2>/dev/null || status=$?
    [ "$status" = 1 ] || die "'$text': status $status"
    expect "failed $text" cat "$log"
    [ ! -e /dev/ublkc0 ] || die "'$text' has left a device"
  }
  directory=/nowhere fails '2 /nowhere: No such file'
  setup
  rm "$directory/settings"
  fails "2 $directory/settings: No such file"
  echo disksize=1000 >"$directory/settings"
  fails "22 $directory/settings: disksize=1000: it takes a number of bytes, a multiple of 4096"
  echo disksize=$((1 << 60)) >"$directory/settings"
  fails '22 a device has 1 to'
  printf 'disksize=8192\ncomp_algorithm=842\n' >"$directory/settings"
  fails '22 comp_algorithm 842: '
  printf 'disksize=8192\ncomp_algorithm=lz4\nalgorithm_params=level=9\n' >"$directory/settings"
  fails '22 algorithm_params level=9: '
  echo disksize=$((64 << 20)) >"$directory/settings"
  printf 'id=5\nmark=1\n' >"$directory/ublk"
  fails "2 $directory/arena: No such file"
  head -c 65536 /dev/urandom >"$directory/arena"
  fails "22 $directory/arena: this memory holds something else than a device"
  rm "$directory/ublk"
  # Space for a table that there is not.
  umount "$directory"
  mount -t tmpfs -o noswap,size=64k none "$directory"
  echo disksize=$((64 << 20)) >"$directory/settings"
  fails "28 cannot make $directory/arena"
  [ ! -e "$directory/ublk" ] || die 'a number of no device is left'
  umount "$directory"
  # The node of the queues does not come: what was added is removed.
  setup
  mkdir -p "$work/root/dev" "$work/root/proc/self/fd"
  cp -a /dev/ublk-control "$work/root/dev/"
  : >"$work/root/proc/self/fd/3"
  ! TRUENO_ZRAM_ROOT=$work/root "$worker" worker --create --directory "$directory" 2>"$log" || die 'no node'
  expect "failed 2 cannot open $work/root/dev/ublkc0" cat "$log"
  [ ! -e /dev/ublkc0 ] && [ ! -e "$directory/ublk" ] || die 'a device without a node is left'
  umount "$directory"
}

modprobe ublk_drv
trap 'echo "FAILED in line $LINENO"; cat "$work"/*.log' ERR
for part in $parts; do
  "part_$part"
  echo "$part: held"
done
