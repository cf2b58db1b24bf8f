package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

func TestSettingsOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "identity.conf")
	write := func(text string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write(`# as in keystone.conf
[token]
expiration = 60
expiration = 7200
[security_compliance]
password_regex = ^.{8,}$
password_regex = [0-9=]
password_regex_description = eight characters with a digit
lockout_failure_attempts = 5
; more of a section that was there
[token]
allow_expired_window = 0
`)
	got, err := readSettings(file)
	require.NoError(t, err)
	require.Equal(t, identity.Settings{
		TokenTTL: 2 * time.Hour, ExpiredWindow: -1,
		Passwords: identity.PasswordRules{
			Patterns: []string{"^.{8,}$", "[0-9=]"}, Description: "eight characters with a digit", LockoutAttempts: 5,
		},
	}, got)

	for text, why := range map[string]string{
		"[token]\nexpiry = 1":        "no option expiry in the section [token]",
		"[token]\nexpiration = soon": "must be a number",
		"expiration = 1":             ":1: neither a section nor an option",
	} {
		write(text)
		_, err := readSettings(file)
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, file)
	}
	_, err = readSettings(filepath.Join(t.TempDir(), "gone"))
	require.ErrorIs(t, err, os.ErrNotExist)
	none, err := readSettings("")
	require.NoError(t, err)
	require.Zero(t, none)
}
