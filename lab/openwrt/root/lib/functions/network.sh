# A double of OpenWrt's /lib/functions/network.sh.

network_flush_cache() { :; }

network_get_ipaddr() {
	eval "$1=\"\$(router network_get_ipaddr \"\$2\")\""
	eval "[ -n \"\$$1\" ]"
}

network_get_ipaddr6() {
	eval "$1=\"\$(router network_get_ipaddr6 \"\$2\")\""
	eval "[ -n \"\$$1\" ]"
}
