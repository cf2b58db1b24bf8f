package cloud

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/state"
)

// Plant stores a row as it is, whatever the services think of it.
func (c *Cloud) Plant(ctx context.Context, row state.Row) error { return c.core.DB.Plant(ctx, row) }
