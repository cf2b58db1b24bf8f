package cloudtest

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/network"
)

// Load starts a cloud that ends with the test from what cloud.Cloud.Save has written, of
// whatever cloud: on fakes that hold what is recorded. Of the Model, only Policies, Seed,
// Clock, Log and SkipCheck count; what it would count is there as it was saved.
//
// The fields of the Cloud are filled with what is found: Projects with their users and
// networks, Flavors, the PublicImages, External. Passwords are those of the saved cloud:
// the users' Password fields are right only if it was one of this package.
func Load(t testing.TB, saved io.Reader, model ...Model) *Cloud {
	t.Helper()
	if len(model) > 1 {
		t.Fatal("cloudtest: Load takes one Model")
	}
	c := &Cloud{t: t}
	for _, m := range model {
		c.model = m
	}
	c.model.setDefaults()
	c.model.Dir = ""
	opts := &cloud.LoadOptions{Policies: c.model.Policies, Identity: identity.Settings{BcryptCost: 4}, Log: c.model.Log, Seed: c.model.Seed}
	if c.model.Clock != nil {
		opts.Clock = c.model.Clock
	}
	started, err := cloud.Load(t.Context(), saved, opts)
	if err != nil {
		t.Fatalf("cloudtest: the saved cloud cannot be loaded: %v", err)
	}
	c.adopt(started)
	if c.BackupStore == nil {
		c.BackupStore = memstore.New(memstore.Config{})
	}
	if err := c.recollect(t.Context()); err != nil {
		t.Fatalf("cloudtest: what the loaded cloud has cannot be listed: %v", err)
	}
	return c
}

// LoadFile is Load of a file.
func LoadFile(t testing.TB, path string, model ...Model) *Cloud {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatalf("cloudtest: %v", err)
	}
	defer file.Close()
	return Load(t, file, model...)
}

// recollect fills the fields with what the cloud has.
func (c *Cloud) recollect(ctx context.Context) error {
	c.Flavors = c.Compute.ListFlavors(ctx)
	c.PublicImages = c.Images.ListImages(ctx, image.Filter{Visibility: string(image.Public)})
	networks, err := c.Networks.ListNetworks(ctx)
	if err != nil {
		return err
	}
	for _, n := range networks {
		if n.External && c.External.ID == "" {
			c.External = n
		}
	}
	projects, err := c.Identity.ListProjects(ctx, &identity.ListProjectsOptions{DomainID: identity.DefaultDomainID})
	if err != nil {
		return err
	}
	for _, found := range projects {
		p, err := c.recollectProject(ctx, found, networks)
		if err != nil {
			return err
		}
		if found.Name != "admin" {
			c.Projects = append(c.Projects, p)
			continue
		}
		for _, u := range p.Users {
			if u.Name == "admin" {
				c.Admin = u
			}
		}
	}
	return nil
}

func (c *Cloud) recollectProject(ctx context.Context, found identity.Project, networks []network.Network) (Project, error) {
	p := Project{ID: found.ID, Name: found.Name}
	roles, err := c.Identity.ListAssignments(ctx, &identity.ListAssignmentsOptions{ProjectID: found.ID})
	if err != nil {
		return p, err
	}
	seen := map[string]bool{}
	for _, role := range roles {
		if u, err := c.Identity.GetUser(ctx, role.UserID); err == nil && !seen[u.ID] {
			seen[u.ID] = true
			p.Users = append(p.Users, User{ID: u.ID, Name: u.Name, Password: Password, Project: p.Name, ProjectID: p.ID})
		}
	}
	for _, n := range networks {
		if n.ProjectID != p.ID || n.External {
			continue
		}
		subnets, err := c.Networks.SubnetsOf(ctx, n.ID)
		if err != nil {
			return p, err
		}
		for _, s := range subnets[:min(len(subnets), 1)] {
			p.Networks, p.Subnets = append(p.Networks, n), append(p.Subnets, s)
		}
	}
	routers, err := c.Networks.ListRouters(ctx)
	for _, r := range routers {
		if r.ProjectID == p.ID && p.Router.ID == "" {
			p.Router = r
		}
	}
	return p, err
}
