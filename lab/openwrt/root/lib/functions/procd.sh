# A double of OpenWrt's /lib/functions/procd.sh: the Router makes the message of the calls.

for function in procd_open_service procd_open_instance procd_set_param procd_append_param procd_close_instance \
	procd_add_jail procd_add_jail_mount procd_add_jail_mount_rw procd_open_data procd_close_data \
	procd_add_reload_trigger procd_add_raw_trigger procd_add_interface_trigger \
	procd_kill procd_send_signal procd_running procd_set_config_changed \
	json_add_object json_close_object json_add_array json_close_array json_add_string json_add_int json_add_boolean; do
	eval "$function() { router $function \"\$@\"; }"
done

procd_close_service() {
	router procd_open_trigger
	service_triggers
	router procd_close_trigger
	router procd_close_service
}
