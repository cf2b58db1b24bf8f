package identity_test

import (
	"context"
	"fmt"

	"github.com/welkin-cloud/cloud/identity"
)

// What a project may have of something is its own limit, or else what is registered for
// the service.
func ExampleService_EffectiveLimit() {
	ctx := context.Background()
	s, err := identity.Open(ctx, identity.Config{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	compute, _ := s.CreateService(ctx, identity.CreateServiceOptions{Type: "compute"})
	lab, _ := s.CreateProject(ctx, identity.CreateProjectOptions{Name: "lab"})
	cores := identity.EffectiveLimitOptions{ProjectID: lab.ID, ServiceID: compute.ID, ResourceName: "cores"}

	s.CreateRegisteredLimits(ctx, []identity.CreateRegisteredLimitOptions{
		{ServiceID: compute.ID, ResourceName: "cores", Default: 10},
	})
	fmt.Println(s.EffectiveLimit(ctx, cores))
	s.CreateLimits(ctx, []identity.CreateLimitOptions{
		{ProjectID: lab.ID, ServiceID: compute.ID, ResourceName: "cores", Value: 64},
	})
	fmt.Println(s.EffectiveLimit(ctx, cores))
	// Output:
	// 10 <nil>
	// 64 <nil>
}

// A project that was given endpoints sees those in its catalog and no others.
func ExampleService_CatalogOf() {
	ctx := context.Background()
	s, err := identity.Open(ctx, identity.Config{Services: []identity.CatalogEntry{
		{Type: "compute", Path: "/compute/v2.1"}, {Type: "image", Path: "/image"},
	}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	lab, _ := s.CreateProject(ctx, identity.CreateProjectOptions{Name: "lab"})
	images, _ := s.ListServices(ctx, &identity.ListServicesOptions{Type: "image"})
	group, _ := s.CreateEndpointGroup(ctx, identity.CreateEndpointGroupOptions{
		Name: "images", Filter: identity.EndpointFilter{ServiceID: &images[0].ID},
	})
	s.AddEndpointGroupToProject(ctx, group.ID, lab.ID)
	for _, item := range s.CatalogOf(ctx, lab.ID) {
		fmt.Println(item.Service.Type, len(item.Endpoints))
	}
	// Output: image 3
}

// What a domain is configured with is shown without its secrets, and has them in this
// process.
func ExampleService_DomainConfig() {
	ctx := context.Background()
	s, err := identity.Open(ctx, identity.Config{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	s.SetDomainConfig(ctx, identity.DefaultDomainID, identity.DomainConfig{
		"ldap": {"url": "ldap://directory.example.org", "password": "swordfish"},
	})
	shown, _ := s.GetDomainConfig(ctx, identity.DefaultDomainID, "", "")
	whole, _ := s.DomainConfig(ctx, identity.DefaultDomainID)
	fmt.Println(shown)
	fmt.Println(whole.Text("ldap", "password"))
	// Output:
	// map[ldap:map[url:ldap://directory.example.org]]
	// swordfish
}
