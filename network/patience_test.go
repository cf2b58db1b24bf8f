package network_test

import "time"

// How long and how often tests look for what background work brings about.
const (
	testPatience = 10 * time.Second
	testPause    = 2 * time.Millisecond
)
