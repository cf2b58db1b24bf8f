package driver

import (
	"context"
	"net/url"
)

// Assertion is what an identity provider says of someone: attributes by name, each
// with its values. It is shared: do not alter it.
type Assertion map[string][]string

// RemoteUser is the attribute of an [Assertion] that names who it is about, for
// mappings that name no user.
const RemoteUser = "REMOTE_USER"

// Protocol speaks one protocol with one identity provider. It is safe for concurrent
// use, and ends every call in bounded time.
type Protocol interface {
	// Assert tells what the provider says of the holder of a credential, such as a
	// bearer token: fault.Unauthenticated if the credential is not good, or was not
	// meant for this cloud; fault.Unavailable if the provider cannot be asked.
	Assert(ctx context.Context, credential string) (Assertion, error)
	// Close ends the driver and what it has begun.
	Close() error
}

// Browser is a [Protocol] that also logs people in with their browsers.
type Browser interface {
	Protocol
	// Begin returns where to send a browser to log in, from where the provider sends it
	// to flow.Redirect. Its errors are those of Assert.
	Begin(ctx context.Context, flow Flow) (string, error)
	// Finish tells what the provider says of who came back from there with a query.
	// That query's state is that of the flow; the rest of it is not checked yet.
	Finish(ctx context.Context, flow Flow, query url.Values) (Assertion, error)
}

// Flow is one log-in with a browser. The three secrets are drawn anew for each; the
// verifier is not shown before its end.
type Flow struct {
	Redirect string // where the provider sends the browser back to
	State    string // comes back with the browser
	Nonce    string // must come back in what the provider signs
	Verifier string // proves that who began the flow ends it (PKCE)
}
