package controlplane

import (
	"context"
	"fmt"
	"time"
)

// Eventually calls try every interval until it returns nil, and returns its last error after the limit.
func Eventually(ctx context.Context, limit, interval time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("still after %s: %w", limit, err)
		case <-time.After(interval):
		}
	}
}
