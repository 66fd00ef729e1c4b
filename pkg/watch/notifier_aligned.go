//go:build mips || mipsle || arm

package watch

func newNotifier() (notifier, error) { return newInotify() }
