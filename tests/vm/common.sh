# Shared by tests/vm/run and tests/vm/kernel (bash, sourced).
# shellcheck shell=bash disable=SC2034 # its variables are for those who source it

# Statuses that are the runner's own, never the command's.
readonly NO_SUCH_KERNEL=77 TIMED_OUT=124 NO_GUEST=125

vm_dir=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
# Absolute: the guest sees it at the same path.
cache=$(realpath -m -- "${TRUENO_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/trueno-zram/vm}")
# Administration tools live outside an ordinary user's PATH on Debian.
PATH=$PATH:/usr/sbin:/sbin

say() { printf 'vm: %s\n' "$*" >&2; }

die() {
  local status=$1
  shift
  say "$@"
  exit "$status"
}

# present PROGRAM-OR-FILE
present() {
  case $1 in
    # A dynamically linked busybox finds no libraries inside an initramfs.
    /bin/busybox) [ -x "$1" ] && ! ldd "$1" 2>/dev/null | grep -q '=>' ;;
    /*) [ -e "$1" ] ;;
    *) command -v -- "$1" >/dev/null ;;
  esac
}

# require WHEN: every program of that group of `needs` is there, or is installed now, or we stop.
require() {
  local when program package purpose missing=() packages=()
  while read -r when program package purpose; do
    if [ "$when" = "$1" ] && ! present "$program"; then
      missing+=("$program")
      packages+=("$package")
      say "missing: $program (Debian package $package), which $purpose"
    fi
  done <"$vm_dir/needs"
  [ ${#missing[@]} -gt 0 ] || return 0

  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    die "$NO_GUEST" "install first (there is no apt-get here, or you are not root): ${missing[*]}"
  fi
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  install_packages "${packages[@]}"
  for program in "${missing[@]}"; do
    present "$program" || die "$NO_GUEST" "still missing after installation: $program"
  done
}

install_packages() {
  local command=(apt-get install --yes --no-remove --no-install-recommends "$@")
  say "this would install them: ${command[*]}"
  if ! consent; then
    die "$NO_GUEST" 'not installed (answer y, or pass -y, or set TRUENO_YES=1)'
  fi
  # On a fresh container the lists are empty, on an old machine stale: one more try after an update.
  DEBIAN_FRONTEND=noninteractive "${command[@]}" >&2 || {
    say 'updating the package lists: apt-get update'
    apt-get update >&2 || die "$NO_GUEST" 'apt-get update failed'
    DEBIAN_FRONTEND=noninteractive "${command[@]}" >&2 || die "$NO_GUEST" 'apt-get install failed'
  }
}

consent() {
  case ${TRUENO_YES:-}:${CI:-} in 1:* | *:1 | *:true) return 0 ;; esac
  [ -t 0 ] || return 1
  local answer
  read -r -p 'vm: install now? [y/N] ' answer && [[ $answer == [yY]* ]]
}
