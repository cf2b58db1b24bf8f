package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// passwordFile keeps the administrator's first password, so that clouds.yaml can be
// written again when the address changes.
const passwordFile = "admin-password"

// adminPassword reads the password made at the first start, or makes it.
func adminPassword(dir string) (string, error) {
	path := filepath.Join(dir, passwordFile)
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	password := rand.Text()
	return password, writePrivate(path, password+"\n")
}

// accessFiles are written at every start: the address may have changed.
var accessFiles = map[string]*template.Template{
	"clouds.yaml": template.Must(template.New("").Parse(`clouds:
  welkin:
    auth:
      auth_url: {{.URL}}/identity/v3
      username: admin
      password: {{.Password}}
      project_name: admin
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
    interface: public
    identity_api_version: 3
`)),
	"openrc": template.Must(template.New("").Parse(`export OS_AUTH_URL={{.URL}}/identity/v3
export OS_USERNAME=admin
export OS_PASSWORD={{.Password}}
export OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_REGION_NAME=RegionOne
export OS_INTERFACE=public
export OS_IDENTITY_API_VERSION=3
`)),
}

// writeAccess writes how to log in, for clients that read clouds.yaml and for shells.
func writeAccess(dir, url, password string) error {
	for name, t := range accessFiles {
		var b bytes.Buffer
		if err := t.Execute(&b, struct{ URL, Password string }{url, password}); err != nil {
			return err
		}
		if err := writePrivate(filepath.Join(dir, name), b.String()); err != nil {
			return err
		}
	}
	return nil
}

// writePrivate replaces a file at once, readable by its owner only.
func writePrivate(path, content string) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
