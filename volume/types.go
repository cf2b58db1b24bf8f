package volume

// ReserveOptions of Service.Reserve.
type ReserveOptions struct {
	ID       string // of the attachment to make
	VolumeID string
	ServerID string
	Device   string // "/dev/vdb", or empty to let compute choose
	ReadOnly bool
}
