package identity_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/welkin-cloud/cloud/identity"
)

// A user whose rules ask for a password and a passcode logs in with one after the other.
func ExampleMoreMethodsError() {
	ctx := context.Background()
	s, err := identity.Open(ctx, identity.Config{Settings: identity.Settings{BcryptCost: 4}}, nil)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	ann, err := s.CreateUser(ctx, identity.CreateUserOptions{
		Name: "ann", Password: "secret",
		Options: identity.Attributes{"multi_factor_auth_rules": [][]string{{"password", "totp"}}},
	})
	if err != nil {
		panic(err)
	}
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	if _, err := s.CreateCredential(ctx, identity.CreateCredentialOptions{Type: "totp", Blob: secret, UserID: ann.ID}); err != nil {
		panic(err)
	}

	user := identity.UserRef{ID: ann.ID}
	_, _, err = s.Login(ctx, identity.LoginRequest{Password: &identity.PasswordLogin{User: user, Password: "secret"}})
	var more *identity.MoreMethodsError
	if !errors.As(err, &more) {
		panic(err)
	}
	fmt.Println(more.Receipt.Methods, "of", more.Receipt.Required)

	code, _ := identity.Passcode(secret, time.Now())
	_, token, err := s.Login(ctx, identity.LoginRequest{
		TOTP: &identity.TOTPLogin{User: user, Passcode: code}, Receipt: more.Receipt.ID,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(token.Methods)
	// Output:
	// [password] of [[password totp]]
	// [password totp]
}

// Whoever guesses passwords is locked out, and is told no more than before.
func ExamplePasswordRules() {
	ctx := context.Background()
	s, err := identity.Open(ctx, identity.Config{
		AdminPassword: "secret", Settings: identity.Settings{BcryptCost: 4, Passwords: identity.PasswordRules{LockoutAttempts: 2}},
	}, nil)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	for _, password := range []string{"guess", "another guess", "secret"} {
		_, _, err := s.Login(ctx, identity.LoginRequest{Password: &identity.PasswordLogin{
			User: identity.UserRef{Name: "admin", Domain: identity.DomainRef{Name: "Default"}}, Password: password,
		}})
		fmt.Println(err)
	}
	// Output:
	// identity.Login: The request you have made requires authentication.
	// identity.Login: The request you have made requires authentication.
	// identity.Login: The request you have made requires authentication.
}
