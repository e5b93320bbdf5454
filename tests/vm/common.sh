# Shared by the programs of this directory (bash, sourced).
# shellcheck shell=bash disable=SC2034 # its variables are for those who source it

# Statuses that are the runner's own, never the command's.
readonly NO_SUCH_KERNEL=77 TIMED_OUT=124 NO_GUEST=125

vm_dir=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
# Absolute: the guest sees it at the same path.
cache=$(realpath -m -- "${TRUENO_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/trueno-zram/vm}")
# Administration tools live outside an ordinary user's PATH on Debian.
PATH=$PATH:/usr/sbin:/sbin
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

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

# Sets mirror and security, Debian's archives.
find_mirrors() {
  local repositories
  mirror=${TRUENO_VM_MIRROR:-}
  # What apt would fetch tells its mirrors in every configuration format, and with empty lists.
  repositories=$(apt-get update --print-uris 2>/dev/null |
    sed -n "s|^'\(.*\)/dists/.*|\1|p") || true
  [ -n "$mirror" ] || mirror=$(grep -m 1 -E '/debian$' <<<"$repositories") ||
    die "$NO_GUEST" 'apt knows no Debian mirror here: set TRUENO_VM_MIRROR'
  security=$(grep -m 1 -E '/debian-security$' <<<"$repositories") || security=${mirror%/}-security
}

# sources OPTIONS SUITE...: lines of a sources.list.
sources() {
  local options=$1 suite uri
  shift
  for suite; do
    case $suite in *-security) uri=$security ;; *) uri=$mirror ;; esac
    echo "deb [$options signed-by=$keyring] $uri $suite main"
  done
}

# quote TEXT: one word for a POSIX shell.
quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# initramfs KERNEL FILE MODULE...: busybox and these modules, with what they need, numbered in the order
# of loading.
initramfs() {
  local dir=$1 to=$2 version tree module file loaded=100
  shift 2
  version=$(ls "$dir/lib/modules") tree=$(mktemp -d "$(dirname "$to")/tree.XXXXXX")
  mkdir -p "$tree"/{bin,modules}
  cp /bin/busybox "$tree/bin/busybox"
  for module; do
    # Built in, or not there under this name: init tells if the root cannot be mounted.
    modprobe -d "$dir" -S "$version" --show-depends "$module" 2>/dev/null || true
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$tree.order"
  while read -r file; do
    loaded=$((loaded + 1))
    module=$tree/modules/$loaded-$(basename "${file%.ko*}").ko
    case $file in
      *.xz) xz -dc "$file" ;;
      *.zst) zstd -dqc "$file" ;;
      *) cat "$file" ;;
    esac >"$module"
  done <"$tree.order"
  (cd "$tree" && find . | cpio --quiet -o -H newc | gzip -1) >"$to"
  rm -r "$tree" "$tree.order"
}

consent() {
  case ${TRUENO_YES:-}:${CI:-} in 1:* | *:1 | *:true) return 0 ;; esac
  [ -t 0 ] || return 1
  local answer
  read -r -p 'vm: install now? [y/N] ' answer && [[ $answer == [yY]* ]]
}
