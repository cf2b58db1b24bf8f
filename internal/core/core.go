// Package core bundles what every service of the cloud stands on: its state, its
// engine for long work, its clock, its identifiers and its log. A service takes
// one Core and keeps no other way to the outside than its drivers.
package core

import (
	"log/slog"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Core is shared by the services of one cloud. All fields are set.
type Core struct {
	DB    *state.DB
	Sagas *saga.Engine
	Clock clock.Clock
	IDs   *ids.Source
	// Quotas is the table that each service takes its own limits from.
	Quotas *quota.Table
	Log    *slog.Logger
	// Forked is set in a fork: the drivers are fakes that hold what is recorded, so
	// services take the world as it is when they start.
	Forked bool
}
