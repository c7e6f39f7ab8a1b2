#!/bin/sh
# Tells what a node is, as lines of `key=value`. POSIX sh; changes nothing; one round trip.
# The first line of standard input is the sudo password (empty: none).
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
IFS= read -r password

say() { printf '%s=%s\n' "$1" "$2"; }
first_line() { head -n 1 "$1" 2>/dev/null | tr -d '\000'; }

# Root is asked for once; what may need it stands here and says less without it.
# shellcheck disable=SC2016  # it is expanded by the shell that runs it
inner_part='
say() { printf "%s=%s\n" "$1" "$2"; }
say docker_version "$(docker version --format "{{.Server.Version}}" 2>/dev/null)"
say swarm "$(docker info --format "{{json .Swarm}}" 2>/dev/null)"
for table in nat filter mangle; do
  iptables -w 5 -t "$table" -S >/dev/null 2>&1 && say iptables_table "$table"
done
if [ "$(id -u)" = 0 ]; then
  certificate=/var/lib/docker/swarm/certificates/swarm-node.crt
  [ -f $certificate ] && say swarm_certificate "$(sed "/END CERTIFICATE/q" $certificate | tr "\n" "|")"
  if unshare --net ip link add vx0 type vxlan id 1 dstport 4789 2>/dev/null; then say vxlan yes; else say vxlan no; fi
fi
say cluster_marker "$(cat /etc/piswarm/node.json 2>/dev/null | tr -d "\n")"
say throttled "$(vcgencmd get_throttled 2>/dev/null | sed "s/^throttled=//")"
'
if [ "$(id -u)" = 0 ]; then
  say sudo root
  sh -c "$inner_part"
elif ! command -v sudo >/dev/null 2>&1; then
  say sudo missing
  sh -c "$inner_part"
elif sudo -n true 2>/dev/null; then
  say sudo free
  sudo -n sh -c "$inner_part"
elif [ -z "$password" ]; then
  say sudo asks
  sh -c "$inner_part"
elif said=$(printf '%s\n' "$password" | sudo -S -k -p '' true 2>&1); then
  say sudo password
  printf '%s\n' "$password" | sudo -S -p '' sh -c "$inner_part" 2>/dev/null
else
  case $said in
    *"not in the sudoers"* | *"not allowed"* | *"may not run"*) say sudo denied ;;
    *) say sudo wrong ;;
  esac
  sh -c "$inner_part"
fi

say hostname "$(cat /proc/sys/kernel/hostname)"
say machine_id "$(first_line /etc/machine-id)"
model=$(first_line /proc/device-tree/model)
[ -n "$model" ] || model=$(first_line /sys/class/dmi/id/product_name)
say model "$model"
say revision "$(sed -n 's/^Revision[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
say memory_kb "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
say arch "$(dpkg --print-architecture 2>/dev/null)"
say machine "$(uname -m)"
say kernel "$(uname -r)"
say page_size "$(getconf PAGESIZE)"
(
  # shellcheck source=/dev/null
  . /etc/os-release 2>/dev/null
  say os_id "${ID:-}"
  say os_version_id "${VERSION_ID:-}"
  say os_version_codename "${VERSION_CODENAME:-}"
  say os_pretty_name "${PRETTY_NAME:-}"
)
say python "$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null)"

for file in /boot/firmware/current/cmdline.txt /boot/firmware/cmdline.txt /boot/cmdline.txt; do
  if [ -f "$file" ] && ! grep -qi 'has moved\|do not edit' "$file"; then
    say cmdline_file "$file"
    say cmdline "$(first_line "$file")"
    break
  fi
done
if grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null || [ -d /sys/fs/cgroup/memory ]; then
  say memory_cgroup yes
else
  say memory_cgroup no
fi

say iptables "$(iptables -V 2>/dev/null)"
say docker_package "$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' docker.io docker-ce 2>/dev/null | sed -n 's/^ii *//p' | head -n 1)"
say groups "$(id -Gn)"

{ ip -o -4 addr show scope global; ip -o -4 addr show scope link; } 2>/dev/null | while read -r _ name _ address rest; do
  case $rest in *dynamic*) how=dhcp ;; *) how=static ;; esac
  case $name in docker* | veth* | br-*) ;; *) say address "$name $address $how" ;; esac
done
say default_route "$(ip -o -4 route show default 2>/dev/null | head -n 1)"
say mac "$(cat "/sys/class/net/$(ip -o -4 route show default 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)/address" 2>/dev/null)"

say time "$(date +%s)"
say ntp "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)"
say ntp_available "$(timedatectl show -p CanNTP --value 2>/dev/null)"
say ntp_enabled "$(timedatectl show -p NTP --value 2>/dev/null)"
df -Pk /var/lib 2>/dev/null | tail -n 1 | while read -r device size _ free _; do
  say disk_device "$device"
  say disk_size_kb "$size"
  say disk_free_kb "$free"
done
for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do
  inode=$(stat -c %i "$lock" 2>/dev/null) && grep -q ":$inode " /proc/locks && say apt_lock "$lock"
done
command -v cloud-init >/dev/null 2>&1 && say cloud_init "$(cloud-init status 2>/dev/null | sed -n 's/^status: //p')"
say undervoltage "$(cat /sys/class/hwmon/hwmon*/in0_lcrit_alarm 2>/dev/null | head -n 1)"
[ -e /run/reboot-required ] && say reboot_required yes
say end yes
