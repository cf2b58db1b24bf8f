package cloudtest

import (
	"context"
	"net/netip"
	"strings"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/network"
)

// Password is every user's.
const Password = "secret"

// physical is the provider network that "public" is on.
const physical = "physnet1"

// publicRange is one of those that RFC 5737 keeps for examples.
var publicRange = netip.MustParsePrefix("203.0.113.0/24")

// Project is a project with its members and networks.
type Project struct {
	ID       string
	Name     string
	Users    []User
	Networks []network.Network
	Subnets  []network.Subnet // of Networks, in the same order
	Router   network.Router   // to the outside; zero without Networks
}

// User is who may log in to a project.
type User struct {
	ID        string
	Name      string
	Password  string
	Project   string // its name
	ProjectID string
}

// populate makes what the model asks for.
func (c *Cloud) populate(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		c.findAdmin, c.addExternal, c.addFlavors, c.addImages, c.addProjects,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cloud) findAdmin(ctx context.Context) error {
	u, err := c.Identity.FindUser(ctx, identity.DefaultDomainID, "admin")
	if err != nil {
		return err
	}
	p, err := c.Identity.FindProject(ctx, identity.DefaultDomainID, "admin")
	c.Admin = User{ID: u.ID, Name: u.Name, Password: Password, Project: p.Name, ProjectID: p.ID}
	return err
}

func (c *Cloud) addExternal(ctx context.Context) (err error) {
	c.External, err = c.Networks.CreateNetwork(ctx, c.Admin.ProjectID, network.CreateNetworkOptions{
		Name: "public", External: true, IsDefault: true,
	})
	if err != nil {
		return err
	}
	dhcp := false
	_, err = c.Networks.CreateSubnet(ctx, c.Admin.ProjectID, network.CreateSubnetOptions{
		Name: "public", NetworkID: c.External.ID, CIDR: publicRange, EnableDHCP: &dhcp,
	})
	return err
}

func (c *Cloud) addFlavors(ctx context.Context) error {
	for i := range count(c.model.Flavors) {
		f, err := c.Compute.CreateFlavor(ctx, compute.Flavor{
			Name: number("flavor", i), VCPUs: 1 << i, MemoryMiB: 128 << i, DiskGiB: 1 << i, Public: true,
		})
		if err != nil {
			return err
		}
		c.Flavors = append(c.Flavors, f)
	}
	return nil
}

func (c *Cloud) addImages(ctx context.Context) error {
	for i := range count(c.model.Images) {
		img, err := c.Images.CreateImage(ctx, c.Admin.ProjectID, image.CreateOptions{
			Name: number("image", i), Visibility: image.Public, DiskFormat: "raw", ContainerFormat: "bare",
		})
		if err != nil {
			return err
		}
		content := strings.NewReader("the disk of " + img.Name + "\n")
		if img, err = c.Images.UploadImage(ctx, img.ID, content); err != nil {
			return err
		}
		c.PublicImages = append(c.PublicImages, img)
	}
	return nil
}

func (c *Cloud) addProjects(ctx context.Context) error {
	member, err := c.Identity.FindRole(ctx, "member")
	if err != nil {
		return err
	}
	for i := range count(c.model.Projects) {
		made, err := c.Identity.CreateProject(ctx, identity.CreateProjectOptions{Name: number("project", i)})
		if err != nil {
			return err
		}
		p := Project{ID: made.ID, Name: made.Name}
		for j := range count(c.model.Users) {
			u, err := c.addUser(ctx, member.ID, p, number("user", i*c.model.Users+j))
			if err != nil {
				return err
			}
			p.Users = append(p.Users, u)
		}
		if err := c.addNetworks(ctx, &p); err != nil {
			return err
		}
		if err := c.liftQuotas(ctx, p.ID); err != nil {
			return err
		}
		c.Projects = append(c.Projects, p)
	}
	return nil
}

func (c *Cloud) addUser(ctx context.Context, roleID string, p Project, name string) (User, error) {
	u, err := c.Identity.CreateUser(ctx, identity.CreateUserOptions{
		Name: name, Password: Password, DefaultProjectID: p.ID,
	})
	if err != nil {
		return User{}, err
	}
	err = c.Identity.Assign(ctx, identity.Assignment{RoleID: roleID, UserID: u.ID, ProjectID: p.ID})
	return User{ID: u.ID, Name: name, Password: Password, Project: p.Name, ProjectID: p.ID}, err
}

// addNetworks gives a project its networks, behind one router.
func (c *Cloud) addNetworks(ctx context.Context, p *Project) (err error) {
	for i := range count(c.model.Networks) {
		n, err := c.Networks.CreateNetwork(ctx, p.ID, network.CreateNetworkOptions{Name: number("network", i)})
		if err != nil {
			return err
		}
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i + 1), 0}), 24)
		s, err := c.Networks.CreateSubnet(ctx, p.ID, network.CreateSubnetOptions{
			Name: number("subnet", i), NetworkID: n.ID, CIDR: cidr,
		})
		if err != nil {
			return err
		}
		p.Networks, p.Subnets = append(p.Networks, n), append(p.Subnets, s)
	}
	if len(p.Networks) == 0 {
		return nil
	}
	p.Router, err = c.Networks.CreateRouter(ctx, p.ID, network.CreateRouterOptions{
		Name: "router-1", Gateway: &network.GatewayOptions{NetworkID: c.External.ID},
	})
	if err != nil {
		return err
	}
	for _, s := range p.Subnets {
		if _, err := c.Networks.AddRouterInterface(ctx, p.Router.ID, network.Interface{SubnetID: s.ID}); err != nil {
			return err
		}
	}
	return nil
}

// liftQuotas sets every limit of a project to none, if the model asks for it.
func (c *Cloud) liftQuotas(ctx context.Context, projectID string) error {
	if !c.model.Unlimited {
		return nil
	}
	servers := map[string]int{}
	for name := range c.Compute.DefaultQuota(ctx) {
		servers[name] = -1
	}
	if err := c.Compute.SetQuota(ctx, projectID, servers, true); err != nil {
		return err
	}
	volumes := map[string]int{}
	for name := range c.Volumes.DefaultQuotas(ctx) {
		volumes[name] = -1
	}
	if err := c.Volumes.SetQuotas(ctx, projectID, volumes); err != nil {
		return err
	}
	ports, err := c.Networks.DefaultQuotas(ctx)
	if err != nil {
		return err
	}
	for name := range ports {
		ports[name] = -1
	}
	_, err = c.Networks.SetQuotas(ctx, projectID, ports)
	return err
}
