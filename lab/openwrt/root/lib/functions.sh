# A double of OpenWrt's /lib/functions.sh: as much of it as our scripts use. The Router reads the configuration and
# answers with assignments.

config_load() {
	local name text

	for name in $CONFIG_VARIABLES; do
		unset "$name"
	done
	CONFIG_VARIABLES= CONFIG_SECTIONS=
	text="$(router config_load "$1")" || return 1
	eval "$text"
}

config_get() {
	eval "$1=\"\${CONFIG_${2}_${3}:-\$4}\""
}

config_get_bool() {
	local value

	config_get value "$2" "$3" "$4"
	case "$value" in
	1 | on | true | yes | enabled) value=1 ;;
	0 | off | false | no | disabled) value=0 ;;
	*) value="$4" ;;
	esac
	eval "$1=\"\$value\""
}

config_foreach() {
	local function="$1" type="$2" section of

	shift 2
	for section in $CONFIG_SECTIONS; do
		config_get of "$section" TYPE
		[ "$of" = "$type" ] && "$function" "$section" "$@"
	done
}

config_list_foreach() {
	local section="$1" option="$2" function="$3" i=1 length value

	shift 3
	config_get length "$section" "${option}_LENGTH" 0
	while [ "$i" -le "$length" ]; do
		config_get value "$section" "${option}_ITEM$i"
		"$function" "$value" "$@"
		i="$((i + 1))"
	done
}

# The rest is what packages' scripts call.

default_postinst() {
	local list="/usr/lib/opkg/info/$pkgname.list" file

	for file in $(grep ^/etc/uci-defaults/ "$list"); do
		(. "$file") && rm -f "$file"
	done
	uci commit
	for file in $(grep ^/etc/init.d/ "$list"); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" enable
		"$file" start
	done
}

default_prerm() {
	local list="/usr/lib/opkg/info/$pkgname.list" file

	for file in $(grep ^/etc/init.d/ "$list"); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" disable
		"$file" stop
	done
}
