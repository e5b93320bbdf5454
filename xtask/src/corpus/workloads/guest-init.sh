#!/busybox sh
# The first process of a virtual machine: fills memory as a small system does, and waits.
/busybox mkdir -p /bin /proc /sys /tmp
/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
cd /tmp
cat /texts/* > all
tar cf texts.tar /texts
gzip -k all
find / -xdev > names
sort names | uniq > sorted
awk '{ for (i = 1; i <= NF; i++) count[$i]++; line[NR] = $0 } END { getline < "/tmp/never" }' all &
awk 'BEGIN { for (n = 0; n < 20000; n++) value[n * 7919 % 20011] = "entry " n; getline < "/tmp/never" }' &
mkfifo never
for shell in 1 2 3 4; do
  sh -c 'while read -r name; do names="$names $name"; done; read -r never < /tmp/never' < sorted &
done
vi texts.tar < never > /dev/null 2>&1 &
syslogd -n -O messages &
httpd -f -p 127.0.0.1:80 -h /texts &
sleep 12
echo 'corpus: ready' > /dev/console
sleep 3600
