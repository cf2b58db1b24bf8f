package identity_test

import (
	"context"
	"fmt"

	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memprotocol"
)

// A token ends when it is revoked. Others of its user go on.
func ExampleService_Revoke() {
	ctx := context.Background()
	s, ann, _, _, _ := exampleSite(ctx)
	defer s.Close()
	login := identity.LoginRequest{
		Password: &identity.PasswordLogin{User: identity.UserRef{ID: ann.ID}, Password: "secret"},
	}
	first, _, err := s.Login(ctx, login)
	must(err)
	second, _, err := s.Login(ctx, login)
	must(err)

	must(s.Revoke(ctx, first))
	_, err = s.Validate(ctx, first)
	fmt.Println(err)
	_, err = s.Validate(ctx, second)
	fmt.Println(err)
	// Output:
	// The request you have made requires authentication.: the token is void: revoked
	// <nil>
}

// Keys are changed while the cloud runs. A token is good for as long as its key is kept.
func ExampleService_RotateKeys() {
	ctx := context.Background()
	s, err := identity.Open(ctx, identity.Config{Settings: identity.Settings{BcryptCost: bcrypt.MinCost, MaxKeys: 3}}, nil)
	must(err)
	defer s.Close()
	ann, err := s.CreateUser(ctx, identity.CreateUserOptions{Name: "ann", Password: "secret"})
	must(err)
	token, _, err := s.Login(ctx, identity.LoginRequest{
		Password: &identity.PasswordLogin{User: identity.UserRef{ID: ann.ID}, Password: "secret"},
	})
	must(err)
	for range 3 {
		_, err = s.Validate(ctx, token)
		fmt.Println(err == nil)
		must(s.RotateKeys(ctx))
	}
	// Output:
	// true
	// true
	// false
}

// A program logs in as ann, but can only read servers.
func ExampleService_CreateApplicationCredential() {
	ctx := context.Background()
	s, ann, _, lab, _ := exampleSite(ctx)
	defer s.Close()
	robot, secret, err := s.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: ann.ID, ProjectID: lab.ID,
		AccessRules: []identity.AccessRule{{Service: "compute", Method: "GET", Path: "/v2.1/servers/**"}},
	})
	must(err)
	_, token, err := s.Login(ctx, identity.LoginRequest{
		AppCredential: &identity.AppCredentialLogin{ID: robot.ID, Secret: secret},
	})
	must(err)
	fmt.Println(token.User.Name, "on", token.Project.Name, "by", token.AppCredential.Name)
	for _, rule := range token.AppCredential.AccessRules {
		fmt.Println("only", rule.Method, rule.Path, "of", rule.Service)
	}
	// Output:
	// ann on lab by robot
	// only GET /v2.1/servers/** of compute
}

// What tokens get: the roles of groups, and those that a role implies.
func ExampleService_ListAssignments() {
	ctx := context.Background()
	s, _, bob, lab, member := exampleSite(ctx)
	defer s.Close()
	crew, err := s.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew"})
	must(err)
	must(s.AddUserToGroup(ctx, crew.ID, bob.ID))
	must(s.Assign(ctx, identity.Assignment{RoleID: member.ID, GroupID: crew.ID, ProjectID: lab.ID}))

	list, err := s.ListAssignments(ctx, &identity.ListAssignmentsOptions{UserID: bob.ID, Effective: true})
	must(err)
	for _, a := range list {
		role, err := s.GetRole(ctx, a.RoleID)
		must(err)
		fmt.Println(role.Name, "by the group:", a.ViaGroupID == crew.ID, "implied:", a.PriorRoleID != "")
	}
	// Unordered output:
	// member by the group: true implied: false
	// reader by the group: true implied: true
}

// Who logs in with another company's account is a user here, in the groups that the
// mapping says.
func ExampleService_LoginFederated() {
	ctx := context.Background()
	var company memprotocol.Provider // identity/oidc speaks with a real one
	company.Know("a bearer token", driver.Assertion{"email": {"zoe@company.example"}, "teams": {"crew"}})
	s, err := identity.Open(ctx, identity.Config{Federation: identity.FederationConfig{
		Methods: []identity.FederationMethod{{ProviderID: "company", ProtocolID: "openid", Driver: &company}},
	}}, nil)
	must(err)
	defer s.Close()
	crew, err := s.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew"})
	must(err)
	_, err = s.CreateIdentityProvider(ctx, identity.CreateIdentityProviderOptions{ID: "company", Enabled: true})
	must(err)
	_, err = s.CreateMapping(ctx, identity.Mapping{ID: "accounts", Rules: []identity.MappingRule{{
		Remote: []identity.MappingRemote{{Type: "email"}, {Type: "teams"}},
		Local: []identity.MappingLocal{
			{User: &identity.MappingUser{Name: "{0}"}},
			{Groups: "{1}", Domain: &identity.Named{ID: identity.DefaultDomainID}},
		},
	}}})
	must(err)
	_, err = s.CreateFederationProtocol(ctx, identity.FederationProtocol{
		ID: "openid", ProviderID: "company", MappingID: "accounts",
	})
	must(err)

	_, token, err := s.LoginFederated(ctx, identity.FederatedLogin{
		ProviderID: "company", ProtocolID: "openid", Credential: "a bearer token",
	})
	must(err)
	fmt.Println(token.User.Name, token.Federation.GroupIDs[0] == crew.ID)
	// Output: zoe@company.example true
}
