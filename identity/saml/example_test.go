package saml_test

import (
	"fmt"
	"strings"

	"github.com/welkin-cloud/cloud/identity/saml"
)

// A driver is made of the provider's metadata, and describes the cloud to the provider.
func ExampleNew() {
	provider, err := saml.New(saml.Config{
		EntityID: "https://cloud.example/saml",
		Metadata: []byte(described(idpKey())),
	})
	if err != nil {
		panic(err)
	}
	defer provider.Close()
	document, kind := provider.Publish("https://cloud.example/callback", "https://cloud.example/auth")
	fmt.Println(kind)
	fmt.Println(strings.Contains(string(document), `entityID="https://cloud.example/saml"`))
	// Output:
	// application/samlmetadata+xml
	// true
}
