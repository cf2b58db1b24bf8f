// Package linux realises networks with the Linux kernel.
package linux
