// Package ubus speaks to OpenWrt's message bus: it looks objects up and calls their methods, publishes objects of its
// own, subscribes to notifications, listens for events and sends them.
//
// A Conn is one connection to ubusd and ends with it. A Client keeps a connection up for as long as Run runs: when
// ubusd restarts it connects again, publishes its objects again and renews its subscriptions.
//
//	client := ubus.NewClient(ubus.Options{Objects: []ubus.Object{{
//		Name: "example",
//		Methods: []ubus.Method{{Name: "status", Handle: func(ctx context.Context, c ubus.Call) (ubus.Table, error) {
//			return ubus.Table{{Name: "running", Value: true}}, nil
//		}}},
//	}}})
//	go client.Run(ctx)
//	board, err := client.Call(ctx, "system", "board", nil)
//
// What travels is blobmsg, libubox's binary form of what JSON can say: a Table holds named values in their order, a
// slice of any holds unnamed ones. ParseJSON and Table.MarshalJSON translate as libubox's blobmsg_json.c does.
//
// Everything that comes in is bounded: a message by MaxMessage, its nesting by maxDepth, its values by maxValues, open
// requests by maxRequests, calls that wait for their turn by maxCalls. A message that breaks the format ends the
// connection; an argument that breaks it is answered with StatusInvalidArgument.
//
// The formats are those of libubox (blob.h, blobmsg.h) and ubus (ubusmsg.h, ubusd_proto.c).
package ubus
