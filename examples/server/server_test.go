package main

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/stretchr/testify/require"
)

// asServer is the environment variable that makes the test binary the server.
const asServer = "WELKIN_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// server is a reference server in a process of its own, with its clients.
type server struct {
	t       *testing.T
	o       options
	env     []string // more of the process's environment
	flags   []string // more of its command line
	cmd     *exec.Cmd
	compute *gophercloud.ServiceClient
	network *gophercloud.ServiceClient
	image   *gophercloud.ServiceClient
	volume  *gophercloud.ServiceClient
}

// startServer starts a server with a state of its own. At the end of the test
// nothing of it is left.
func startServer(t *testing.T, drivers string) *server {
	t.Helper()
	s := newServer(t, drivers)
	s.start()
	s.login()
	return s
}

// newServer returns a server that has not been started.
func newServer(t *testing.T, drivers string) *server {
	s := &server{t: t, o: options{
		state: filepath.Join(t.TempDir(), "state"), drivers: drivers, listen: freeAddress(t), stopGrace: time.Minute,
	}}
	t.Cleanup(s.end)
	return s
}

// freeAddress returns an address that no outgoing connection gets by chance while the
// server is down: below the range of such ports.
func freeAddress(t *testing.T) string {
	for port := 20_000 + os.Getpid()%10_000; port < 32_000; port++ {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if ln, err := net.Listen("tcp", address); err == nil {
			require.NoError(t, ln.Close())
			return address
		}
	}
	require.FailNow(t, "there is no free port")
	return ""
}

// start starts the process and waits until every API answers.
func (s *server) start() {
	s.t.Helper()
	s.cmd = s.command()
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(s.t, err)
	defer log.Close()
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, s.cmd.Start())
	tooLong := time.AfterFunc(2*time.Minute, func() { _ = s.cmd.Process.Kill() })
	defer tooLong.Stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(s.t, err, "the server does not start")
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	require.True(s.t, ok, line)
	u, err := url.Parse(base)
	require.NoError(s.t, err)
	s.o.listen = u.Host // the next start has the same address, for the same clients
}

// command is that of the process.
func (s *server) command() *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-listen", s.o.listen, "-state", s.o.state, "-drivers", s.o.drivers,
		"-stop-grace", s.o.stopGrace.String(), "-log-level", "warn")
	cmd.Args = append(cmd.Args, s.flags...)
	cmd.Env = append(append(os.Environ(), asServer+"=1"), s.env...)
	return cmd
}

func (s *server) logFile() string { return filepath.Join(filepath.Dir(s.o.state), "log") }

// kill ends the process without warning.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	_ = s.cmd.Wait()         // always an error: it was killed
}

// stop ends the process as an operator does.
func (s *server) stop() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(s.t, s.cmd.Wait())
}

// end cleans up, and shows the log of a test that failed.
func (s *server) end() {
	if s.cmd != nil && s.cmd.ProcessState == nil {
		s.kill()
	}
	if s.t.Failed() {
		text, _ := os.ReadFile(s.logFile())
		s.t.Logf("the server's log:\n%s", text)
	}
	if s.o.drivers != "linux" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), time.Minute)
	defer cancel()
	require.NoError(s.t, removeHost(ctx, s.o, slog.New(slog.DiscardHandler)))
	require.Empty(s.t, s.processes())
	for _, name := range namespaces(s.t) {
		require.False(s.t, strings.HasPrefix(name, s.host().tag+"-"), "namespace %s is left", name)
	}
}

func (s *server) host() host { return hostOf(s.o, slog.New(slog.DiscardHandler)) }

// login makes the clients, as the administrator.
func (s *server) login() {
	s.t.Helper()
	password, err := adminPassword(s.o.state)
	require.NoError(s.t, err)
	provider, err := openstack.AuthenticatedClient(s.t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: "http://" + s.o.listen + "/identity/v3",
		Username:         "admin", Password: password, TenantName: "admin", DomainName: "Default", AllowReauth: true,
	})
	require.NoError(s.t, err)
	for _, c := range []struct {
		to  **gophercloud.ServiceClient
		new func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
	}{
		{&s.compute, openstack.NewComputeV2}, {&s.network, openstack.NewNetworkV2},
		{&s.image, openstack.NewImageV2}, {&s.volume, openstack.NewBlockStorageV3},
	} {
		*c.to, err = c.new(provider, gophercloud.EndpointOpts{})
		require.NoError(s.t, err)
	}
}

// processes lists what runs on the host of the server, as "name id": what sees its
// libvirt folder.
func (s *server) processes() []string {
	want, err := os.Stat(filepath.Join(s.host().box.Dir, "run"))
	if err != nil {
		return nil
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(s.t, err)
	var found []string
	for _, p := range all {
		if got, err := os.Stat(filepath.Join(p, "root/run/libvirt")); err != nil || !os.SameFile(want, got) {
			continue
		}
		if name, err := os.ReadFile(filepath.Join(p, "comm")); err == nil {
			found = append(found, strings.TrimSpace(string(name))+" "+filepath.Base(p))
		}
	}
	return found
}

// killProcess ends a process of the host without warning, and tells whether there was
// one of that name.
func (s *server) killProcess(name string) bool {
	s.t.Helper()
	all := s.processes()
	i := slices.IndexFunc(all, func(p string) bool { return strings.HasPrefix(p, name) })
	if i < 0 {
		return false
	}
	pid, err := strconv.Atoi(strings.Fields(all[i])[1])
	require.NoError(s.t, err)
	s.killID(pid)
	return true
}

// killID ends a process that may have ended already.
func (s *server) killID(pid int) {
	s.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
		require.NoError(s.t, err)
	}
}

// left lists what the cloud has on its host and in its state directory beside the
// host's own.
func (s *server) left() []string {
	h := s.host()
	var all []string
	add := func(what string, lines []string) {
		for _, l := range lines {
			all = append(all, what+" "+l)
		}
	}
	for _, name := range namespaces(s.t) {
		if strings.HasPrefix(name, h.tag+"-") && name != h.namespace && !strings.HasSuffix(name, "-outside") {
			add("namespace", []string{name})
		}
	}
	keep := []string{"lo", h.network.Physical[physical], h.tag + "-o"}
	for _, line := range lines(s.t, "ip", "-n", h.namespace, "-brief", "link") {
		name, _, _ := strings.Cut(strings.Fields(line)[0], "@")
		if !slices.Contains(keep, name) {
			add("link", []string{name})
		}
	}
	for _, line := range lines(s.t, "ip", "netns", "exec", h.namespace, "nft", "list", "ruleset") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "chain" && strings.Contains(f[1], "-") {
			add("firewall", []string{f[1]})
		}
	}
	add("process", slices.DeleteFunc(s.processes(), func(p string) bool { return !strings.HasPrefix(p, "qemu") }))
	for _, dir := range []string{"guests/guests", "guests/images", "volumes"} {
		add("file", filesBelow(s.t, filepath.Join(s.o.state, dir)))
	}
	return all
}

// requireNothingLeft waits until the cloud has nothing on its host.
func (s *server) requireNothingLeft() {
	s.t.Helper()
	var left []string
	require.Eventually(s.t, func() bool { left = s.left(); return len(left) == 0 }, time.Minute, 300*time.Millisecond, "this is left: %v", &left)
}

// filesBelow lists the files in a directory tree, which may change meanwhile.
func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	require.NoError(t, err)
	return all
}

func namespaces(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/run/netns")
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// lines runs a command and returns the lines that it prints.
func lines(t *testing.T, name string, args ...string) []string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	require.NoError(t, err, "%s %v", name, args)
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}
