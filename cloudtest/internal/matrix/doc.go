// Package matrix tests who may do what: each route of each service with each kind of
// caller. It has no code but tests.
//
// The routes are those of the tables that the cloud serves, so a new one is asked for
// without a line here, or fails the test until what its path and body need is known. Each
// service has a file with that: the kinds of things that paths name, how one is made that
// belongs to the project P, and what rules are checked against; and for some routes the
// bodies and queries to ask with.
//
// What is expected comes from the rules and from these tables, never from the code that
// serves the route. CONTRIBUTING.md says how to add to them.
package matrix
