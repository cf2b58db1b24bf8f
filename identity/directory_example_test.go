package identity_test

import (
	"context"
	"fmt"
	"log"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memdirectory"
)

// A domain whose users are kept elsewhere: in memory here, by LDAP with package
// identity/ldap.
func ExampleConfig_directories() {
	ctx := context.Background()
	directory := memdirectory.New(memdirectory.Config{Users: []memdirectory.Account{{
		User: driver.User{ID: "u-17", Name: "ada", Enabled: true}, Password: "secret",
	}}})
	s, err := identity.Open(ctx, identity.Config{
		Directories: map[string]driver.Directory{"corp": directory},
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	_, token, err := s.Login(ctx, identity.LoginRequest{Password: &identity.PasswordLogin{
		User: identity.UserRef{Name: "ada", Domain: identity.DomainRef{Name: "corp"}}, Password: "secret",
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.User.Name, "of", token.User.Domain.Name)
	// Output: ada of corp
}
