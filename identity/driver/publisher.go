package driver

// Publisher is a [Browser] whose provider must be told about this cloud with a document,
// and sends browsers back with a form that they post, from its own site.
type Publisher interface {
	Browser
	// Publish returns the document and its media type. Browsers come back to redirect,
	// with the flow's state in the field RelayState.
	Publish(redirect string) (document []byte, mediaType string)
}
