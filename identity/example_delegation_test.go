package identity_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
)

// exampleSite is a service with two users, and a project on which the first is a member.
func exampleSite(ctx context.Context) (s *identity.Service, ann, bob identity.User, lab identity.Project, member identity.Role) {
	s, err := identity.Open(ctx, identity.Config{Settings: identity.Settings{BcryptCost: bcrypt.MinCost}}, nil)
	must(err)
	ann, err = s.CreateUser(ctx, identity.CreateUserOptions{Name: "ann", Password: "secret"})
	must(err)
	bob, err = s.CreateUser(ctx, identity.CreateUserOptions{Name: "bob", Password: "secret"})
	must(err)
	lab, err = s.CreateProject(ctx, identity.CreateProjectOptions{Name: "lab"})
	must(err)
	member, err = s.FindRole(ctx, "member")
	must(err)
	must(s.Assign(ctx, identity.Assignment{RoleID: member.ID, UserID: ann.ID, ProjectID: lab.ID}))
	return s, ann, bob, lab, member
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Ann lets bob act for her on a project, once.
func ExampleService_CreateTrust() {
	ctx := context.Background()
	s, ann, bob, lab, member := exampleSite(ctx)
	defer s.Close()
	once := 1
	trust, err := s.CreateTrust(ctx, identity.CreateTrustOptions{
		TrustorID: ann.ID, TrusteeID: bob.ID, ProjectID: lab.ID, RoleIDs: []string{member.ID},
		Impersonation: true, Remaining: &once,
	})
	must(err)
	login := identity.LoginRequest{
		Password: &identity.PasswordLogin{User: identity.UserRef{ID: bob.ID}, Password: "secret"},
		Scope:    identity.LoginScope{TrustID: trust.ID},
	}
	_, token, err := s.Login(ctx, login)
	must(err)
	fmt.Println(token.User.Name, "on", token.Project.Name)
	_, _, err = s.Login(ctx, login)
	fmt.Println(err != nil)
	// Output:
	// ann on lab
	// true
}

// An object store that takes S3 requests asks who has signed one.
func ExampleService_LoginS3() {
	ctx := context.Background()
	s, ann, _, lab, _ := exampleSite(ctx)
	defer s.Close()
	made, err := s.CreateEC2Credential(ctx, ann.ID, lab.ID, nil)
	must(err)

	// The client signs with its secret.
	var pair struct{ Access, Secret string }
	must(json.Unmarshal([]byte(made.Blob), &pair))
	text := []byte("GET\n\n\nSat, 31 Jan 2026 00:00:00 +0000\n/bucket/key")
	m := hmac.New(sha1.New, []byte(pair.Secret))
	m.Write(text)
	signature := base64.StdEncoding.EncodeToString(m.Sum(nil))

	// The object store hands over what was signed, and the signature.
	_, token, err := s.LoginS3(ctx, identity.S3Request{Access: pair.Access, StringToSign: text, Signature: signature})
	must(err)
	fmt.Println(token.User.Name, "on", token.Project.Name)
	_, _, err = s.LoginS3(ctx, identity.S3Request{Access: pair.Access, StringToSign: text, Signature: "forged"})
	fmt.Println(err != nil)
	// Output:
	// ann on lab
	// true
}
