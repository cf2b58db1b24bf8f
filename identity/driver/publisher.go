package driver

import "context"

// Publisher is a [Browser] whose provider must be told about this cloud with a document,
// and sends browsers back with a form that they post, from its own site.
type Publisher interface {
	Browser
	// Publish returns the document and its media type. Browsers come back to redirect,
	// with the flow's state in the field RelayState; messages of Messenger to messages.
	Publish(redirect, messages string) (document []byte, mediaType string)
}

// Messenger is a [Protocol] whose clients need no browser and no token of the provider:
// they carry a message to the provider, which asks them who they are, and its answer
// back (SAML's enhanced clients, ECP).
type Messenger interface {
	Protocol
	// Ask returns the message that begins a flow. A client keeps relay, and adds it to the
	// answer, which it takes to flow.Redirect. Errors are those of Assert.
	Ask(ctx context.Context, flow Flow, relay string) (message []byte, err error)
	// Relayed returns what a client has added to an answer: fault.Unauthenticated if
	// there is no such thing. Nothing of the answer is checked yet.
	Relayed(answer []byte) (relay string, err error)
	// Answer tells what the provider says in an answer. Errors are those of Assert.
	Answer(ctx context.Context, flow Flow, answer []byte) (Assertion, error)
}
