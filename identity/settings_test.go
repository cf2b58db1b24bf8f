package identity_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

var writeDocs = flag.Bool("write-docs", false, "write the table of docs/configuration.md")

// TestSettingsAreDocumented holds the table of the documentation to the one that reads
// files and fills in defaults.
func TestSettingsAreDocumented(t *testing.T) {
	const file, head = "../docs/configuration.md", "|---|---|---|---|---|\n"
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	before, after, ok := strings.Cut(string(b), head)
	require.True(t, ok)
	table, rest, ok := strings.Cut(after, "\n## ")
	require.True(t, ok)
	if *writeDocs {
		require.NoError(t, os.WriteFile(file, []byte(before+head+identity.SettingsTable()+"\n## "+rest), 0o600))
		return
	}
	require.Equal(t, identity.SettingsTable(), table, "go test ./identity -run SettingsAreDocumented -write-docs")
}

// TestEverySettingIsAnOption: what can be set in Go can be set in a file, and the other
// way round.
func TestEverySettingIsAnOption(t *testing.T) {
	require.ElementsMatch(t, identity.SettingsFields(), identity.OptionFields())
}

func TestSettingsAreRead(t *testing.T) {
	for text, want := range map[string]identity.Settings{
		"token.expiration=7200":                                        {TokenTTL: 2 * time.Hour},
		"token.allow_expired_window=0":                                 {ExpiredWindow: -1},
		"receipt.expiration=86400":                                     {ReceiptTTL: 24 * time.Hour},
		"fernet_tokens.max_active_keys=2":                              {MaxKeys: 2},
		"identity.password_hash_rounds=4":                              {BcryptCost: 4},
		"totp.included_previous_windows=0":                             {TOTPWindows: -1},
		"resource.project_name_url_safe=new":                           {URLSafeNames: true},
		"DEFAULT.max_project_tree_depth=2":                             {MaxProjectDepth: 2},
		"unified_limit.enforcement_model=strict_two_level":             {LimitModel: identity.LimitsStrictTwoLevel},
		"credential.user_limit=-1":                                     {MaxCredentials: -1},
		"application_credential.user_limit=7":                          {MaxAppCredentials: 7},
		"trust.max_redelegation_count=0":                               {MaxRedelegation: -1},
		"credential.auth_ttl=1":                                        {SignatureTTL: time.Minute},
		"oauth1.request_token_duration=1":                              {RequestTokenTTL: time.Second},
		"security_compliance.lockout_duration=0":                       {Passwords: identity.PasswordRules{LockoutDuration: -1}},
		"security_compliance.password_expires_days=90":                 {Passwords: identity.PasswordRules{ExpireAfter: 90 * 24 * time.Hour}},
		"security_compliance.unique_last_password_count=0":             {},
		"security_compliance.change_password_upon_first_use=True":      {Passwords: identity.PasswordRules{ChangeUponFirstUse: true}},
		"security_compliance.disable_user_account_days_inactive=1":     {Passwords: identity.PasswordRules{DisableInactive: 24 * time.Hour}},
		"security_compliance.password_regex_description=what you like": {Passwords: identity.PasswordRules{Description: "what you like"}},
		"welkin.hash_workers=3":                                        {HashWorkers: 3},
	} {
		got, err := parseSetting(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	for text, why := range map[string]string{
		"token.expiration=0":                                   "[token] expiration = 0: must be a number from 1 to ",
		"token.expiration=1h":                                  "of seconds",
		"token.expiration=9223372036854775807":                 "must be a number",
		"receipt.expiration=86401":                             "to 86400",
		"fernet_tokens.max_active_keys=1":                      "from 2",
		"identity.password_hash_rounds=32":                     "from 4 to 31",
		"credential.user_limit=0":                              "or -1",
		"unified_limit.enforcement_model=loose":                "flat, strict_two_level",
		"resource.project_name_url_safe=strict":                "off or new",
		"security_compliance.unique_last_password_count=25":    "to 24, or 0",
		"security_compliance.password_regex=(":                 "no regular expression",
		"security_compliance.password_regex=a":                 "need a description",
		"security_compliance.lockout_failure_attempts=-1":      "or 0",
		"token.provider=jws":                                   "no option provider in the section [token]",
		"tokens.expiration=3600":                               "no option expiration in the section [tokens]",
		"welkin.hash_queue=many":                               "must be a number",
		"security_compliance.change_password_upon_first_use=2": "false or true",
	} {
		_, err := parseSetting(text)
		require.ErrorIs(t, err, fault.Invalid, text)
		require.ErrorContains(t, err, why, text)
	}
	for name, settings := range map[string]identity.Settings{
		"TokenTTL":             {TokenTTL: -1},
		"ReceiptTTL":           {ReceiptTTL: 25 * time.Hour},
		"MaxKeys":              {MaxKeys: 1},
		"BcryptCost":           {BcryptCost: 3},
		"HashQueue":            {HashQueue: -1},
		"LimitModel":           {LimitModel: "loose"},
		"Passwords.History":    {Passwords: identity.PasswordRules{History: 25}},
		"Passwords.MinimumAge": {Passwords: identity.PasswordRules{MinimumAge: -1}},
	} {
		_, err := identity.Open(t.Context(), identity.Config{Settings: settings}, nil)
		require.ErrorIs(t, err, fault.Invalid, name)
		require.ErrorContains(t, err, name)
	}
}

// parseSetting parses one option, "section.name=value".
func parseSetting(text string) (identity.Settings, error) {
	path, value, _ := strings.Cut(text, "=")
	section, name, _ := strings.Cut(path, ".")
	return identity.ParseSettings(map[string]map[string][]string{section: {name: {value}}})
}
