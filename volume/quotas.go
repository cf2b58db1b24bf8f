package volume

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/state"
)

// usage counts what a project has, from the records themselves.
func (s *Service) usage(r state.Reader, projectID string) map[string]int {
	u := map[string]int{}
	for v := range s.volumes.Where(r, s.volByProj, projectID) {
		u["volumes"]++
		u["gigabytes"] += v.SizeGiB
	}
	for snap := range s.snapshots.Where(r, s.snapByProj, projectID) {
		u["snapshots"]++
		u["gigabytes"] += snap.SizeGiB
	}
	for b := range s.backups.Where(r, s.backByProj, projectID) {
		u["backups"]++
		u["backup_gigabytes"] += b.SizeGiB
	}
	return u
}

// over is Cinder's answer to a quota that does not suffice: 413 over HTTP.
func over(code, format string, args ...any) error {
	return fault.New(fault.QuotaExceeded, format, args...).WithCode(code)
}

// checkVolumeQuota checks that a project may have n more volumes with gib more GiB in
// all, of size GiB each at most.
func (s *Service) checkVolumeQuota(r state.Reader, projectID string, n, gib, size int) error {
	limits, used := s.quotas.Project(r, projectID), s.usage(r, projectID)
	if l := limits["per_volume_gigabytes"]; l != quota.Unlimited && size > l {
		return over("VolumeSizeExceedsLimit", "Requested volume size %d is larger than maximum allowed limit %d.", size, l)
	}
	if !fits(limits, used, "volumes", n) {
		return over("VolumeLimitExceeded", "VolumeLimitExceeded: Maximum number of volumes allowed (%d) exceeded for quota 'volumes'.", limits["volumes"])
	}
	return s.checkGigabytes(limits, used, "gigabytes", gib)
}

func (s *Service) checkSnapshotQuota(r state.Reader, projectID string, n, gib int) error {
	limits, used := s.quotas.Project(r, projectID), s.usage(r, projectID)
	if !fits(limits, used, "snapshots", n) {
		return over("SnapshotLimitExceeded", "SnapshotLimitExceeded: Maximum number of snapshots allowed (%d) exceeded.", limits["snapshots"])
	}
	return s.checkGigabytes(limits, used, "gigabytes", gib)
}

func (s *Service) checkBackupQuota(r state.Reader, projectID string, n, gib int) error {
	limits, used := s.quotas.Project(r, projectID), s.usage(r, projectID)
	if !fits(limits, used, "backups", n) {
		return over("BackupLimitExceeded", "BackupLimitExceeded: Maximum number of backups allowed (%d) exceeded.", limits["backups"])
	}
	return s.checkGigabytes(limits, used, "backup_gigabytes", gib)
}

func (s *Service) checkGigabytes(limits, used map[string]int, name string, gib int) error {
	if fits(limits, used, name, gib) {
		return nil
	}
	return over("VolumeSizeExceedsAvailableQuota",
		"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed %s quota. Requested %dG, quota is %dG and %dG has been consumed.",
		name, gib, limits[name], used[name])
}

func fits(limits, used map[string]int, name string, n int) bool {
	return n <= 0 || limits[name] == quota.Unlimited || used[name]+n <= limits[name]
}

// Quotas returns the limits of a project, and what it uses of each.
func (s *Service) Quotas(_ context.Context, projectID string) (limits, used map[string]int) {
	r := s.core.DB.Snapshot()
	return s.quotas.Project(r, projectID), s.usage(r, projectID)
}

// DefaultQuotas returns the limits of projects that have none of their own.
func (s *Service) DefaultQuotas(context.Context) map[string]int {
	return s.quotas.Defaults(s.core.DB.Snapshot())
}

// SetQuotas changes limits of a project, or the defaults where projectID is empty; -1
// is no limit. An unknown name is Invalid.
func (s *Service) SetQuotas(ctx context.Context, projectID string, limits map[string]int) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error { return s.quotas.Set(tx, projectID, limits) })
	return fault.Wrap("volume.SetQuotas", err)
}

// ResetQuotas gives a project the defaults again.
func (s *Service) ResetQuotas(ctx context.Context, projectID string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error { return s.quotas.Reset(tx, projectID) })
	return fault.Wrap("volume.ResetQuotas", err)
}
