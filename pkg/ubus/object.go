package ubus

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// An Object is published under its name; others on the bus call its methods.
type Object struct {
	Name    string
	Methods []Method
}

// A Method of an Object. Handle answers one call; a nil Table is an empty answer. An error that is a Status, or wraps
// one, goes to the caller, any other one becomes StatusUnknownError. An answer over MaxMessage becomes StatusNoMemory.
// The context ends with the connection.
//
// A Slow method takes seconds: other calls do not wait for it, but it waits for other slow ones. Where several wait
// already, it is refused with StatusNoMemory.
type Method struct {
	Name   string
	Slow   bool
	Args   []Arg
	Handle func(ctx context.Context, call Call) (Table, error)
}

// An Arg is an argument of a Method. All arguments are optional; one of another type than declared is refused with
// StatusInvalidArgument before the method sees it.
type Arg struct {
	Name string
	Type Type
}

// A Call is what a caller asks of a method. User and Group are the caller's, as ubusd knows them.
type Call struct {
	Method      string
	User, Group string
	Args        Table
}

// AddObject publishes an object until the connection ends. A process that is not root needs an entry under "publish" in
// /usr/share/acl.d; without, or where the name is taken, ubusd answers StatusInvalidArgument.
func (c *Conn) AddObject(ctx context.Context, o Object) error {
	signature := Table{}
	for _, m := range o.Methods {
		args := Table{}
		for _, a := range m.Args {
			args = append(args, Field{a.Name, int32(a.Type)})
		}
		signature = append(signature, Field{m.Name, args})
	}
	b := appendString(nil, attrObjPath, o.Name)
	b, start := openAttr(b, attrSignature)
	b, err := appendTable(b, signature, 0)
	if err != nil {
		return fmt.Errorf("publishing %s: %w", o.Name, err)
	}
	if _, err := c.addObject(ctx, closeAttr(b, start), &handlers{invoke: o.invoke, slow: o.slow}); err != nil {
		return fmt.Errorf("publishing %s: %w", o.Name, err)
	}
	return nil
}

// addObject publishes an object with the attributes b, and has h take what is sent to it.
func (c *Conn) addObject(ctx context.Context, b []byte, h *handlers) (id uint32, err error) {
	data, err := c.do(ctx, messageAddObject, &request{adds: h}, b)
	if err != nil {
		return 0, err
	}
	if len(data) == 0 || !data[0].with(attrObjID) {
		return 0, StatusNoData
	}
	return data[0].object, nil
}

// removeObject takes an object off the bus. If that fails, the end of the connection does it.
func (c *Conn) removeObject(ctx context.Context, id uint32) {
	c.mu.Lock()
	delete(c.objects, id)
	c.mu.Unlock()
	_, _ = c.request(ctx, messageRemoveObject, 0, appendUint32(nil, attrObjID, id))
}

func (o Object) slow(method string) bool {
	return slices.ContainsFunc(o.Methods, func(m Method) bool { return m.Slow && m.Name == method })
}

// invoke runs the method that a asks for.
func (o Object) invoke(ctx context.Context, a attributes) (Table, error) {
	for _, m := range o.Methods {
		if m.Name != a.method {
			continue
		}
		args, err := parseTable(a.data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", StatusInvalidArgument, err)
		}
		for _, arg := range m.Args {
			if v := args.Get(arg.Name); v != nil && arg.Type != TypeAny && typeOf(v) != arg.Type {
				return nil, fmt.Errorf("%w: %s", StatusInvalidArgument, arg.Name)
			}
		}
		return m.Handle(ctx, Call{Method: m.Name, User: a.user, Group: a.group, Args: args})
	}
	return nil, StatusMethodNotFound
}

// typeOf returns the type of a decoded value.
func typeOf(v any) Type {
	switch v.(type) {
	case []any:
		return TypeArray
	case Table:
		return TypeTable
	case string:
		return TypeString
	case int64:
		return TypeInt64
	case int32:
		return TypeInt32
	case int16:
		return TypeInt16
	case bool:
		return TypeBool
	case float64:
		return TypeDouble
	}
	return TypeAny
}

// handle answers one message that was sent to one of our objects, or leaves it to whoever takes slow ones.
func (c *Conn) handle(ctx context.Context, m message, slow chan<- message) {
	a, err := m.parse()
	if err != nil || !a.with(attrObjID) {
		return
	}
	c.mu.Lock()
	h := c.objects[a.object]
	c.mu.Unlock()
	if m.kind == messageUnsubscribe {
		if h != nil {
			c.removeObject(ctx, a.object)
			if h.gone != nil {
				h.gone(ctx)
			}
		}
		return
	}
	if slow != nil && h != nil && h.slow != nil && h.slow(a.method) {
		select {
		case slow <- m:
		default:
			c.refuse(m)
		}
		return
	}
	var answer Table
	switch {
	case h == nil:
		err = StatusNotFound
	case !a.with(attrMethod, attrData):
		err = StatusInvalidArgument
	default:
		answer, err = h.invoke(ctx, a)
	}
	c.reply(m, a, answer, err)
}

// reply sends what a call returned. A write that fails ends the connection: nothing else can be done about it here.
func (c *Conn) reply(m message, a attributes, answer Table, err error) {
	if a.noReply {
		return
	}
	if err == nil && answer != nil {
		body, failed := appendData(appendUint32(nil, attrObjID, a.object), answer)
		if failed == nil {
			failed = c.send(message{kind: messageData, seq: m.seq, peer: m.peer, attributes: body})
		}
		if failed != nil {
			err = fmt.Errorf("%w: %w", StatusNoMemory, failed)
		}
	}
	status := statusOK
	if err != nil && !errors.As(err, &status) {
		status = StatusUnknownError
	}
	body := appendUint32(nil, attrStatus, uint32(status))
	body = appendUint32(body, attrObjID, a.object)
	_ = c.send(message{kind: messageStatus, seq: m.seq, peer: m.peer, attributes: body})
}

// refuse answers a call for which there is no room.
func (c *Conn) refuse(m message) {
	if a, err := m.parse(); err == nil && m.kind == messageInvoke {
		c.reply(m, a, nil, StatusNoMemory)
	}
}
