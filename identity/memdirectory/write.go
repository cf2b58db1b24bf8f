package memdirectory

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// change is call for what alters the directory.
func (d *Directory) change(ctx context.Context, op, id string, do func() error) error {
	if d.readOnly {
		return driver.Errorf(driver.Forbidden, "The directory is read-only.")
	}
	return d.call(ctx, op, id, do)
}

// CreateUser makes a user whose id is its name, unless it has one.
func (d *Directory) CreateUser(ctx context.Context, u driver.User, password string) (driver.User, error) {
	if u.ID == "" {
		u.ID = u.Name
	}
	err := d.change(ctx, "CreateUser", u.ID, func() error {
		_, taken := d.users[u.ID]
		if _, named := d.named(u.Name); taken || named {
			return nameTaken("user")
		}
		d.users[u.ID] = Account{User: u, Password: password}
		return nil
	})
	return u, err
}

// UpdateUser changes a user.
func (d *Directory) UpdateUser(ctx context.Context, id string, c driver.UserChange) (u driver.User, err error) {
	err = d.change(ctx, "UpdateUser", id, func() error {
		a, ok := d.users[id]
		if !ok {
			return missing("user")
		}
		if c.Name != nil {
			if other, named := d.named(*c.Name); named && other.ID != id {
				return nameTaken("user")
			}
		}
		set(&a.Name, c.Name)
		set(&a.Email, c.Email)
		set(&a.Description, c.Description)
		set(&a.Enabled, c.Enabled)
		set(&a.Password, c.Password)
		d.users[id], u = a, a.User
		return nil
	})
	return u, err
}

// DeleteUser removes a user.
func (d *Directory) DeleteUser(ctx context.Context, id string) error {
	return d.change(ctx, "DeleteUser", id, func() error {
		delete(d.users, id)
		for g, t := range d.groups {
			t.Members = without(t.Members, id)
			d.groups[g] = t
		}
		return nil
	})
}

// CreateGroup makes a group whose id is its name, unless it has one.
func (d *Directory) CreateGroup(ctx context.Context, g driver.Group) (driver.Group, error) {
	if g.ID == "" {
		g.ID = g.Name
	}
	err := d.change(ctx, "CreateGroup", g.ID, func() error {
		if _, taken := d.groups[g.ID]; taken || d.groupNamed(g.Name) != "" {
			return nameTaken("group")
		}
		d.groups[g.ID] = Team{Group: g}
		return nil
	})
	return g, err
}

func (d *Directory) groupNamed(name string) string {
	for id, t := range d.groups {
		if t.Name == name {
			return id
		}
	}
	return ""
}

// UpdateGroup changes a group.
func (d *Directory) UpdateGroup(ctx context.Context, id string, c driver.GroupChange) (g driver.Group, err error) {
	err = d.change(ctx, "UpdateGroup", id, func() error {
		t, ok := d.groups[id]
		if !ok {
			return missing("group")
		}
		if c.Name != nil {
			if other := d.groupNamed(*c.Name); other != "" && other != id {
				return nameTaken("group")
			}
		}
		set(&t.Name, c.Name)
		set(&t.Description, c.Description)
		d.groups[id], g = t, t.Group
		return nil
	})
	return g, err
}

// DeleteGroup removes a group.
func (d *Directory) DeleteGroup(ctx context.Context, id string) error {
	return d.change(ctx, "DeleteGroup", id, func() error {
		delete(d.groups, id)
		return nil
	})
}

// AddMember puts a user into a group.
func (d *Directory) AddMember(ctx context.Context, groupID, userID string) error {
	return d.changeMembers(ctx, "AddMember", groupID, userID, func(ids []string) []string {
		return append(without(ids, userID), userID)
	})
}

// RemoveMember takes a user out of a group.
func (d *Directory) RemoveMember(ctx context.Context, groupID, userID string) error {
	return d.changeMembers(ctx, "RemoveMember", groupID, userID, func(ids []string) []string {
		return without(ids, userID)
	})
}

func (d *Directory) changeMembers(ctx context.Context, op, groupID, userID string, f func([]string) []string) error {
	return d.change(ctx, op, groupID, func() error {
		t, ok := d.groups[groupID]
		if !ok {
			return missing("group")
		}
		if _, ok := d.users[userID]; !ok {
			return missing("user")
		}
		t.Members = f(t.Members)
		d.groups[groupID] = t
		return nil
	})
}

func without(ids []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(x string) bool { return x == id })
}

func set[T any](dst *T, v *T) {
	if v != nil {
		*dst = *v
	}
}

func nameTaken(noun string) error {
	return driver.Errorf(driver.AlreadyExists, "The directory has a %s of this name.", noun)
}
