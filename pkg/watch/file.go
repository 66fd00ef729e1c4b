package watch

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"
)

// FollowFile calls look once at the start, and again whenever the file at the path may have been written, replaced,
// removed or brought back and was quiet for that long, until ctx ends. It also calls look every 10 seconds, for what no
// event tells of. Calls do not overlap. The path may not exist yet, and may be a symbolic link.
func FollowFile(ctx context.Context, path string, quiet time.Duration, log *slog.Logger, look func()) {
	followFile(ctx, path, quiet, poll, log, look)
}

func followFile(ctx context.Context, path string, quiet, poll time.Duration, log *slog.Logger, look func()) {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	dirs, err := watchDirs(path)
	if err != nil {
		log.Warn("cannot be told of changes, looking for them instead", "file", path, "error", err)
	}
	defer dirs.close()
	for {
		linked := make(map[string]bool)
		if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
			linked[filepath.Dir(real)] = true
		}
		dirs.update(linked) // first: what changes while it is looked at is an event
		look()
		if !dirs.sleep(ctx, poll, settling{quiet, 10 * quiet}) {
			return
		}
	}
}
