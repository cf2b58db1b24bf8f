package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The files that commands name, in {dir}.
var commandFiles = map[string]string{
	"filters.json": `{"interface": "admin"}`,
	"rules.json":   `[{"path": "/v3/auth/projects", "method": "GET", "service": "identity"}]`,
	"mapping.json": `[{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "sub"}]}]`,
}

// TestIdentityCommands has the unmodified openstack client give each command that it has
// for identity, and compares what it prints with testdata/identity-commands.txt.
//
// There, lines after "@" are of one user, in one process: "$ " and a command, and below
// what it prints. {id} is any id. For {name} too, but what stands there first is what it must
// be from then on.
func TestIdentityCommands(t *testing.T) {
	s := newServer(t, "memory")
	s.start()
	text := readText(t, filepath.Join("testdata", "identity-commands.txt"))
	book := transcript{known: map[string]string{"dir": t.TempDir()}}
	for name, body := range commandFiles {
		require.NoError(t, os.WriteFile(filepath.Join(book.known["dir"], name), []byte(body), 0o600))
	}
	for _, part := range strings.Split("\n"+text, "\n@ ")[1:] {
		who, lines, _ := strings.Cut(part, "\n")
		book.play(t, s.who(who), strings.Split(strings.TrimSpace(lines), "\n"))
	}

	admin := s.who("admin")
	var missing []string
	for _, name := range strings.Split(admin.run("command", "list", "--group", "openstack.identity.v3", "-f", "value", "-c", "Commands"), ",") {
		name = strings.Trim(name, "[]' ")
		if !strings.Contains(text, "$ "+name+" ") && !strings.Contains(text, "$ "+name+"\n") {
			missing = append(missing, name)
		}
	}
	require.Empty(t, missing, "commands that nobody gives")
}

// who is the client of "admin", or of a user, a password, a domain and a project in it.
func (s *server) who(line string) client {
	s.t.Helper()
	if line == "admin" {
		return s.client("admin", strings.TrimSpace(readText(s.t, filepath.Join(s.o.state, passwordFile))), "Default", "admin", "Default")
	}
	f := strings.Fields(line)
	require.Len(s.t, f, 4, line)
	return s.client(f[0], f[1], f[2], f[3], f[2])
}

// transcript is what is known while commands are given.
type transcript struct{ known map[string]string }

var (
	placeholder = regexp.MustCompile(`\\\{([a-z]+)\\\}`)
	quoted      = regexp.MustCompile(`"([^"]*)"`)
	requestIDs  = regexp.MustCompile(` \(Request-ID: req-[0-9a-f-]+\)`)
)

// play gives a user's commands, all in one process, which takes most of a second to start.
func (b transcript) play(t *testing.T, c client, lines []string) {
	t.Helper()
	var script, want []string
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "$ "):
			script = append(script, b.fill(strings.TrimPrefix(line, "$ ")))
		case !strings.HasPrefix(line, "# "):
			want = append(want, line)
		}
	}
	cmd := exec.CommandContext(t.Context(), "openstack")
	cmd.Env = append(slices.Clone(c.env), "PYTHONUNBUFFERED=1")
	cmd.Stdin = strings.NewReader(strings.Join(script, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	got := strings.FieldsFunc(requestIDs.ReplaceAllString(string(out), ""), func(r rune) bool { return r == '\n' })
	for i, line := range want {
		require.Less(t, i, len(got), "%q is not printed:\n%s", line, out)
		b.match(t, line, got[i], string(out))
	}
	require.Len(t, got, len(want), "%s", out)
}

// fill puts what is known into a command. The client takes quotes off twice.
func (b transcript) fill(line string) string {
	line = quoted.ReplaceAllString(line, `"'$1'"`)
	for name, value := range b.known {
		line = strings.ReplaceAll(line, "{"+name+"}", value)
	}
	return line
}

// match compares a line, and learns what {name} stands for.
func (b transcript) match(t *testing.T, want, got, all string) {
	t.Helper()
	var learnt []string
	pattern := placeholder.ReplaceAllStringFunc(regexp.QuoteMeta(want), func(p string) string {
		name := strings.Trim(p, `\{}`)
		if value, ok := b.known[name]; ok {
			return regexp.QuoteMeta(value)
		}
		if name == "id" {
			return "[0-9a-f]{32,64}"
		}
		learnt = append(learnt, name)
		return "([0-9A-Za-z]{8,64})"
	})
	found := regexp.MustCompile("^" + pattern + "$").FindStringSubmatch(got)
	require.NotNil(t, found, "want %s\ngot  %s\nin:\n%s", want, got, all)
	for i, name := range learnt {
		b.known[name] = found[i+1]
	}
}
