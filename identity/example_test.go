package identity_test

import (
	"context"
	"fmt"

	"github.com/welkin-cloud/cloud/identity"
)

func ExampleService_Login() {
	ctx := context.Background()
	s, err := identity.Open(ctx, identity.Config{AdminPassword: "secret", Settings: identity.Settings{BcryptCost: 4}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	token, _, err := s.Login(ctx, identity.LoginRequest{
		Password: &identity.PasswordLogin{
			User:     identity.UserRef{Name: "admin", Domain: identity.DomainRef{ID: identity.DefaultDomainID}},
			Password: "secret",
		},
		Scope: identity.LoginScope{System: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	who, err := s.Validate(ctx, token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(who.User.Name, who.System, who.Methods)
	// Output: admin true [password]
}

func ExampleOpen() {
	ctx := context.Background()
	s, err := identity.Open(ctx, identity.Config{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	u, err := s.CreateUser(ctx, identity.CreateUserOptions{Name: "ann", Password: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Name, u.DomainID, u.Enabled)
	// Output: ann default true
}
