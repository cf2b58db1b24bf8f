// Package repotest holds the rules of this repository that a test can check: which
// package may import which, what must be documented, what library code may not do.
// The rules are tables; CONTRIBUTING.md says why they are there.
package repotest
