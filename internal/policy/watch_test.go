package policy_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/policy"
)

const index = "os_compute_api:servers:index"

// watched is a directory of overrides that an enforcer follows.
type watched struct {
	testing.TB
	*policy.Enforcer
	dir string
	log bytes.Buffer // written by the watcher only, read while it sleeps
}

// watch starts to watch a directory with the files given.
func watch(t testing.TB, base map[string]map[string]string, files map[string]string) *watched {
	w := &watched{TB: t, dir: t.TempDir()}
	for name, text := range files {
		w.write(name, text)
	}
	var err error
	w.Enforcer, err = policy.New(base)
	require.NoError(t, err)
	watcher, err := policy.Watch(t.Context(), w.Enforcer, policy.WatchConfig{
		Dir: w.dir, Base: base, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, watcher.Close()) })
	return w
}

func (w *watched) write(name, text string) {
	w.Helper()
	require.NoError(w, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
}

// settle waits until a change was looked at twice.
func (w *watched) settle() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// may reports whether a reader may list servers.
func (w *watched) may() bool { return w.Allowed("compute", index, people()["reader"], nil) }

// lines counts the lines of the log with a word.
func (w *watched) lines(word string) int { return strings.Count(w.log.String(), word) }

func TestFilesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]map[string]string{"compute": {index: "!", "base": "@"}}, map[string]string{"compute.yaml": index + ": 'role:reader'"})
		require.True(t, w.may(), "the file lies over what was there before")
		require.True(t, w.Has("compute", "base"))

		w.write("compute.yaml", index+": 'role:nobody'")
		require.True(t, w.may())
		w.settle()
		require.False(t, w.may())
		require.Equal(t, 1, w.lines("have changed"))

		require.NoError(t, os.Remove(filepath.Join(w.dir, "compute.yaml")))
		w.write("policy.json", `{"compute": {"`+index+`": "@"}, "volume": {"volume:get": "!"}}`)
		w.settle()
		require.True(t, w.may(), "one file for several services")
		require.False(t, w.Allowed("volume", "volume:get", people()["admin"], nil))

		require.NoError(t, os.Remove(filepath.Join(w.dir, "policy.json")))
		w.settle()
		require.False(t, w.may(), "what was there before")
		require.Equal(t, 3, w.lines("have changed"))
		time.Sleep(time.Hour)
		require.Equal(t, 3, w.lines("\n"), "nothing changed, nothing said: %s", &w.log)
	})
}

func TestWrongFilesChangeNothing(t *testing.T) {
	for name, wrong := range map[string]map[string]string{
		"no YAML":           {"compute.yaml": "a: ["},
		"no rule":           {"compute.yaml": "a: 'rule:none'"},
		"circle":            {"compute.yaml": "a: 'rule:b'\nb: 'rule:a'"},
		"remote":            {"compute.yaml": "a: 'http://example.org/x'"},
		"no check":          {"compute.yaml": "a: 'admin'"},
		"another is wrong":  {"compute.yaml": index + ": '@'", "network.yaml": "get_network: 'role:'"},
		"twice":             {"compute.yaml": index + ": '@'", "policy.yaml": "compute: {a: '@'}"},
		"no such service":   {"policy.yaml": "bakery: {a: '@'}"},
		"rules of no shape": {"policy.yaml": "compute: '@'"},
		"too large":         {"compute.yaml": strings.Repeat("#", 2<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, nil, map[string]string{"compute.yaml": index + ": '!'"})
				for file, text := range wrong {
					w.write(file, text)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				require.False(t, w.may())
				require.Equal(t, 1, w.lines("the rules stay as they were"), &w.log)
				require.Equal(t, 1, w.lines("\n"), "said once: %s", &w.log)
				for file := range wrong {
					require.NoError(t, os.Remove(filepath.Join(w.dir, file)))
				}
				w.write("compute.yaml", index+": 'role:reader'")
				w.settle()
				require.True(t, w.may(), "the next good one counts")
			})
		})
	}
}

func TestHalfWrittenFilesAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, nil, map[string]string{"compute.yaml": index + ": '!'"})
		for range 20 { // each look sees something else, all of it well-formed
			w.write("compute.yaml", index+": '@'\n#"+time.Now().String())
			time.Sleep(time.Second)
			require.False(t, w.may())
		}
		w.settle()
		require.True(t, w.may())
	})
}

func TestWrongFilesAtTheStart(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "compute.yaml"), []byte("a: 'rule:none'"), 0o600))
	e, err := policy.New(nil)
	require.NoError(t, err)
	_, err = policy.Watch(t.Context(), e, policy.WatchConfig{Dir: dir})
	require.ErrorContains(t, err, `there is no rule "none"`)
	watcher, err := policy.Watch(t.Context(), e, policy.WatchConfig{Dir: filepath.Join(dir, "none")})
	require.NoError(t, err, "a directory may come later")
	require.NoError(t, watcher.Close())
}

func TestRulesAreSwappedWhole(t *testing.T) {
	e, err := policy.New(nil)
	require.NoError(t, err)
	rules := []string{index, "os_compute_api:servers:detail"}
	sets := []map[string]map[string]string{
		{"compute": {rules[0]: "!", rules[1]: "!"}}, {"compute": {rules[0]: "@", rules[1]: "@"}},
	}
	require.NoError(t, e.Load(sets[0]))
	var done sync.WaitGroup
	done.Go(func() {
		for i := range 20 {
			if err := e.Load(sets[i%2]); err != nil {
				t.Error(err)
			}
		}
	})
	for range 1000 {
		for _, r := range e.Rules("compute") {
			if r.Name == rules[0] || r.Name == rules[1] {
				require.True(t, r.Overridden)
			}
		}
		e.Allowed("compute", index, nil, nil)
	}
	done.Wait()
}
