package main

import "context"

// A task is a goroutine with an owner that can end it and wait.
type task struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// start runs f until it returns; its context ends with ctx or with stop.
func start(ctx context.Context, f func(context.Context)) *task {
	ctx, cancel := context.WithCancel(ctx)
	t := &task{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		f(ctx)
	}()
	return t
}

// stop ends the task and waits for it. A nil task has ended.
func (t *task) stop() {
	if t != nil {
		t.cancel()
		<-t.ended
	}
}
