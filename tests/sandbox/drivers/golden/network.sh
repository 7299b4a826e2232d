set -e
touch boot/envoy
mkdir -p ns
touch ns/0; unshare --net=ns/0 true
touch ns/1; unshare --net=ns/1 true
ip -batch - <<'END'
link set lo up
link add br0 type bridge
addr add 10.244.255.254/16 dev br0
addr add 192.0.2.1/24 dev br0
link set br0 up
route add unreachable default
link add v0 type veth peer name eth0 netns ns/0
link set v0 master br0 up
link add v1 type veth peer name eth0 netns ns/1
link set v1 master br0 up
END
echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
nsenter --net=ns/0 ip -batch - <<'END'
link set lo up
addr add 10.244.0.1/16 dev eth0
link set eth0 up
route add default via 10.244.255.254
END
nsenter --net=ns/0 sh -c 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start'
nsenter --net=ns/0 iptables-restore <<'END'
*nat
:IN - [0:0]
:TO_IN - [0:0]
:OUT - [0:0]
:TO_OUT - [0:0]
-A TO_OUT -p tcp -j REDIRECT --to-ports 15001
-A TO_IN -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j IN
-A IN -p tcp --dport 15008 -j RETURN
-A IN -p tcp --dport 15090 -j RETURN
-A IN -p tcp --dport 15021 -j RETURN
-A IN -p tcp --dport 15020 -j RETURN
-A IN -p tcp -j TO_IN
-A OUTPUT -p tcp -j OUT
-A OUT -o lo -s 127.0.0.6/32 -j RETURN
-A OUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j TO_IN
-A OUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A OUT -m owner --uid-owner 1337 -j RETURN
-A OUT -d 127.0.0.1/32 -j RETURN
-A OUT -j TO_OUT
COMMIT
END
nsenter --net=ns/1 ip -batch - <<'END'
link set lo up
addr add 192.0.2.10/24 dev eth0
link set eth0 up
route add default via 192.0.2.1
END
nsenter --net=ns/1 sh -c 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start'
exec "$@"
