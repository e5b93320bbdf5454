# The small processes of a quiet server and its administrator.
cat > nginx.conf <<END
daemon off; worker_processes 4; error_log stderr; pid nginx.pid;
events { worker_connections 512; }
http {
  access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
  uwsgi_temp_path u; scgi_temp_path s;
  server { listen unix:$PWD/nginx.socket; root /usr/share; autoindex on; gzip on; gzip_types *; }
}
END
nginx -p "$PWD" -c nginx.conf 2> nginx.log &
dbus-daemon --session --nofork --address="unix:path=$PWD/bus" &
for number in 1 2 3; do
  bash -c '. /usr/share/bash-completion/bash_completion; history -r /dev/null
    declare -A sizes; for file in /usr/bin/*; do sizes[$file]=${#file}; done; sleep 3600' &
done
find /usr/share -name '*.gz' | sort > list
vim.basic -u NONE -n -es list -c 'sleep 3600' &
less list < /dev/null > /dev/null 2>&1 &
(ls -lR /usr/share/doc; sleep 3600) | gawk '{ sum[$3] += $5; line[NR] = $0 } END { print 1 }' &
python3 -c 'import logging, json, ssl, argparse, subprocess, time; time.sleep(3600)' &
perl -MPOSIX -MFile::Find -MGetopt::Long -MTime::HiRes -e 'sleep 3600' &
ssh-agent -D -a agent > /dev/null &
sleep 6
echo 'corpus: ready'
wait
