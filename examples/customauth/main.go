// Command customauth is a cloud whose users are those of a team's own web application:
// the cookie of a session there says who asks, and for which project.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/welkin-cloud/cloud"
	compute "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/image/memstore"
	network "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	volume "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// account is a user of the application: its team is its project in the cloud.
type account struct{ name, team string }

// sessions stand for the application's own table, by the value of the cookie.
type sessions map[string]account

// who is asked for each request that has no token of the cloud.
func (s sessions) who(r *http.Request) (*cloud.Principal, error) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return nil, cloud.Unauthenticated
	}
	user, known := s[cookie.Value]
	if !known {
		return nil, cloud.Unauthenticated
	}
	return &cloud.Principal{
		UserID: user.name, UserName: user.name, ProjectID: user.team, Roles: []string{"member", "reader"},
	}, nil
}

func open(ctx context.Context, s sessions) (*cloud.Cloud, error) {
	return cloud.New(ctx, cloud.Config{
		Session: s.who, AdminPassword: os.Getenv("OS_PASSWORD"),
		Hypervisors: []compute.Hypervisor{memhypervisor.New(memhypervisor.Config{Name: "host-1"})},
		Networks:    map[string]network.Mechanism{"host-1": memnetwork.New(memnetwork.Config{Name: "host-1"})},
		Images:      memstore.New(memstore.Config{}), Volumes: []volume.Backend{memvolume.New(memvolume.Config{})},
	})
}

func main() {
	c, err := open(context.Background(), sessions{"c00kie": {"ann", "web"}})
	if err != nil {
		log.Fatal(err)
	}
	log.Print(http.ListenAndServe("127.0.0.1:5000", c.Handler()))
}
