package memdirectory_test

import (
	"testing"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/drivertest"
	"github.com/welkin-cloud/cloud/identity/memdirectory"
)

// of returns a directory that holds a world.
func of(w drivertest.World, readOnly bool) *memdirectory.Directory {
	cfg := memdirectory.Config{ReadOnly: readOnly}
	ids := map[string]string{}
	for _, u := range w.Users {
		cfg.Users = append(cfg.Users, memdirectory.Account{User: u.User, Password: u.Password})
		ids[u.Name] = u.ID
	}
	for _, g := range w.Groups {
		team := memdirectory.Team{Group: g.Group}
		for _, name := range g.Members {
			team.Members = append(team.Members, ids[name])
		}
		cfg.Groups = append(cfg.Groups, team)
	}
	return memdirectory.New(cfg)
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T, w drivertest.World) driver.Directory { return of(w, true) })
}

func TestWriterConformance(t *testing.T) {
	drivertest.RunWriter(t, func(t *testing.T, w drivertest.World) driver.Writer { return of(w, false) })
}

func TestReadOnly(t *testing.T) {
	drivertest.RunReadOnly(t, func(t *testing.T, w drivertest.World) driver.Writer { return of(w, true) })
}
